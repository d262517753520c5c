"""The pre-flight: every message written before anybody gets one, what is wrong by kind."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User, Workspace
from audiences.models import Profile
from campaigns import drafts, preflight
from campaigns.delivery.content import letter_of
from campaigns.models import Campaign, Message, Preflight, Run
from common.errors import Invalid, PermissionMissing
from tests import builders
from tests.api import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def author(where: Workspace) -> User:
    return builders.person(where, "manager")


def looked(campaign: Campaign, author: User, **asked: Any) -> Preflight:
    row = preflight.begin(campaign, actor=author, now=timezone.now(), **asked)
    assert preflight.check(row.pk, now=timezone.now())
    row.refresh_from_db()
    return row


def by_code(row: Preflight) -> dict[str, dict[str, Any]]:
    return {one["code"]: one for one in row.findings}


def test_every_message_is_written_and_what_is_missing_names_people(where: Workspace, author: User) -> None:
    people = builders.profiles(where, 8)
    Profile.objects.filter(pk=people[3].pk).update(attributes={})
    Profile.objects.filter(pk=people[5].pk).update(attributes={"name": "x" * 501})
    Profile.objects.filter(pk=people[6].pk).update(email=None)
    row = looked(builders.draft(where, author, subject="{{ profile.name }}"), author)
    assert (row.state, row.reached, row.checked) == ("done", 7, 7)
    found = by_code(row)
    assert (found["subject_empty"]["people"], found["subject_empty"]["examples"]) == (1, [people[3].pk])
    assert found["not_written"]["examples"] == [people[5].pk] and "500" in found["not_written"]["detail"]
    assert found["field_missing"]["detail"] == "name" and found["field_missing"]["people"] == 1
    assert found["subject_empty"]["level"] == "error" and row.findings[0]["level"] == "error"
    assert row.spam and not Run.objects.exists() and not Message.objects.exists()
    assert AuditEntry.objects.filter(verb="preflight").count() == 1


def test_a_mail_that_gets_cut_off_is_named(where: Workspace, author: User) -> None:
    builders.profiles(where, 2)
    long = "<p>{{ profile.name }} " + "很長 " * 15_000 + "</p>"
    row = looked(builders.draft(where, author, html=long + builders.HTML), author)
    assert by_code(row)["too_heavy"]["people"] == 2


def test_what_cannot_be_written_is_told_in_its_words(where: Workspace, author: User) -> None:
    people = builders.profiles(where, 3)
    Profile.objects.filter(pk=people[1].pk).update(attributes={"name": 0})
    html = "<p>{{ 5 / (profile.name | length) }}</p>" + builders.HTML
    Profile.objects.filter(pk=people[1].pk).update(attributes={"name": ""})
    row = looked(builders.draft(where, author, html=html), author)
    wrong = by_code(row)["not_written"]
    assert (wrong["people"], wrong["examples"]) == (1, [people[1].pk]) and wrong["detail"]


def test_of_a_large_audience_a_sample_has_the_one_who_is_different(
    where: Workspace, author: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "MOST", 60)
    monkeypatch.setattr(preflight, "PAGE", 20)
    people = builders.profiles(where, 400)
    Profile.objects.filter(pk=people[250].pk).update(attributes={})
    Profile.objects.filter(pk=people[251].pk).update(locale="de")
    campaign = builders.draft(where, author)
    with CaptureQueriesContext(connection) as asked:
        row = looked(campaign, author)
    assert (row.reached, row.checked) == (400, 60)
    assert by_code(row)["field_missing"]["examples"] == [people[250].pk]
    assert len(asked) < 60
    letters = {(0, 0): letter_of(row.definition, 0, 0, campaign)}
    chosen, _reached = preflight.choose(row, letters, timezone.now())
    assert people[251].pk in {one.profile_id for one in chosen}


def test_the_parts_of_an_sms_are_counted(where: Workspace, author: User) -> None:
    sms = builders.configuration(where, channel="sms", name="SMS")
    Profile.objects.create(workspace=where, phone="+886912345678", attributes={"name": "Bo"})
    Profile.objects.create(workspace=where, phone="+886912345679", attributes={"name": "林" * 100})
    row = looked(builders.draft_over(sms, author, text="Hi {{ profile.name }}"), author)
    assert [(one["parts"], one["people"]) for one in row.sms] == [(1, 1), (2, 1)]
    assert preflight.costs(row) == {}
    sms.settings["part_price"] = "0.85 TWD"
    sms.save()
    assert preflight.costs(row) == {"TWD": Decimal("2.55")}
    row.reached *= 10  # a sample stands for all
    assert preflight.costs(row) == {"TWD": Decimal("25.50")}


def test_links_are_tried_only_when_asked_and_never_inside_the_house(where: Workspace, author: User) -> None:
    builders.profiles(where, 1)
    campaign = builders.draft(where, author, html='<a href="http://127.0.0.1:9/x">x</a>' + builders.HTML)
    assert "link_broken" not in by_code(looked(campaign, author))
    words = [
        one["detail"] for one in looked(campaign, author, links=True).findings if one["code"] == "link_broken"
    ]
    assert any(one.startswith("http://127.0.0.1:9/x: ") for one in words)


def test_a_change_makes_it_stale_and_a_second_worker_finds_nothing(where: Workspace, author: User) -> None:
    builders.profiles(where, 1)
    campaign = builders.draft(where, author)
    row = looked(campaign, author)
    assert preflight.last(campaign) == (row, False)
    assert not preflight.check(row.pk, now=timezone.now())
    campaign.refresh_from_db()
    changed: dict[str, Any] = {"revision": campaign.revision, "actor": author, "now": timezone.now()}
    campaign = drafts.save(campaign, subject="Other", **changed)
    assert preflight.last(campaign) == (row, True)
    with pytest.raises(PermissionMissing):
        preflight.begin(campaign, actor=builders.person(where, "viewer"), now=timezone.now())
    with pytest.raises(Invalid):
        preflight.begin(builders.draft(where, author, audience=None), actor=author, now=timezone.now())
    assert Preflight.objects.count() == 1


def test_a_look_that_nobody_takes_is_rung_again_and_given_up_at_last(where: Workspace, author: User) -> None:
    row = preflight.begin(builders.draft(where, author), actor=author, now=builders.NOW)
    Preflight.objects.update(state="running", tries=1)
    preflight.ring_again(now=timezone.now())
    row.refresh_from_db()
    assert row.state == "waiting"
    Preflight.objects.update(tries=3, moved_at=builders.NOW)
    preflight.ring_again(now=timezone.now())
    row.refresh_from_db()
    assert (row.state, row.reason) == ("failed", "worker_lost")


def test_a_look_whose_bell_was_lost_is_rung_for_again_within_seconds(
    where: Workspace, author: User, django_capture_on_commit_callbacks: Any
) -> None:
    now = timezone.now()
    preflight.begin(builders.draft(where, author), actor=author, now=now)
    for seconds, rings in ((5, 0), (11, 1), (16, 0), (22, 1)):
        with django_capture_on_commit_callbacks() as rung:
            preflight.ring_again(now=now + timedelta(seconds=seconds))
        assert len(rung) == rings, seconds
    assert Preflight.objects.get().state == "waiting"


def test_a_look_tells_when_it_moved_and_not_when_it_was_begun(where: Workspace, author: User) -> None:
    """One that takes longer than a worker may be silent would be begun a second time."""
    builders.profiles(where, 1)
    row = preflight.begin(builders.draft(where, author), actor=author, now=builders.NOW)
    called_at = timezone.now()
    assert preflight.check(row.pk, now=called_at - timedelta(minutes=5))
    row.refresh_from_db()
    assert row.moved_at >= called_at and row.finished_at == row.moved_at


def test_it_is_begun_and_read_on_the_review_page_and_by_rest(
    where: Workspace, author: User, client: Client
) -> None:
    [person] = builders.profiles(where, 1)
    Profile.objects.update(attributes={})
    campaign = builders.draft(where, author)
    address, page = (
        f"/api/campaigns/{campaign.pk}/preflight/",
        reverse("campaigns:preflight", args=[campaign.pk]),
    )
    call = Caller(where)
    assert call.get(address).status_code == 404
    client.force_login(author)
    assert client.post(page).status_code == 302
    assert "every 2s" in client.get(page, headers={"HX-Request": "true"}).text
    assert call.post(address, {}).json()["state"] == "waiting"
    preflight.check(Preflight.objects.get().pk, now=timezone.now())
    read = call.get(address).json()
    assert read["state"] == "done" and not read["isStale"] and read["findings"][0]["code"] == "field_missing"
    review = client.get(reverse("campaigns:review", args=[campaign.pk])).text
    assert "A field is empty" in review and str(person.email) in review
    assert Caller(where, "viewer").post(address, {}).status_code == 403
    assert Caller(builders.workspace("other"), "administrator").get(address).status_code == 404
