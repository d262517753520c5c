"""When runs begin: planned one at a time, never twice, never lost by an edit, and missed by one rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from accounts.models import AuditEntry
from audiences.models import Profile
from campaigns import drafts, lifecycle, schedule, tasks, versions, waves
from campaigns.delivery import clock, completion, fanout
from campaigns.models import Attempt, Campaign, Message, Run, Version
from common.errors import Invalid
from tests import builders

pytestmark = pytest.mark.django_db
TAIPEI = ZoneInfo("Asia/Taipei")
NOON = datetime(2027, 3, 1, 12, tzinfo=TAIPEI)  # a Monday
SECOND = timedelta(seconds=1)


def daily(at: str = "09:00", **more: Any) -> dict[str, Any]:
    return {"zone": "Asia/Taipei", "rules": [{"every": "day", "at": at}], **more}


def active(now: datetime = NOON, **changes: Any) -> Campaign:
    where = builders.workspace()
    builders.profiles(where, 2)
    return builders.live(where, now=now, **{"schedule": daily(), **changes})


def tick(now: datetime) -> list[int]:
    """What the clock and the workers do together; nothing is really handed over."""
    started = clock.start_due_runs(now=now)
    for run_id in started:
        fanout.expand(run_id, now=now)
    clock.complete_ended(now=now)
    return started


def finish(now: datetime) -> None:
    """Lets every run under way end, as if everybody had been written to."""
    for run in Run.objects.filter(state=Run.State.SENDING):
        run.batches.update(state="done")
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO campaigns_attempt (run_id, action, ref, n, outcome, code, at)"
                " SELECT run_id, action, ref, 1, 'accepted', '', %s FROM campaigns_message WHERE run_id = %s",
                [now, run.pk],
            )
        assert completion.settle(run.pk, now=now)


def times(campaign: Campaign, *states: str) -> list[str]:
    runs = campaign.runs.filter(state__in=states) if states else campaign.runs.all()
    due = runs.order_by("due_at").values_list("due_at", flat=True)
    return [f"{at.astimezone(TAIPEI):%d %H:%M}" for at in due]


def approver() -> Any:
    return builders.User.objects.get(name="Approver")


def change(campaign: Campaign, now: datetime, **changes: Any) -> Campaign:
    """Modifies the live campaign and activates its new version in one moment."""
    campaign = lifecycle.apply(campaign, "modify", actor=approver(), now=now)
    campaign = drafts.save(campaign, revision=campaign.revision, actor=approver(), now=now, **changes)
    return lifecycle.apply(campaign, "activate", actor=approver(), now=now)


def test_a_recurring_campaign_past_its_first_slot_begins_with_the_next_and_plans_one_at_a_time() -> None:
    campaign = active()
    assert (campaign.status, times(campaign)) == ("scheduled", ["02 09:00"])
    nine = datetime(2027, 3, 2, 9, tzinfo=TAIPEI)
    assert tick(nine - SECOND) == []
    assert len(tick(nine)) == 1
    assert tick(nine) == tick(nine - timedelta(hours=1)) == tick(nine + SECOND) == []  # a clock that steps
    campaign.refresh_from_db()
    assert (campaign.status, times(campaign), times(campaign, "due")) == (
        *("live", ["02 09:00", "03 09:00"], ["03 09:00"]),
    )


def test_it_ends_with_its_last_occurrence_or_at_its_end() -> None:
    campaign = active(schedule=daily(occurrences=2))
    for day in (2, 3, 4):
        tick(datetime(2027, 3, day, 9, tzinfo=TAIPEI))
        finish(NOON + timedelta(days=day))
    campaign.refresh_from_db()
    assert (times(campaign), campaign.status) == (["02 09:00", "03 09:00"], "completed")

    ends = datetime(2027, 3, 4, 9, tzinfo=TAIPEI)
    Campaign.objects.all().update(status="archived")
    where = campaign.workspace
    second = builders.draft(where, builders.User.objects.get(name="Manager"), schedule=daily(), ends_at=ends)
    lifecycle.apply(second, "activate", actor=approver(), now=NOON)
    for day in (2, 3):
        tick(datetime(2027, 3, day, 9, tzinfo=TAIPEI))
        finish(NOON + timedelta(days=day))
    second.refresh_from_db()
    assert second.status == "live"  # the end itself is included
    tick(ends)
    finish(ends + SECOND)
    second.refresh_from_db()
    assert (times(second), second.status) == (["02 09:00", "03 09:00", "04 09:00"], "completed")


@pytest.mark.parametrize(
    "rule", [{"every": "day"}, {"every": "week"}, {"every": "month", "days": [2, 5, -1]}]
)
@pytest.mark.parametrize(
    ("late", "runs"), [(timedelta(seconds=3600), True), (timedelta(seconds=3601), False)]
)
def test_a_run_is_missed_by_one_rule_whatever_its_own(
    rule: dict[str, Any], late: timedelta, runs: bool
) -> None:
    campaign = active(schedule={"zone": "Asia/Taipei", "rules": [{"at": "09:00", **rule}]})
    due = campaign.runs.get().due_at
    assert bool(tick(due + late)) is runs
    assert campaign.runs.get(due_at=due).state == ("sending" if runs else "missed")
    assert campaign.runs.get(state="due").due_at > due + late
    campaign.refresh_from_db()
    assert campaign.status == ("live" if runs else "scheduled")
    assert AuditEntry.objects.filter(verb="miss", object_key=str(campaign.pk)).exists() is not runs


def test_after_three_days_without_a_clock_one_run_is_missed_and_the_next_is_on_time() -> None:
    campaign = active()
    tick(datetime(2027, 3, 5, 9, 30, tzinfo=TAIPEI))
    assert times(campaign, "missed") == ["02 09:00"]
    assert len(tick(datetime(2027, 3, 5, 9, 30, 2, tzinfo=TAIPEI))) == 1  # half an hour late
    assert times(campaign) == ["02 09:00", "05 09:00", "06 09:00"]


def test_a_campaign_whose_only_run_was_missed_has_failed() -> None:
    campaign = active(schedule=daily(occurrences=1))
    tick(NOON + timedelta(days=3))
    campaign.refresh_from_db()
    assert (campaign.status, times(campaign, "missed")) == ("failed", ["02 09:00"])


def test_pausing_over_a_slot_and_resuming_does_not_send_it() -> None:
    campaign = active()
    nine = datetime(2027, 3, 2, 9, tzinfo=TAIPEI)
    lifecycle.apply(campaign, "pause", actor=approver(), now=nine - SECOND)
    assert tick(nine) == []
    lifecycle.apply(campaign, "resume", actor=approver(), now=nine + timedelta(minutes=5))
    assert tick(nine + timedelta(minutes=6)) == []
    assert (times(campaign, "missed"), times(campaign, "due")) == (["02 09:00"], ["03 09:00"])


@pytest.mark.sampled(5)
@pytest.mark.parametrize("moment", [-SECOND, timedelta(0), SECOND])
@pytest.mark.parametrize("to", ["09:30", "08:59", "09:00"])
@pytest.mark.parametrize("clock_first", [True, False])
def test_moving_the_hour_around_the_slot_sends_once_that_day(
    moment: timedelta, to: str, clock_first: bool
) -> None:
    campaign = active()
    tick(datetime(2027, 3, 2, 9, tzinfo=TAIPEI))
    at = datetime(2027, 3, 3, 9, tzinfo=TAIPEI) + moment
    if clock_first:
        tick(at)
    campaign = change(campaign, at, schedule=daily(to))
    for hour, minute in ((8, 59), (9, 0), (9, 1), (9, 30), (9, 45), (23, 0)):
        tick(max(at, datetime(2027, 3, 3, hour, minute, tzinfo=TAIPEI)))
    sent = [at for at in times(campaign, "expanding", "sending") if at.startswith("03")]
    assert len(sent) == 1
    assert times(campaign, "due") == [f"04 {to}"]


def test_a_new_version_takes_over_with_its_activation_and_the_old_one_runs_until_then() -> None:
    campaign = active()
    campaign = lifecycle.apply(campaign, "modify", actor=approver(), now=NOON)
    changes = {"subject": "New", "schedule": daily("18:00"), "on_uncertain": "never"}
    campaign = drafts.save(campaign, revision=campaign.revision, actor=approver(), now=NOON, **changes)
    tick(datetime(2027, 3, 2, 9, tzinfo=TAIPEI))
    first = campaign.runs.get(state="sending")
    assert first.version.definition["actions"][0]["contents"][0]["content"]["subject"].startswith("News for")
    campaign.refresh_from_db()
    assert (campaign.status, campaign.draft_status, times(campaign, "due")) == ("live", "draft", ["03 09:00"])
    lifecycle.apply(campaign, "activate", actor=approver(), now=datetime(2027, 3, 2, 20, tzinfo=TAIPEI))
    tick(datetime(2027, 3, 3, 18, tzinfo=TAIPEI))
    second = campaign.runs.filter(state="sending").latest("due_at")
    assert second.version.definition["actions"][0]["contents"][0]["content"]["subject"] == "New"
    assert times(campaign) == ["02 09:00", "03 18:00", "04 18:00"]
    assert campaign.runs.get(pk=first.pk).version == first.version


def test_a_discarded_version_leaves_the_campaign_as_it_was() -> None:
    campaign = active(starts_at=NOON)
    whole, content = versions.definition(campaign), campaign.actions.get().content
    campaign = lifecycle.apply(campaign, "modify", actor=approver(), now=NOON)
    other = builders.audience(campaign.workspace, name="Other", rule={"field": "email", "op": "is_empty"})
    changes = {"subject": "New", "audience": other, "schedule": daily("18:00"), "starts_at": None, "rate": 5}
    campaign = drafts.save(campaign, revision=campaign.revision, actor=approver(), now=NOON, **changes)
    assert versions.definition(campaign) != whole
    campaign = lifecycle.apply(campaign, "discard", actor=approver(), now=NOON)
    assert (versions.definition(campaign), campaign.actions.get().content) == (whole, content)
    assert (campaign.draft_status, campaign.before_draft, times(campaign)) == ("", {}, ["02 09:00"])


def test_each_person_gets_it_at_the_same_hour_of_their_own_zone() -> None:
    campaign = active(schedule=daily(per_person=True))
    run = campaign.runs.get()
    assert run.due_at == datetime(2027, 3, 1, 19, tzinfo=UTC)  # 09:00 on the 2nd, in the first zone of all
    whole = run.version.definition
    for zone in ("Asia/Taipei", "America/New_York", "Australia/Lord_Howe", "Pacific/Kiritimati"):
        there = schedule.local_send_at(whole, run, zone).astimezone(ZoneInfo(zone))
        assert f"{there:%m-%d %H:%M}" == "03-02 09:00"
    for unknown in ("", "Mars/Olympus", "../../etc/passwd", "a\0b"):
        assert schedule.local_send_at(whole, run, unknown) == datetime(2027, 3, 2, 9, tzinfo=TAIPEI)
    tick(run.due_at)
    assert times(campaign, "due") == ["03 03:00"]  # 09:00 on the 3rd over there


def test_once_in_everybodys_zone_does_not_leave_out_who_lives_further_east() -> None:
    starts = datetime(2027, 3, 1, 18, tzinfo=TAIPEI)
    campaign = active(schedule={"zone": "Asia/Taipei", "per_person": True}, starts_at=starts)
    run = campaign.runs.get()
    assert (run.due_at, run.wall_clock) == (NOON, "2027-03-01T18:00:00")
    assert len(tick(NOON)) == 1
    there = schedule.local_send_at(run.version.definition, run, "America/New_York")
    assert there == datetime(2027, 3, 1, 23, tzinfo=UTC)


def test_the_zone_is_frozen_by_name_and_moments_in_utc() -> None:
    campaign = active(starts_at=NOON)
    frozen = campaign.live_version.definition
    assert frozen["schedule"]["zone"] == "Asia/Taipei"
    assert datetime.fromisoformat(frozen["starts_at"]) == NOON
    assert campaign.runs.get().due_at.tzinfo == UTC


def test_a_schedule_without_a_time_left_cannot_be_activated() -> None:
    where = builders.workspace()
    rule = {"every": "month", "at": "09:00", "interval": 12, "days": [30]}
    made = builders.draft(where, builders.person(where, "manager"), schedule={"zone": "UTC", "rules": [rule]})
    with pytest.raises(Invalid):
        lifecycle.apply(
            made, "activate", actor=builders.person(where, "approver"), now=datetime(2027, 2, 1, tzinfo=UTC)
        )
    assert not Run.objects.exists()


# ---- waves ------------------------------------------------------------------------------------


def test_waves_share_the_audience_and_start_apart() -> None:
    campaign = active(waves={"sizes": [40, 60], "mode": "percent", "interval_minutes": 30})
    run = campaign.runs.get()
    first, second = waves.plan(run.version.definition, run)
    assert (first.number, float(first.share or 0), first.starts_at) == (0, 0.4, run.due_at)
    assert (second.number, float(second.share or 0)) == (1, 0.6)
    assert second.starts_at - first.starts_at == timedelta(minutes=30)
    assert sum(wave.share or 0 for wave in waves.plan({"waves": {"count": 3}}, run)) == 1
    assert [wave.count for wave in waves.plan({"waves": {"sizes": [5, 9], "mode": "number"}}, run)] == [5, 9]
    assert waves.plan({}, run)[0].share == 1


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        ({"sizes": [40, 60], "interval_minutes": 30}, set()),
        ({"sizes": [40, 60], "interval_minutes": 29}, {"waves_too_close"}),
        ({"sizes": [40, 50], "interval_minutes": 30}, {"waves_percent"}),
        ({"sizes": [4000, 5000], "mode": "number", "interval_minutes": 30}, set()),
        ({"count": 1, "interval_minutes": 30}, {"waves_count"}),
        ({"count": 11, "interval_minutes": 30}, {"waves_count"}),
        ({"count": 10}, {"waves_too_close"}),
        ({"starts": ["2027-03-01T12:00:00+08:00", "2027-03-01T12:29:00+08:00"]}, {"waves_too_close"}),
        ({"starts": ["2027-03-01T11:59:00+08:00", "2027-03-01T13:00:00+08:00"]}, {"waves_past"}),
        (
            {"starts": ["2027-03-01T12:00:00+08:00", "2027-03-01T13:00:00+08:00"], "sizes": [50, 30, 20]},
            {"waves_differ"},
        ),
    ],
)
def test_what_is_wrong_with_waves_is_said(given: dict[str, Any], codes: set[str]) -> None:
    found = waves.faults(given, begins=NOON, now=NOON, recurs=False, per_person=False)
    assert {code for code, _ in found} == codes


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        (7, "/waves"),
        ({"size": 3}, "/waves/size"),
        ({"mode": "share"}, "/waves/mode"),
        ({"sizes": [0, 100]}, "/waves/sizes"),
        ({"sizes": [1.5]}, "/waves/sizes"),
        ({"count": "4"}, "/waves/count"),
        ({"interval_minutes": -1}, "/waves/interval_minutes"),
        ({"starts": ["2027-03-01T12:00:00"]}, "/waves/starts"),
        ({"starts": ["soon"]}, "/waves/starts"),
    ],
)
def test_faulty_waves_are_refused_at_their_place(given: Any, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        waves.clean(given)
    assert pointer in [problem.pointer for problem in caught.value.problems]


def test_waves_and_zones_place_everybody_once_and_batches_never_mix_them() -> None:
    waved = {"sizes": [40, 60], "mode": "percent", "interval_minutes": 30}
    campaign = active(schedule=daily(per_person=True), waves=waved)
    builders.profiles(campaign.workspace, 8, domain="example.org")
    Profile.objects.filter(email__endswith="org").update(time_zone="America/New_York")
    run = campaign.runs.get()
    tick(run.due_at)
    nine = (datetime(2027, 3, 2, 1, tzinfo=UTC), datetime(2027, 3, 2, 14, tzinfo=UTC))  # Taipei, New York
    half = timedelta(minutes=30)
    found = {(batch.wave, batch.send_after): batch.size for batch in run.batches.all()}
    assert set(found) <= {(wave, at + wave * half) for wave in (0, 1) for at in nine}
    by_wave = [sum(size for (wave, _at), size in found.items() if wave == number) for number in (0, 1)]
    assert by_wave == [4, 6]
    for batch in run.batches.all():
        own = Message.objects.filter(run=run, slot=batch.slot, ref__range=(batch.lo, batch.hi))
        assert own.count() == batch.size


def test_who_is_left_over_by_waves_of_numbers_gets_nothing_and_is_told_why() -> None:
    waved = {"sizes": [1, 2], "mode": "number", "interval_minutes": 30}
    campaign = active(waves=waved)
    builders.profiles(campaign.workspace, 3, domain="example.org")
    run = campaign.runs.get()
    clock.start_due_runs(now=run.due_at)
    fanout.expand(run.pk, now=run.due_at, page=2, batch=5)
    sizes = {wave: run.batches.filter(wave=wave).aggregate(all=Sum("size"))["all"] for wave in (0, 1)}
    assert sizes == {0: 1, 1: 2}
    assert Attempt.objects.filter(run=run, code="no_wave").count() == 2


def test_a_run_that_cannot_be_started_says_why_and_holds_up_no_other() -> None:
    broken = active()
    elsewhere = builders.workspace("hill")
    builders.profiles(elsewhere, 2)
    sound = builders.live(elsewhere, now=NOON, schedule=daily())
    slot = NOON + timedelta(hours=21)
    run = broken.runs.get()
    frozen = run.version.definition
    faulty = {**frozen, "schedule": {**frozen["schedule"], "rules": [{"every": "day", "at": "99:99"}]}}
    keep(run, faulty)
    assert tick(slot) == [sound.runs.earliest("due_at").pk]
    run.refresh_from_db()
    assert run.state == Run.State.DUE
    assert run.reason.startswith("It cannot be started: ")
    assert not run.messages.exists()
    keep(run, frozen)
    assert tick(slot + SECOND) == [run.pk]
    run.refresh_from_db()
    assert run.reason == ""


def keep(run: Run, definition: dict[str, Any]) -> None:
    """As if it had been frozen so."""
    print_of = versions.fingerprint(definition)
    Version.objects.filter(pk=run.version_id).update(definition=definition, fingerprint=print_of)


@pytest.mark.parametrize("step", [SECOND, timedelta(hours=1), timedelta(days=1)])
def test_a_clock_that_is_put_back_starts_nothing_again_and_nobody_is_left_out(step: timedelta) -> None:
    campaign = active()
    slot = NOON + timedelta(hours=21)
    assert len(tick(slot)) == 1
    assert tick(slot - step) == []
    assert tick(slot) == []
    assert times(campaign) == ["02 09:00", "03 09:00"]
    run = campaign.runs.earliest("due_at")
    assert (run.state, run.messages.count()) == ("sending", 2)
    assert not Attempt.objects.filter(run=run).exists()


def test_a_worker_whose_clock_runs_ahead_starts_nothing_early(monkeypatch: pytest.MonkeyPatch) -> None:
    run, really = active().runs.get(), timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: really + timedelta(days=1))
    Run.objects.filter(pk=run.pk).update(due_at=really + timedelta(hours=12))
    tasks.start_due_runs()
    run.refresh_from_db()
    assert run.state == Run.State.DUE
    Run.objects.filter(pk=run.pk).update(due_at=really - timedelta(seconds=1))
    tasks.start_due_runs()
    run.refresh_from_db()
    assert run.state == Run.State.EXPANDING
