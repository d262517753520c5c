"""The Schedule tab, the review, the stop page and the versions, through the front door."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation

from campaigns import lifecycle, schedule, sentences
from campaigns.models import Campaign, Run, Status
from tests import builders

pytestmark = pytest.mark.django_db
DAILY = {"zone": "Asia/Taipei", "rules": [{"every": "day", "at": "09:00"}]}


def signed_in(person: Any) -> Client:
    browser = Client()
    browser.force_login(person)
    return browser


@pytest.fixture
def draft() -> Campaign:
    where = builders.workspace()
    builders.profiles(where, 5)
    return builders.draft(where, builders.person(where, "manager"))


def manager() -> Client:
    return signed_in(builders.User.objects.get(name="Manager"))


def approver(where: Any) -> Client:
    return signed_in(builders.person(where, "approver"))


FORM = {
    "zone": "America/New_York",
    "starts_at": "2027-03-13T00:00",
    "ends_at": "2027-04-01T00:00",
    "per_person": "on",
    "occurrences": "7",
    "rate": "40",
    "rule0-every": "day",
    "rule0-interval": "1",
    "rule0-at": "02:30",
    "rule1-every": "month",
    "rule1-interval": "2",
    "rule1-at": "18:00",
    "rule1-days": "15, last",
    "wave_mode": "percent",
    "wave_sizes": "40, 60",
    "wave_interval": "30",
}


def test_a_schedule_is_written_by_the_form_and_read_back(draft: Campaign) -> None:
    browser, address = manager(), f"/campaigns/{draft.pk}/edit/schedule/"
    answer = browser.post(address, {**FORM, "revision": draft.revision})
    assert answer.status_code == 302, answer.content.decode()[:2000]
    draft.refresh_from_db()
    assert draft.schedule["zone"] == "America/New_York"
    assert [rule["every"] for rule in draft.schedule["rules"]] == ["day", "month"]
    assert draft.schedule["rules"][1]["days"] == [-1, 15]
    assert (draft.schedule["occurrences"], draft.schedule["per_person"], draft.rate) == (7, True, 40)
    assert draft.starts_at == datetime(2027, 3, 13, 5, tzinfo=UTC)  # midnight in New York
    assert draft.waves == {"sizes": [40, 60], "mode": "percent", "interval_minutes": 30}
    page = browser.get(address).content.decode()
    for shown in ("America/New_York", 'value="02:30"', "2027-03-13T00:00", "40, 60", "The clocks go forward"):
        assert shown in page


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"zone": "Mars/Olympus"}, "is not a time zone"),
        ({"rule0-at": ""}, "Say at what time"),
        ({"rule0-at": "25:00"}, "not complete"),
        ({"rule1-days": "32"}, "Write days from 1 to 31"),
        ({"rate": "0"}, "greater than or equal to 1"),
        ({"rate": "2001"}, "less than or equal to 2000"),
        ({"wave_sizes": "half"}, "Write whole numbers"),
        ({"wave_starts": "soon"}, "Write a date and a time"),
        ({"starts_at": "2027-02-30T00:00"}, "Write a date and a time"),
        ({"occurrences": "-1"}, "greater than or equal to 1"),
        ({"rule0-weekdays": "someday"}, "Select a valid choice"),
    ],
)
def test_what_is_wrong_stands_in_the_form_and_nothing_is_saved(
    draft: Campaign, changes: dict[str, str], text: str
) -> None:
    given = {**FORM, **changes, "revision": draft.revision}
    answer = manager().post(f"/campaigns/{draft.pk}/edit/schedule/", given)
    assert (answer.status_code, text in answer.content.decode()) == (400, True)
    draft.refresh_from_db()
    assert (draft.schedule, draft.waves, draft.rate) == ({}, {}, None)


@pytest.mark.parametrize("rate", [1, 2000])
def test_both_ends_of_the_delivery_rates_range_are_taken(draft: Campaign, rate: int) -> None:
    answer = manager().post(
        f"/campaigns/{draft.pk}/edit/schedule/", {**FORM, "rate": str(rate), "revision": draft.revision}
    )
    assert answer.status_code == 302
    draft.refresh_from_db()
    assert draft.rate == rate


def test_the_next_ten_sends_follow_the_form_without_a_save(draft: Campaign) -> None:
    browser, address = manager(), f"/campaigns/{draft.pk}/upcoming/"
    page = browser.get(address, {**FORM, "per_person": "", "occurrences": "3"}).content.decode()
    assert page.count("<time") == 3
    assert "it goes once, at 03:30" in page
    assert "Waves of 40, 60 %" in page
    assert "Complete the fields" in browser.get(address, {**FORM, "rule0-at": ""}).content.decode()
    assert (
        "at least 30 minutes apart" in browser.get(address, {**FORM, "wave_interval": "5"}).content.decode()
    )
    draft.refresh_from_db()
    assert draft.schedule == {}
    assert signed_in(builders.person(draft.workspace, "viewer")).get(address).status_code == 403
    other = builders.workspace("other")
    assert signed_in(builders.person(other, "administrator")).get(address).status_code == 404


def test_the_review_shows_people_schedule_findings_and_buttons_by_right(draft: Campaign) -> None:
    rule = {"every": "week", "interval": 1, "at": "09:00", "weekdays": ["mon", "thu"], "nth": 0, "days": []}
    Campaign.objects.update(schedule={"zone": "Asia/Taipei", "rules": [rule]}, rate=50)
    page = manager().get(f"/campaigns/{draft.pk}/review/").content.decode()
    for shown in (
        "Every Monday and Thursday at 09:00, Asia/Taipei",
        "In the audience, counted now",
        "Versions",
    ):
        assert shown in page
    with translation.override("zh-hant"):
        told = sentences.sentence(schedule.of_draft(Campaign.objects.get()))
    assert told == "每週星期一和星期四 09:00，Asia/Taipei。"
    assert "was never counted" in page
    assert f"/campaigns/{draft.pk}/act/request_approval/" in page
    assert f"/campaigns/{draft.pk}/act/activate/" not in page
    manager().post(f"/campaigns/{draft.pk}/comment/", {"text": "Too long?"})
    assert "Commented" in manager().get(f"/campaigns/{draft.pk}/review/").content.decode()
    page = approver(draft.workspace).get(f"/campaigns/{draft.pk}/review/").content.decode()
    assert f"/campaigns/{draft.pk}/act/activate/" in page


def test_a_live_campaign_is_modified_compared_and_discarded_by_page() -> None:
    where = builders.workspace()
    builders.profiles(where, 3)
    live = builders.live(where, now=timezone.now(), schedule=DAILY)
    browser = manager()
    answer = browser.post(f"/campaigns/{live.pk}/act/modify/")
    assert answer["Location"] == f"/campaigns/{live.pk}/edit/properties/"
    live.refresh_from_db()
    given = {"revision": live.revision, "zone": "Asia/Taipei", "rule0-every": "day", "rule0-at": "10:00"}
    assert browser.post(f"/campaigns/{live.pk}/edit/schedule/", given).status_code == 302
    page = browser.get(f"/campaigns/{live.pk}/review/").content.decode()
    assert "<del>09:00</del>" in page.replace(",</del>", "</del>")
    assert "<ins>10:00</ins>" in page.replace(",</ins>", "</ins>")
    assert "New version:" in page
    page = browser.get(f"/campaigns/{live.pk}/versions/?all=1").content.decode()
    assert "Version 1, live" in page
    publisher = signed_in(builders.User.objects.get(name="Approver"))
    for verb in ("pause", "resume"):  # the editor of the draft beside it is not what they asked for
        answer = publisher.post(f"/campaigns/{live.pk}/act/{verb}/")
        assert answer["Location"] == f"/campaigns/{live.pk}/review/"
    browser.post(f"/campaigns/{live.pk}/act/discard/")
    live.refresh_from_db()
    assert (live.status, live.draft_status) == (Status.SCHEDULED, "")
    assert schedule.of_draft(live).rules[0].at.hour == 9


def test_stopping_asks_once_in_numbers_and_tells_the_bound() -> None:
    where = builders.workspace()
    builders.profiles(where, 3)
    live = builders.live(where, now=timezone.now())
    person = builders.User.objects.get(name="Approver")
    browser = signed_in(person)
    Run.objects.update(state=Run.State.SENDING, started_at=timezone.now())
    live = lifecycle.apply(live, "pause", actor=person, now=timezone.now())
    page = browser.get(f"/campaigns/{live.pk}/stop/").content.decode()
    assert "Stop this campaign?" in page
    assert 'value="finish" disabled' in page
    lifecycle.apply(live, "resume", actor=person, now=timezone.now())
    page = browser.get(f"/campaigns/{live.pk}/stop/").content.decode()
    assert 'value="finish" disabled' not in page
    answer = browser.post(f"/campaigns/{live.pk}/act/stop/", {"queued": "finish"}, follow=True)
    assert "The current run still finishes" in answer.content.decode()
    live.refresh_from_db()
    assert (live.status, Run.objects.get().state) == (Status.STOPPED, Run.State.SENDING)
    assert browser.post(f"/campaigns/{live.pk}/act/archive/").status_code == 409
