"""The audience pages by the front door."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Workspace
from audiences.models import Audience, Import, Profile
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


def row(field: str, op: str, value: str) -> dict[str, str]:
    return {"match": "all", "field_0": field, "op_0": op, "value_0": value, "json": ""}


def test_a_rule_is_counted_then_saved_and_reads_in_words(manager: Client) -> None:
    form = {"name": "Ann", **row("name", "starts_with", "Ann")}
    page = manager.post("/audiences/new/", {**form, "count": "1"}).content.decode()
    assert "name starts with “Ann”" in page and '<span class="stat">3</span>' in page
    assert not Audience.objects.exists()
    address = manager.post("/audiences/new/", form).headers["Location"]
    page = manager.get(address).content.decode()
    assert "name starts with “Ann”" in page and '<p class="stat">3</p>' in page
    assert "Ann" in manager.get("/audiences/").content.decode()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{", "This is not JSON"),
        ("[" * 5000, "This is not JSON"),
        ("[]", "A rule is an object"),
        ('{"all": [{"field": "_connector", "op": "is", "value": "x"}]}', "/all/0/field: There is no field"),
        ('{"field": "name", "op": "is", "value": "\\ud800"}', "cannot be stored"),
    ],
)
def test_a_wrong_rule_is_told_at_the_field_and_saves_nothing(
    manager: Client, written: str, told: str
) -> None:
    answer = manager.post("/audiences/new/", {"name": "x", "match": "all", "json": written})
    assert answer.status_code == 400
    assert told in answer.content.decode()
    assert not Audience.objects.exists()


def test_a_name_that_is_taken_is_told(manager: Client, where: Workspace) -> None:
    builders.audience(where, name="Taken")
    answer = manager.post("/audiences/new/", {"name": "Taken", "match": "all", "json": "{}"})
    assert "There is an audience called “Taken” already." in answer.content.decode()


def test_a_file_becomes_an_audience_with_its_rejected_rows_shown(manager: Client) -> None:
    raw = "email,name\nnew@example.com,林怡君\nnobody,x\n".encode("big5")
    form = {"name": "File", "file": SimpleUploadedFile("people.csv", raw)}
    address = manager.post("/audiences/import/", form).headers["Location"]
    page = manager.get(address).content.decode()
    assert "Ready to import" in page and "is not an email address" in page
    manager.post(address + "continue/")
    page = manager.get(address).content.decode()
    assert "Imported" in page and "hx-get" not in page
    assert Profile.objects.get(email="new@example.com").attributes == {"name": "林怡君"}


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "The file has no content."),
        (b"PK\x03\x04", "This is a ZIP"),
        (b"a,b\n1,2", "No column is named email"),
    ],
)
def test_a_wrong_file_is_told_at_the_field_and_leaves_nothing(manager: Client, raw: bytes, told: str) -> None:
    answer = manager.post("/audiences/import/", {"name": "File", "file": SimpleUploadedFile("x.csv", raw)})
    assert answer.status_code == 400
    assert told in answer.content.decode()
    assert not Audience.objects.exists()
    assert not Import.objects.exists()


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


def test_a_rule_survives_as_json(manager: Client) -> None:
    rule = {
        "any": [
            {"field": "name", "op": "is_empty"},
            {"none": [{"field": "is_test", "op": "is", "value": True}]},
        ]
    }
    manager.post("/audiences/new/", {"name": "Deep", "match": "all", "json": json.dumps(rule)})
    assert Audience.objects.get().rule == rule
