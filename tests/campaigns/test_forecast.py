"""The forecast says what the run then shows; and when it would be done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from audiences import consent, suppression
from audiences.models import Profile
from campaigns import forecast, lifecycle
from campaigns.models import Run
from campaigns.reports.metrics import ledger, reasons
from channels.models import AllowedEntry, AllowedList
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sandbox_here(settings, tmp_path) -> None:
    settings.VAR = tmp_path


def people(count: int = 12) -> Any:
    where = builders.workspace()
    found = builders.profiles(where, count)
    consent.withdraw(profile_id=found[0].pk, channel="email", source="test", now=timezone.now())
    suppression.suppress(
        workspace_id=where.pk, channel="email", address="p1@example.com", reason="x", now=timezone.now()
    )
    Profile.objects.filter(pk__in=[found[2].pk, found[3].pk]).update(email=None)
    return where


@pytest.mark.parametrize("category", ["marketing", "transactional"])
@pytest.mark.parametrize("has_list", [False, True])
def test_the_forecast_is_what_the_run_shows(category: str, has_list: bool) -> None:
    where = people()
    if has_list:
        AllowedList.objects.create(workspace=where, is_active=True)
        AllowedEntry.objects.create(workspace=where, address="p5@example.com")
    draft = builders.draft(where, builders.person(where, "manager"), category=category)
    told = forecast.forecast(draft, now=timezone.now())
    assert told is not None
    lifecycle.apply(draft, "activate", actor=builders.person(where, "approver"), now=timezone.now())
    call_command("deliver")
    run = Run.objects.get()
    assert (told.people, told.reached) == (ledger(run).targeted, ledger(run).accepted)
    excluded = {one.code: one.people for action in told.actions for one in action.excluded}
    assert excluded == {code: count for code, _label, count in reasons(run, "excluded")}


@pytest.mark.parametrize("reach", ["first", "all"])
def test_several_channels_are_counted_as_messages_and_the_people_beside_them(reach: str, client: Any) -> None:
    where = people()  # of 12, two have no address and two want or get no mail; nobody has a telephone but one
    Profile.objects.filter(email="p0@example.com").update(phone="+886912345678")
    draft = builders.draft(where, builders.person(where, "manager"))
    draft.reach = reach
    draft.save(update_fields=["reach"])
    sms = builders.configuration(where, channel="sms", name="SMS")
    draft.actions.create(position=1, channel="sms", configuration=sms, content={"text": "Hello"})
    now = timezone.now()
    told = forecast.forecast(draft, now=now)
    assert told is not None
    approver = builders.person(where, "approver")
    client.force_login(approver)
    review = client.get(f"/campaigns/{draft.pk}/review/").text
    lifecycle.apply(draft, "activate", actor=approver, now=now)
    call_command("deliver")
    run = Run.objects.get()
    assert (told.people, told.reached) == (ledger(run).targeted, ledger(run).accepted)
    assert told.everybody == 12 < told.people
    page = client.get(f"/campaigns/runs/{run.pk}/").text
    assert "These count messages, not people" in page
    if reach == "first":
        assert told.people == 12 + 4  # whom the mail leaves out is tried once more
        nobody = 12 - told.reached
        assert f"{told.reached} get it over the first channel that reaches them, {nobody} over none" in review
        assert "Not reached by those above" in review
    else:
        assert told.people == 2 * 12
        assert f"12 people, {told.reached} messages" in review


def drafted(count: int, **changes: Any) -> Any:
    where = builders.workspace()
    builders.profiles(where, count)
    return builders.draft(where, builders.person(where, "manager"), **changes)


def test_it_is_done_when_the_rate_and_the_waves_say() -> None:
    now = timezone.now()
    waved = {"sizes": [40, 60], "mode": "percent", "interval_minutes": 30}
    told = forecast.forecast(drafted(100, rate=2, waves=waved), now=now)
    assert told is not None
    assert told.begins_at == now
    # 60 people at 2 a second, and the tenth more that keeps a limit from being passed
    assert told.ends_at == now + timedelta(minutes=30, seconds=33)
    assert [(point.at - now, point.sent) for point in told.curve] == [
        (timedelta(0), 0),
        (timedelta(seconds=22), 40),
        (timedelta(minutes=30), 40),
        (timedelta(minutes=30, seconds=33), 100),
    ]


def test_a_run_that_takes_more_than_twelve_hours_says_how_many_it_leaves_out(monkeypatch) -> None:
    draft = drafted(100, rate=1)
    monkeypatch.setattr(forecast, "LONGEST_RUN", timedelta(seconds=60))
    told = forecast.forecast(draft, now=timezone.now())
    assert told is not None
    assert told.not_reached == 46
    assert "46 people would be left out" in forecast.warnings(told, draft)[0]
    draft.ends_at = timezone.now() + timedelta(seconds=30)
    assert any("after the campaign's end" in one for one in forecast.warnings(told, draft))


def test_everybody_in_their_own_zone_is_done_after_the_last() -> None:
    starts = timezone.now().replace(microsecond=0) + timedelta(days=2)
    draft = drafted(4, schedule={"zone": "UTC", "per_person": True}, starts_at=starts)
    rows = Profile.objects.order_by("pk")
    for row, zone in zip(rows, ["Asia/Taipei", "America/Lima", "", "Nowhere/None"], strict=True):
        Profile.objects.filter(pk=row.pk).update(time_zone=zone)
    told = forecast.forecast(draft, now=timezone.now())
    assert told is not None
    assert told.begins_at == starts - timedelta(hours=14)
    assert told.ends_at == starts + timedelta(hours=5)
    assert [point.sent for point in told.curve][-1] == 4
