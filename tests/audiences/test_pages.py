"""The audience pages by the front door."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from accounts.models import AuditEntry, Workspace
from audiences import consent, suppression
from audiences.models import Profile
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 6)
    return made


@pytest.fixture
def manager(where: Workspace) -> Client:
    client = Client()
    client.force_login(builders.person(where, "manager"))
    return client


def test_profiles_are_found_by_address_and_attribute(manager: Client) -> None:
    assert "p1@example.com" in manager.get("/audiences/profiles/?search=P1@").content.decode()
    page = manager.get("/audiences/profiles/?search=Ann 2").content.decode()
    assert "p2@example.com" in page and "p1@example.com" not in page
    assert manager.get("/audiences/profiles/?search=%00&page=x").status_code == 200


def test_a_viewer_and_a_stranger_see_no_people(where: Workspace) -> None:
    audience = builders.audience(where)
    viewer, stranger = Client(), Client()
    viewer.force_login(builders.person(where, "viewer"))
    stranger.force_login(builders.person(builders.workspace("other"), "administrator"))
    for address in ("/audiences/", "/audiences/profiles/", "/audiences/new/", "/audiences/import/"):
        assert viewer.get(address).status_code == 403, address
    for client in (viewer, stranger):
        assert client.get(f"/audiences/{audience.pk}/").status_code == 404
    assert "example.com" not in stranger.get("/audiences/profiles/").content.decode()


def test_a_person_is_shown_with_what_is_held_of_them(where: Workspace, manager: Client) -> None:
    person = Profile.objects.filter(workspace=where).order_by("pk")[1]
    consent.withdraw(profile_id=person.pk, channel="email", source="page", now=builders.NOW)
    suppression.suppress(
        workspace_id=where.pk, channel="email", address=person.email, reason="bounce", now=builders.NOW
    )
    page = manager.get(f"/audiences/profiles/{person.pk}/").content.decode()
    assert (
        "林1" in page
        and "opted out" in page
        and "On the suppression list: the address does not exist" in page
    )
    held = json.loads(manager.get(f"/audiences/profiles/{person.pk}/export.json").content)
    assert held["email"] == person.email
    assert [one["state"] for one in held["consents"]] == ["no"]
    assert [one["reason"] for one in held["suppressed"]] == ["bounce"]


@pytest.mark.parametrize("role", ["viewer", "administrator"])
def test_a_person_is_not_shown_to_who_may_not_see_people(where: Workspace, role: str) -> None:
    person = Profile.objects.first()
    assert person
    here = where if role == "viewer" else builders.workspace("other")
    reader = Client()
    reader.force_login(builders.person(here, role, "eve"))
    for address in (f"/audiences/profiles/{person.pk}/", f"/audiences/profiles/{person.pk}/export.json"):
        assert reader.get(address).status_code == 404
    assert reader.get(f"/campaigns/people/{person.pk}/messages/").status_code == 404


def test_what_is_known_of_a_person_can_be_corrected(where: Workspace, manager: Client) -> None:
    person = Profile.objects.filter(workspace=where).first()
    assert person
    address = f"/audiences/profiles/{person.pk}/"
    form = {"locale": "zh_TW", "time_zone": "Asia/Taipei", "is_test": "on"}
    for _twice in range(2):  # what changes nothing is not written down
        assert manager.post(address, form).status_code == 302
    person.refresh_from_db()
    assert (person.locale, person.time_zone, person.is_test) == ("zh-TW", "Asia/Taipei", True)
    entry = AuditEntry.objects.get(verb="change_profile")
    assert entry.details["profile"] == person.pk
    assert str(person.email) not in f"{entry.details} {entry.object_label}"


@pytest.mark.parametrize(
    "wrong", [{"locale": "zh TW"}, {"time_zone": "Asia/Taipeh"}, {"time_zone": "../etc"}, {"locale": "\0"}]
)
def test_a_wrong_correction_is_told_at_its_field_and_changes_nothing(
    where: Workspace, manager: Client, wrong: dict[str, str]
) -> None:
    person = Profile.objects.filter(workspace=where).first()
    assert person
    answer = manager.post(f"/audiences/profiles/{person.pk}/", {"is_test": "on", **wrong})
    assert answer.status_code == 400
    assert "finding box err" in answer.content.decode()
    person.refresh_from_db()
    assert (person.locale, person.time_zone, person.is_test) == ("", "", False)
