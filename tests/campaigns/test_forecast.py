"""The forecast says what the run then shows; and when it would be done."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from accounts.access import SYSTEM
from accounts.models import Workspace
from audiences import consent, suppression
from audiences.models import Audience, Profile
from campaigns import forecast, lifecycle, tasks
from campaigns.models import Campaign, Run
from campaigns.reports.metrics import ledger, reasons
from channels import rulesets
from channels.models import AllowedEntry, AllowedList, RuleSet
from channels.rulesets import RuleValues
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]


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
        assert f"As it is counted now, {told.reached} people get it." in review
    else:
        assert told.people == 2 * 12
        assert f"12 people, {told.reached} messages" in review
        assert f"As it is counted now, {told.reached} messages leave." in review


NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)  # a Monday; evening in Taipei
BY = {"actor": SYSTEM, "now": NOON}
EVENING = [{"days": list(range(7)), "start": "19:00", "end": "22:00"}]


def ruled(where: Workspace, **values: Any) -> RuleSet:
    made = rulesets.create(where, name="Limits", **BY)
    hush = {"name": "evening", "kind": "quiet", "periods": EVENING, "handling": "discard", **values}
    for one in (
        RuleValues(channels=("email", "sms"), **hush),
        RuleValues(name="cap", kind="cap", channels=("email", "sms"), count=2, unit="week"),
    ):
        rulesets.switch_rule(rulesets.add_rule(made, one, **BY), "activate", **BY)
    return rulesets.switch(made, "activate", **BY)


@pytest.mark.parametrize("channels", ["email", "email and sms to all", "email, then sms"])
def test_every_reason_has_the_number_that_the_run_then_shows(channels: str, client: Any) -> None:
    """Among them people who fall under two reasons: the one that the run finds first is told."""
    where = people(40)  # of whom four are not reachable by mail
    found = list(Profile.objects.order_by("pk"))
    for first, last, values in (
        (10, 18, {"time_zone": "Asia/Taipei"}),
        (14, 22, {"attributes": {"name": "Regular"}}),  # got two already: half of them sleep
        (22, 25, {"attributes": {"name": "Left"}}),
    ):
        Profile.objects.filter(pk__in=[one.pk for one in found[first:last]]).update(**values)
    for one in (found[3], *found[16:30]):  # the first has no mail, but a telephone
        Profile.objects.filter(pk=one.pk).update(phone=f"+8869{one.pk % 10**8:08}")
    manager, approver = builders.person(where, "manager"), builders.person(where, "approver")
    client.force_login(approver)

    def named(name: str) -> Audience:
        return builders.audience(where, name=name, rule={"field": "name", "op": "is", "value": name})

    def run_of(draft: Campaign) -> Run:
        lifecycle.apply(draft, "activate", actor=approver, now=timezone.now())
        call_command("deliver")
        return Run.objects.get(campaign=draft)

    with time_machine.travel(NOON, tick=False):
        regular = named("Regular")
        for _twice in range(2):  # before there is any cap
            assert ledger(run_of(builders.draft(where, manager, audience=regular))).accepted == 8
        experiment = {
            "treatments": [{"key": "a", "title": "A", "weight": 1}],
            "holdout": 40,  # of some twenty people: somebody is
            "metric": "clicked",
        }
        changes = {"exclusions": [named("Left")], "rule_set": ruled(where), "experiment": experiment}
        draft = builders.draft(where, manager, audience=builders.audience(where, name="All"), **changes)
        if "sms" in channels:
            sms = builders.configuration(where, channel="sms", name="SMS")
            draft.actions.create(position=1, channel="sms", configuration=sms, content={"text": "Hello"})
            type(draft).objects.update(reach="first" if "then" in channels else "all")
            draft.refresh_from_db()
        tasks.look_after()
        told = forecast.forecast(draft, now=NOON)
        review = client.get(f"/campaigns/{draft.pk}/review/").text
        run = run_of(draft)
    assert told is not None
    assert (told.people, told.reached) == (ledger(run).targeted, ledger(run).accepted)
    expected: Counter[str] = Counter()
    for action in told.actions:
        expected.update({one.code: one.people for one in action.excluded})
    shown = {code: (label, count) for code, label, count in reasons(run, "excluded")}
    assert expected == {code: count for code, (_label, count) in shown.items()}
    assert {"050002", "quiet_hours", "050018", "050019"} < set(expected)
    page = client.get(f"/campaigns/runs/{run.pk}/").text
    assert all(label in review and label in page for label, _count in shown.values())


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
