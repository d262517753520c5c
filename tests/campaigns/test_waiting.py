"""What a run is waiting for, one test for each answer; each is caused as it comes about."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts import heartbeat, roles, switch
from accounts.access import SYSTEM
from accounts.models import Role, User
from campaigns import lifecycle
from campaigns.delivery import claims, clock, fanout
from campaigns.models import Batch, Run
from campaigns.reports.waiting import waiting_for
from channels import breaker
from channels.messages import Fact, Outcome
from channels.models import ChannelConfiguration
from tests import builders
from tests.campaigns.test_api import body, campaign, post, token  # noqa: F401
from tests.campaigns.test_delivery import sending
from tests.campaigns.test_recovery import crashed

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _everything_runs(settings: Any, tmp_path: Path) -> None:
    settings.VAR = tmp_path
    for part in (heartbeat.CLOCK, "bulk", "urgent"):
        heartbeat.beat(part, now=timezone.now())


def due(*, at: timedelta = timedelta(0)) -> Run:
    """Activated, and not begun by any clock yet."""
    where = builders.workspace()
    builders.profiles(where, 12)
    return Run.objects.get(campaign=builders.live(where, now=timezone.now() - at))


def waits(run: Run, now: datetime | None = None) -> str:
    run = Run.objects.select_related("campaign__workspace", "version").get(pk=run.pk)
    return waiting_for(run, now=now or timezone.now())


def approver() -> User:
    return User.objects.get(name="Approver")


def silence(*parts: str) -> None:
    for part in parts:
        heartbeat.beat(part, now=timezone.now() - timedelta(minutes=2))


# ---- before it leaves ---------------------------------------------------------------------------
def test_its_time_and_then_the_clock_that_starts_it() -> None:
    run = due()
    assert waits(run, run.due_at - timedelta(hours=1)).startswith("its time: ")
    assert waits(run) == "the clock, which starts it in a moment"


def test_a_clock_that_is_not_running() -> None:
    run = due()
    silence(heartbeat.CLOCK, "bulk", "urgent")
    assert waits(run) == "the clock and a worker: none has been seen for more than 30 seconds"


def test_a_run_that_is_too_late_is_missed_and_waits_for_nothing() -> None:
    run = due(at=timedelta(hours=2))
    clock.start_due_runs(now=timezone.now())
    run.refresh_from_db()
    assert (run.state, waits(run)) == ("missed", "")


def test_its_list_of_people_while_that_is_written() -> None:
    run = due()
    clock.start_due_runs(now=timezone.now())
    assert waits(run) == "the list of its people, which is being written"
    fanout.expand(run.pk, now=timezone.now())
    assert waits(run) == ""


def test_no_worker_of_its_lane() -> None:
    run = sending()
    silence("bulk")
    assert waits(run) == "a worker: none has been seen for more than 30 seconds"


# ---- people -------------------------------------------------------------------------------------
def test_somebody_who_resumes_it() -> None:
    run = sending()
    lifecycle.apply(run.campaign, "pause", actor=approver(), now=timezone.now())
    assert waits(run) == "somebody to resume it: the campaign is paused"


def test_why_it_paused_itself() -> None:
    run, who = due(), approver()
    roles.revoke(Role.objects.get(builtin="approver"), user=who, actor=SYSTEM, now=timezone.now())
    clock.start_due_runs(now=timezone.now())
    assert waits(run) == (
        "somebody to resume it: the campaign paused itself. "
        "Approver, who activated it, may not publish it any more."
    )


def test_what_is_on_its_way_after_a_stop() -> None:
    run = sending()
    assert claims.claim(Batch.objects.earliest("pk").pk, owner="w", now=timezone.now())
    lifecycle.apply(run.campaign, "stop", actor=approver(), now=timezone.now())
    assert waits(run) == "the messages on their way; the rest is cancelled then"


def test_the_main_switch_with_its_reason() -> None:
    run = sending()
    switch.stop_sending(run.campaign.workspace, why="Wrong prices", actor=approver(), now=timezone.now())
    assert waits(run).startswith("somebody to allow sending again.") and "Wrong prices" in waits(run)


# ---- providers ----------------------------------------------------------------------------------
def test_a_configuration_that_is_not_active() -> None:
    run = sending()
    ChannelConfiguration.objects.update(status="deactivated")
    assert waits(run) == "the channel configuration “For marketing”: it is not active"


def test_a_provider_whose_breaker_is_open() -> None:
    run = sending()
    said = Outcome(Fact.MISCONFIGURED, "535", "Authentication failed")
    breaker.tell(ChannelConfiguration.objects.get(), [said], now=timezone.now())
    assert waits(run) == "the provider: 535 Authentication failed"


# ---- workers ------------------------------------------------------------------------------------
def test_a_worker_that_takes_over_from_one_that_died() -> None:
    run = sending(people=5)
    crashed(run, handed_over=1)
    assert waits(run).startswith("another worker to take over")


def test_its_turn_behind_another_run() -> None:
    first = sending(people=5)
    where = builders.workspace("other")
    builders.profiles(where, 5)
    second = Run.objects.get(campaign=builders.live(where, now=timezone.now()))
    clock.start_due_runs(now=timezone.now())
    fanout.expand(second.pk, now=timezone.now())
    assert waits(second) == ""
    assert claims.claim(Batch.objects.get(run=first).pk, owner="w", now=timezone.now())
    assert waits(second) == "its turn: the workers are busy with 1 other run"
    assert waits(first) == ""


def test_another_try_of_what_was_put_off() -> None:
    run = sending(people=1)
    Batch.objects.update(epoch=2, send_after=timezone.now() + timedelta(minutes=5))
    assert waits(run).startswith("the next try, at ")


def test_the_campaigns_own_rate() -> None:
    run = sending()
    run.version.definition["rate"] = 3
    run.version.save()
    assert waits(run) == "the delivery rate, 3 a second"


def test_nothing_when_it_is_over() -> None:
    run = sending()
    call_command("deliver")
    silence("bulk", heartbeat.CLOCK)
    assert waits(run) == ""


# ---- API-triggered ------------------------------------------------------------------------------
def test_calls_and_then_what_holds_their_messages(campaign: Any, token: str) -> None:  # noqa: F811
    run = Run.objects.get(campaign=campaign, kind=Run.Kind.STANDING)
    assert waits(run) == "calls to the API"
    assert post(token, body(campaign)).status_code == 202
    assert waits(run) == ""
    silence("urgent")
    assert waits(run) == "an urgent worker: none has been seen for more than 30 seconds"
    breaker.tell(
        ChannelConfiguration.objects.get(), [Outcome(Fact.MISCONFIGURED, "535", "No")], now=timezone.now()
    )
    assert waits(run) == "the provider: 535 No"
