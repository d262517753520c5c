"""Pace and breaker on a real run: what the mail server received, and when."""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from accounts.access import SYSTEM
from campaigns import forecast
from campaigns.delivery import clock, fanout, send
from campaigns.delivery.claims import Tried
from campaigns.delivery.due import Due
from campaigns.delivery.lanes import Entry, Handover
from campaigns.models import Attempt, Batch, Campaign, Run
from campaigns.reports.metrics import ledger
from campaigns.reports.waiting import waiting_for
from channels import limits
from channels.models import Breaker, ChannelConfiguration, Pace
from channels.pacing import MARGIN
from channels.providers import registry
from tests import builders
from tests.channels.test_pacing import most_in_a_second
from tests.fakes.smtp import FakeSmtp

SLACK = 0.02  # seconds: what two clocks of one machine may differ


def fanned_out(where: Any, *, batch: int, **changes: Any) -> Run:
    author = builders.User.objects.filter(name="Manager").first() or builders.person(where, "manager")
    approver = builders.User.objects.filter(name="Approver").first() or builders.person(where, "approver")
    made = builders.draft(where, author, **changes)
    builders.lifecycle.apply(made, "activate", actor=approver, now=timezone.now())
    clock.start_due_runs(now=timezone.now())
    run = Run.objects.get(campaign=made)
    fanout.expand(run.pk, now=timezone.now(), batch=batch)
    return run


@pytest.mark.django_db
def test_a_provider_that_is_away_holds_the_run_and_uses_up_nobodys_attempts() -> None:
    where = builders.workspace()
    builders.profiles(where, 30)
    closed = builders.smtp(where, 1)
    run = fanned_out(where, batch=10, configuration=closed)
    call_command("deliver")
    run.refresh_from_db()
    assert (run.state, ledger(run).to_go, Attempt.objects.count()) == ("sending", 30, 0)
    assert "provider" in waiting_for(run, now=timezone.now()) and Breaker.objects.get().opened_at
    assert not Batch.objects.filter(send_after__lte=timezone.now()).exists()
    with FakeSmtp() as server:
        ChannelConfiguration.objects.update(settings={**closed.settings, "port": server.port})
        Batch.objects.update(send_after=timezone.now())
        call_command("deliver")  # half a minute has not passed: nobody tries
        assert server.connections == 0 and ledger(run).to_go == 30
        Breaker.objects.update(probe_at=Now())
        Batch.objects.update(send_after=timezone.now())
        call_command("deliver")
        assert Breaker.objects.get().opened_at is None
        Batch.objects.update(send_after=timezone.now())
        call_command("deliver")
        assert len({one.recipients[0] for one in server.accepted}) == len(server.accepted) == 30
    run.refresh_from_db()
    assert (run.state, run.reason, set(Attempt.objects.values_list("n", flat=True))) == ("completed", "", {1})


@pytest.mark.django_db(transaction=True)
def test_four_workers_and_two_runs_never_pass_the_limit_of_their_configuration() -> None:
    """The proof is the moments given away, on the database's clock, and that no message was ahead of its own.

    A busy machine makes a message later, never sooner: neither bound hangs on how fast the machine is.
    """
    rate, people = 30, 45
    where = builders.workspace()
    builders.profiles(where, people)
    with FakeSmtp() as server:
        configuration = builders.smtp(where, server.port)
        limits.change(configuration, rate=rate, actor=SYSTEM, now=timezone.now())
        runs = [fanned_out(where, batch=12, configuration=configuration) for _n in range(2)]
        begun, begun_here = database_clock(), time.monotonic()
        work(4)
        arrived = sorted(one.at for one in server.accepted)
    assert len(arrived) == 2 * people and [ledger(run).accepted for run in runs] == [people, people]
    apart = MARGIN / rate
    given = Pace.objects.get(key=f"c{configuration.pk}").free_at - begun
    assert given >= 2 * people * apart - SLACK  # each message had a moment of its own, all of them apart
    early = [n for n, at in enumerate(arrived) if at - begun_here < n * apart - SLACK]
    assert early == []  # by any moment no more had arrived than had been given one
    if os.environ.get("QUIET_MACHINE"):  # with time to spare, the mail server's own clock says it too
        assert most_in_a_second(arrived) <= rate * 1.05 and arrived[-1] - arrived[0] < 8


@pytest.mark.django_db(transaction=True)
def test_a_campaigns_own_rate_is_kept_and_frozen_with_it_and_its_end_foretold() -> None:
    where = builders.workspace()
    builders.profiles(where, 20)
    with FakeSmtp() as server:
        campaign_rate = 20
        author = builders.person(where, "manager")
        made = builders.draft(where, author, configuration=builders.smtp(where, server.port))
        Campaign.objects.filter(pk=made.pk).update(rate=campaign_rate)
        made.refresh_from_db()
        told, begun = forecast.forecast(made, now=timezone.now()), database_clock()
        builders.lifecycle.apply(
            made, "activate", actor=builders.person(where, "approver"), now=timezone.now()
        )
        call_command("deliver")
    assert len(server.accepted) == 20
    assert told and told.lasts and told.lasts == timedelta(seconds=20 * MARGIN / campaign_rate)
    # However slow the machine: each had a moment of its own, and the last of them is the foretold end.
    assert Pace.objects.get().free_at - begun >= told.lasts.total_seconds() - SLACK


def test_who_is_not_ready_at_their_moment_does_not_leave_beside_the_next() -> None:
    """The moments of a window are taken before it is recorded; a slow record must not shift them."""

    def note(due: Due) -> Tried:
        return Tried(due.ref, 1, "failed")

    over, now = (Due(ref, None, "", 0, 1, "", None) for ref in range(2))
    handover = Handover(note, threading.Event(), time.monotonic() + 60, enough=1)
    at = time.monotonic()
    handover.put([Entry(over, at - 0.5), Entry(now, 0.0)])
    handover.start([registry.get("sandbox").open(ChannelConfiguration(provider="sandbox"))])
    while not handover.told and time.monotonic() < at + 30:
        handover.news.wait(0.1)
    left = [due for due, _tried in handover.told]
    handover.end()
    assert (list(handover.returned), left) == ([over], [now])


def database_clock() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        return float(cursor.fetchone()[0])


def work(workers: int) -> None:
    """So many threads deliver whatever is due until everything is settled."""
    ends = timezone.now() + timezone.timedelta(seconds=60)

    def deliver() -> None:
        while timezone.now() < ends:
            left = Batch.objects.filter(state__in=["ready", "claimed"])
            if not left.exists():
                break
            Batch.objects.filter(state="ready").update(send_after=timezone.now())
            for pk in left.values_list("pk", flat=True):
                send.deliver(pk)
        connection.close()

    threads = [threading.Thread(target=deliver) for _n in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
