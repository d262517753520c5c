"""Pace and breaker on a real run: what the mail server received, and when."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from accounts.access import SYSTEM
from campaigns.delivery import clock, fanout, send
from campaigns.models import Attempt, Batch, Campaign, Run
from campaigns.reports.metrics import ledger
from campaigns.reports.waiting import waiting_for
from channels import limits
from channels.models import Breaker, ChannelConfiguration
from tests import builders
from tests.channels.test_pacing import most_in_a_second
from tests.fakes.smtp import FakeSmtp


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
    """The proof is the mail server's own clock."""
    where = builders.workspace()
    builders.profiles(where, 45)
    with FakeSmtp() as server:
        configuration = builders.smtp(where, server.port)
        limits.change(configuration, rate=30, actor=SYSTEM, now=timezone.now())
        runs = [fanned_out(where, batch=12, configuration=configuration) for _n in range(2)]
        work(4)
        assert len(server.accepted) == 90
        assert most_in_a_second([one.at for one in server.accepted]) <= 30 * 1.05
        assert max(one.at for one in server.accepted) - min(one.at for one in server.accepted) < 8
    assert [ledger(run).accepted for run in runs] == [45, 45]


@pytest.mark.django_db(transaction=True)
def test_a_campaigns_own_rate_is_kept_and_frozen_with_it() -> None:
    where = builders.workspace()
    builders.profiles(where, 20)
    with FakeSmtp() as server:
        campaign_rate = 20
        author = builders.person(where, "manager")
        made = builders.draft(where, author, configuration=builders.smtp(where, server.port))
        Campaign.objects.filter(pk=made.pk).update(rate=campaign_rate)
        made.refresh_from_db()
        builders.lifecycle.apply(
            made, "activate", actor=builders.person(where, "approver"), now=timezone.now()
        )
        call_command("deliver")
        times = [one.at for one in server.accepted]
    assert len(times) == 20 and 0.9 < max(times) - min(times) < 3


def work(workers: int) -> None:
    """So many threads deliver whatever is due until everything is settled."""
    ends = timezone.now() + timezone.timedelta(seconds=20)

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
