"""The calendar: what recurring and approved campaigns will send, and the same in programs of one's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.models import Workspace
from campaigns import calendar, calendarfeed, lifecycle
from campaigns.models import Campaign
from tests import builders
from tests.builders import as_, who

pytestmark = pytest.mark.django_db
MARCH = datetime(2031, 3, 3, 0, tzinfo=UTC)


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    for role, name in (("manager", "mia"), ("approver", "ana"), ("viewer", "vera")):
        builders.person(made, role, name)
    return made


def recurring(where: Workspace, begins: datetime = MARCH, **schedule: Any) -> Campaign:
    campaign = builders.draft(where, who("mia"))
    Campaign.objects.filter(pk=campaign.pk).update(
        name="Daily; 每日, 早安 " + "早" * 60,
        starts_at=begins,
        schedule={"zone": "Asia/Taipei", "rules": [{"every": "day", "at": "09:00"}], **schedule},
    )
    campaign.refresh_from_db()
    lifecycle.apply(campaign, "activate", actor=who("ana"), now=timezone.now())
    return campaign


def test_the_calendar_expects_what_a_recurring_schedule_asks_for(where: Workspace) -> None:
    campaign = recurring(where, occurrences=3)
    page = as_("vera").get("/campaigns/calendar/?day=2031-03-04").text
    assert (page.count("Daily; 每日"), page.count("is-expected")) == (3, 2)
    assert as_("vera").get("/campaigns/calendar/?day=2031-03-12").text.count("Daily; 每日") == 0
    assert as_("vera").get("/campaigns/calendar/?day=2031-03-04&channel=sms").text.count("Daily; 每日") == 0
    campaign.labels.create(workspace=where, name="Board")
    assert "Daily; 每日" not in as_("vera").get("/campaigns/calendar/?day=2031-03-04").text


def test_what_is_approved_stands_in_the_calendar_before_it_is_activated(where: Workspace) -> None:
    campaign = builders.draft(where, who("mia"))
    Campaign.objects.filter(pk=campaign.pk).update(starts_at=datetime(2031, 3, 4, 1, tzinfo=UTC))
    campaign.refresh_from_db()
    for verb, name in (("request_approval", "mia"), ("approve", "ana")):
        assert "Winter layers" not in as_("vera").get("/campaigns/calendar/?day=2031-03-04").text
        lifecycle.apply(campaign, verb, actor=who(name), now=timezone.now())
    page = as_("vera").get("/campaigns/calendar/?day=2031-03-04").text
    assert (page.count("Winter layers"), page.count("is-expected")) == (1, 1)


def test_the_calendar_is_subscribed_to_by_an_address_of_ones_own(where: Workspace) -> None:
    campaign = recurring(where, timezone.now() + timedelta(days=1))
    vera, anybody = who("vera"), Client()
    path = calendarfeed.address(vera, where).removeprefix(settings.PUBLIC_URL)
    answer = anybody.get(path)
    assert answer["Content-Type"].startswith("text/calendar") and "no-store" in answer["Cache-Control"]
    assert all(len(line) <= 75 for line in answer.content.split(b"\r\n"))
    whole = answer.text.replace("\r\n ", "")
    assert "SUMMARY:Daily\\; 每日\\, 早安 早早" in whole and "STATUS:TENTATIVE" in whole
    assert calendar.read(answer.content)[0][0].startswith("Daily; 每日, 早安")
    assert anybody.get(path.replace(".ics", "A.ics")).status_code == 404
    assert anybody.post(path).status_code == 405
    campaign.labels.create(workspace=where, name="Board")
    assert "Daily" not in anybody.get(path).text
    vera.set_password("another long pass phrase")
    vera.save()
    assert anybody.get(path).status_code == 404
    path = calendarfeed.address(vera, where).removeprefix(settings.PUBLIC_URL)
    assert anybody.get(path).status_code == 200
    vera.groups.clear()
    assert anybody.get(path).status_code == 404


def test_the_days_shown_have_a_title_and_an_empty_week_says_so(where: Workspace) -> None:
    recurring(where, occurrences=1)
    client = as_("mia")
    week, month, empty = (
        client.get(f"/campaigns/calendar/?{query}").text
        for query in ("day=2031-03-04", "day=2031-03-30&span=month", "day=2031-03-12")
    )
    assert "3 Mar 2031 to 9 Mar 2031" in week and "Nothing goes out" not in week
    assert "March 2031" in month and "Nothing goes out" not in month
    assert "10 Mar 2031 to 16 Mar 2031" in empty and "Nothing goes out" in empty


def test_a_calendar_from_elsewhere_says_what_it_brought_or_why_not(where: Workspace) -> None:
    def add(content: str) -> str:
        upload = SimpleUploadedFile("shop.csv", content.encode())
        given = {"name": "Shop", "file": upload}
        return as_("mia").post("/campaigns/calendars/new/", given, follow=True).text

    assert "2 dates were added." in add("Sale,2031-03-05,2031-03-06\nInventory,03/07/31,03/07/31\n")
    page = as_("vera").get("/campaigns/calendar/?day=2031-03-04").text
    assert (page.count(">Sale<"), page.count(">Inventory<")) == (2, 1) and "Nothing goes out" not in page
    assert "were added" not in add("Sale,2031-03-40,\n")
