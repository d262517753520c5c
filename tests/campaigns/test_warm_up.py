"""A warm-up plan over real runs: the volume of each day, what waits for the next, and that nobody is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts import heartbeat
from accounts.access import SYSTEM
from accounts.models import Workspace
from audiences.models import Profile
from campaigns import forecast, lifecycle
from campaigns.delivery import clock, fanout
from campaigns.models import Attempt, Batch, Run
from campaigns.reports.metrics import ledger, reasons
from campaigns.reports.waiting import waiting_for
from channels import warming, warmups
from channels.models import ChannelConfiguration, WarmupCount, WarmupHold, WarmupPlan
from channels.warmups import PlanValues
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
FIRST = datetime(2026, 11, 24, 3, tzinfo=UTC)  # 11:00 in Taipei


@pytest.fixture
def where() -> Iterator[Workspace]:
    with time_machine.travel(FIRST, tick=False):
        yield builders.workspace(time_zone="Asia/Taipei")


def people(where: Workspace, **counts: int) -> None:
    for name, count in counts.items():
        Profile.objects.bulk_create(
            Profile(workspace=where, email=f"{name}{n}@{name}.com", attributes={"name": "x"})
            for n in range(count)
        )


def plan(where: Workspace, *days: dict[str, int], **changes: Any) -> WarmupPlan:
    found = ChannelConfiguration.objects.filter(workspace=where).first() or builders.configuration(where)
    values = PlanValues(name=f"Plan {WarmupPlan.objects.count()}", configuration=found, days=days, **changes)
    made = warmups.create(where, values, actor=SYSTEM, now=timezone.now())
    return warmups.start(made, actor=SYSTEM, now=timezone.now())


def sent(where: Workspace, *, batch: int = 0, rate: int | None = None) -> Run:
    manager = builders.User.objects.filter(name="Manager").first() or builders.person(where, "manager")
    approver = builders.User.objects.filter(name="Approver").first() or builders.person(where, "approver")
    made = builders.draft(where, manager)
    if rate:
        type(made).objects.filter(pk=made.pk).update(rate=rate)
        made.refresh_from_db()
    lifecycle.apply(made, "activate", actor=approver, now=timezone.now())
    clock.start_due_runs(now=timezone.now())
    run = Run.objects.get(campaign=made)
    if batch:
        fanout.expand(run.pk, now=timezone.now(), batch=batch)
    call_command("deliver")
    run.refresh_from_db()
    return run


def by_group(run: Run) -> Counter[str]:
    refs = Attempt.objects.filter(run=run, outcome="accepted").values_list("ref", flat=True)
    addresses = Profile.objects.filter(pk__in=list(refs)).values_list("email", flat=True)
    return Counter(address.partition("@")[2] for address in addresses)


def at(days: int, hour: int = 3) -> datetime:
    return FIRST.replace(hour=hour) + timedelta(days=days)


# ---- the volume ---------------------------------------------------------------------------------
def test_each_group_gets_its_days_volume_and_the_rest_waits_for_the_next_day(where: Workspace) -> None:
    people(where, gmail=5, outlook=1, shop=4)
    plan(where, {"gmail": 2, "others": 3}, {"gmail": 2, "others": 100})
    run = sent(where)
    assert by_group(run) == {"gmail.com": 2, "outlook.com": 1, "shop.com": 2}
    assert (ledger(run).to_go, ledger(run).excluded, run.state) == (5, 0, "sending")
    with time_machine.travel(datetime(2026, 11, 24, 15, 59, 59, tzinfo=UTC), tick=False):
        call_command("deliver")
        assert ledger(run).accepted == 5
    with time_machine.travel(datetime(2026, 11, 24, 16, 0, 1, tzinfo=UTC), tick=False):  # midnight in Taipei
        call_command("deliver")
        assert by_group(run) == {"gmail.com": 4, "outlook.com": 1, "shop.com": 4}
    with time_machine.travel(at(2), tick=False):  # the plan's last day is over
        call_command("deliver")
    run.refresh_from_db()
    assert (ledger(run).accepted, run.state) == (10, "completed")
    assert set(WarmupCount.objects.values_list("day", "group", "sent")) == {
        (date(2026, 11, 24), "gmail", 2),
        (date(2026, 11, 24), "others", 3),
        (date(2026, 11, 25), "gmail", 2),
        (date(2026, 11, 25), "others", 2),
    }
    assert not WarmupHold.objects.exists()


def test_campaigns_and_batches_share_the_volume(where: Workspace) -> None:
    people(where, shop=6)
    plan(where, {"others": 8}, {"others": 4})
    first, second = sent(where, batch=2), sent(where, batch=2)
    assert (ledger(first).accepted, ledger(second).accepted) == (6, 2)
    waiting = Batch.objects.filter(run=second, state="ready")
    assert {batch.send_after for batch in waiting} == {datetime(2026, 11, 24, 16, tzinfo=UTC)}
    assert not Attempt.objects.filter(run=second, outcome="deferred").exists()  # whole batches just wait
    with time_machine.travel(at(1), tick=False):
        call_command("deliver")
    second.refresh_from_db()
    assert (ledger(second).accepted, second.state) == (6, "completed")


def test_own_domain_groups_come_before_ours(where: Workspace) -> None:
    people(where, gmail=1, bank=3)
    plan(
        where,
        {"partners": 2, "gmail": 0, "others": 0},
        own_groups={"bank.com": "partners", "gmail.com": "partners"},
    )
    assert ledger(sent(where)).accepted == 2


def test_only_what_may_have_arrived_takes_of_the_volume(where: Workspace) -> None:
    for local in ("refuse+1", "refuse+2", "ann"):
        Profile.objects.create(workspace=where, email=f"{local}@example.com", attributes={"name": local})
    plan(where, {"others": 2}, {"others": 2})
    run = sent(where)
    assert (ledger(run).accepted + ledger(run).failed, ledger(run).to_go) == (2, 1)
    with time_machine.travel(timezone.now() + timedelta(minutes=2), tick=False):  # a refusal gave it back
        call_command("deliver")
    run.refresh_from_db()
    assert (ledger(run).accepted, ledger(run).failed, run.state) == (1, 2, "completed")


def test_what_a_dead_worker_may_have_handed_over_counts(where: Workspace) -> None:
    made = plan(where, {"others": 2})
    day = warming.of(made.configuration_id, timezone.now())
    assert day is not None
    told = {"found": day, "now": timezone.now()}
    assert warming.hold((1, 0), [(ref, f"p{ref}@a.com") for ref in (1, 2, 3)], **told).keys() == {3}
    assert warming.hold((2, 0), [(1, "q@a.com")], **told).keys() == {1}
    warming.settle((1, 0), [(1, "uncertain"), (2, "failed")], now=timezone.now())
    assert WarmupCount.objects.get().sent == 1
    assert warming.hold((2, 0), [(1, "q@a.com")], **told) == {}
    with time_machine.travel(timezone.now() + timedelta(hours=2), tick=False):  # nobody came back for it
        assert warming.hold((3, 0), [(1, "r@a.com")], found=day, now=timezone.now()) == {}


def test_what_is_on_its_way_over_midnight_counts_for_the_new_day(where: Workspace) -> None:
    made = plan(where, {"others": 2}, {"others": 2})
    late, early = datetime(2026, 11, 24, 15, 59, 59, tzinfo=UTC), datetime(2026, 11, 24, 16, tzinfo=UTC)
    first, second = (warming.of(made.configuration_id, moment) for moment in (late, early))
    assert first is not None and second is not None
    assert warming.hold((1, 0), [(1, "a@a.com"), (2, "b@a.com")], found=first, now=late) == {}
    assert warming.hold((2, 0), [(3, "c@a.com")], found=second, now=early).keys() == {3}
    warming.settle((1, 0), [(1, "accepted"), (2, "accepted")], now=early)
    assert warming.hold((2, 0), [(3, "c@a.com")], found=second, now=early).keys() == {3}


@pytest.mark.django_db(transaction=True)
def test_workers_that_look_at_once_never_pass_the_volume() -> None:
    with time_machine.travel(FIRST, tick=False):
        made = plan(builders.workspace(), {"gmail": 100, "others": 50})
        day = warming.of(made.configuration_id, FIRST)
    assert day is not None
    asked = [(ref, f"p{ref}@{'gmail' if ref % 2 else 'shop'}.com") for ref in range(1, 301)]

    def look(run: int) -> int:
        try:
            waits = warming.hold((run, 0), asked if run % 2 else asked[::-1], found=day, now=FIRST)
            return len(asked) - len(waits)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(look, range(1, 7))) == 150
    assert Counter(WarmupHold.objects.values_list("group", flat=True)) == {"gmail": 100, "others": 50}


# ---- beside the other rules ---------------------------------------------------------------------
def test_the_twelve_hours_begin_anew_with_each_of_the_plans_days(where: Workspace) -> None:
    people(where, shop=6)
    plan(where, {"others": 2}, {"others": 2})
    run = sent(where, rate=2000)
    with time_machine.travel(at(1), tick=False):  # a day after the run began, 11 hours into the day
        call_command("deliver")
        assert (ledger(run).accepted, ledger(run).excluded) == (4, 0)
    with time_machine.travel(at(2), tick=False):
        call_command("deliver")
    run.refresh_from_db()
    assert (ledger(run).accepted, run.state) == (6, "completed")


def test_within_a_day_the_twelve_hours_hold(where: Workspace) -> None:
    people(where, shop=3)
    plan(where, {"others": 1}, {"others": 9})
    run = sent(where, rate=2000)
    with time_machine.travel(at(1, hour=4), tick=False):  # 12:00 in Taipei: twelve hours into the day
        call_command("deliver")
    run.refresh_from_db()
    assert {code: n for code, _label, n in reasons(run, "excluded")} == {"not_reached": 2}
    assert ledger(run).balances and run.state == "completed"


def test_to_be_put_off_by_a_plan_takes_nothing_of_the_retry_period(where: Workspace) -> None:
    for local in ("ann", "later+1"):
        Profile.objects.create(workspace=where, email=f"{local}@example.com", attributes={"name": local})
    plan(where, {"others": 1}, *[{"others": 0}] * 5, {"others": 9})
    run = sent(where)
    assert ledger(run).accepted == 1
    for day in range(1, 7):  # 84 hours are over after the fourth
        with time_machine.travel(at(day), tick=False):
            call_command("deliver")
    assert (ledger(run).to_go, ledger(run).expired) == (1, 0)
    assert Attempt.objects.filter(run=run).order_by("-n")[0].code != "warm_up"


def test_a_plan_changed_or_completed_counts_at_once(where: Workspace) -> None:
    people(where, shop=4)
    made = plan(where, {"others": 1}, {"others": 1})
    run = sent(where)
    with time_machine.travel(at(1), tick=False):
        values = PlanValues(made.name, made.configuration, [{"others": 1}, {"others": 2}])
        warmups.change(made, values, actor=SYSTEM, now=timezone.now())
        call_command("deliver")
        assert ledger(run).accepted == 3
        warmups.complete(made, actor=SYSTEM, now=timezone.now())
        assert ledger(sent(where)).accepted == 4
    with time_machine.travel(at(2), tick=False):
        call_command("deliver")
        assert ledger(run).accepted == 4


def test_before_the_first_day_nothing_leaves(where: Workspace) -> None:
    people(where, shop=1)
    made = plan(where, {"others": 5})
    WarmupPlan.objects.filter(pk=made.pk).update(starts_on=date(2026, 11, 26))
    run = sent(where)
    assert ledger(run).accepted == 0
    with time_machine.travel(at(2), tick=False):
        call_command("deliver")
        assert ledger(run).accepted == 1


# ---- what is told -------------------------------------------------------------------------------
@pytest.mark.parametrize("batch", [0, 1])
def test_the_run_says_that_it_waits_for_the_plan(where: Workspace, batch: int) -> None:
    people(where, shop=3)
    plan(where, {"others": 1}, {"others": 9})
    run = sent(where, batch=batch)
    later = timezone.now()
    if not batch:  # the message on its way might have given its place back
        heartbeat.beat("bulk", now=later)
        assert waiting_for(run, now=later) == (
            "room in today’s volume of the warm-up plan “Plan 0”, at 24 Nov 2026, 03:01"
        )
        later += timedelta(minutes=2)
        with time_machine.travel(later, tick=False):
            call_command("deliver")
    heartbeat.beat("bulk", now=later)
    assert waiting_for(run, now=later) == "the next day of the warm-up plan “Plan 0”, at 24 Nov 2026, 16:00"


def test_the_review_tells_how_many_may_leave_that_day(where: Workspace) -> None:
    people(where, shop=3)
    plan(where, {"others": 2})
    made = builders.draft(where, builders.person(where, "manager"))
    found = forecast.forecast(made, now=timezone.now())
    assert found is not None
    said = forecast.warnings(found, made)
    assert said == ["The warm-up plan “Plan 0” lets at most 2 messages leave that day."]
