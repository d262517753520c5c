"""What goes wrong for long or twice: an absent provider, a line that always breaks, a stop after a crash."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.models.functions import Now
from django.utils import timezone

from audiences.models import Profile
from campaigns import lifecycle
from campaigns.delivery import claims, completion, due, send
from campaigns.models import Attempt, Batch, Run
from campaigns.reports.metrics import ledger
from channels.models import Breaker, ChannelConfiguration
from tests import builders
from tests.campaigns.test_delivery import batches, sending

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]


def make_due() -> None:
    Batch.objects.update(send_after=timezone.now())
    Attempt.objects.exclude(retry_at=None).update(retry_at=timezone.now())


def crashed(run: Run, *, handed_over: int) -> int:
    """A batch whose worker died when it may have handed over that many messages."""
    batch = batches(run)[0]
    dead = claims.claim(batch, owner="dead", now=timezone.now())
    in_flight = [one.ref for one in due.fetch(dead)[:handed_over]]
    claims.record(dead, [], in_flight=in_flight, now=timezone.now())
    Batch.objects.filter(pk=batch).update(lease_until=Now() - timedelta(seconds=1))
    return batch


def test_a_provider_that_is_away_for_long_costs_nobody_their_message() -> None:
    where = builders.workspace()
    builders.profiles(where, 3)
    configuration = builders.smtp(where, 1)  # nobody listens there
    builders.live(where, now=timezone.now(), configuration=configuration)
    for _ in range(claims.MOST_CLAIMS + 4):
        call_command("deliver")
        make_due()
    run = Run.objects.get()
    assert (ledger(run).failed, ledger(run).to_go, run.state) == (0, 3, "sending")
    assert run.reason.startswith("unreachable")
    ChannelConfiguration.objects.update(provider="sandbox")
    for _ in range(2):  # one message finds out, then the others follow
        Breaker.objects.update(probe_at=Now())
        make_due()
        call_command("deliver")
    run.refresh_from_db()
    assert (ledger(run).accepted, run.state, run.reason) == (3, "completed", "")


def test_nothing_leaves_through_a_configuration_that_was_deactivated() -> None:
    run = sending()
    ChannelConfiguration.objects.update(status=ChannelConfiguration.Status.DEACTIVATED)
    call_command("deliver")
    run.refresh_from_db()
    assert (ledger(run).accepted, ledger(run).to_go, run.state) == (0, 12, "sending")
    assert run.reason.startswith("misconfigured")
    soonest = Batch.objects.order_by("send_after").first().send_after
    assert soonest > timezone.now() + timedelta(seconds=50)
    ChannelConfiguration.objects.update(status=ChannelConfiguration.Status.ACTIVE)
    make_due()
    call_command("deliver")
    assert ledger(run).accepted == 12


@pytest.mark.parametrize(("policy", "tries"), [("resend", claims.TRIES), ("never", 1)])
def test_a_line_that_always_breaks_is_not_sent_for_ever(policy: str, tries: int) -> None:
    where = builders.workspace()
    Profile.objects.create(workspace=where, email="drop+1@example.com", attributes={"name": "x"})
    builders.live(where, now=timezone.now(), on_uncertain=policy)
    for _ in range(claims.TRIES + 3):
        call_command("deliver")
        make_due()
    run = Run.objects.get()
    assert Attempt.objects.filter(run=run).count() == tries
    assert (ledger(run).uncertain, ledger(run).balances, run.state) == (1, True, "completed")


def test_stopping_after_a_crash_does_not_call_cancelled_what_may_have_left() -> None:
    run = sending()
    crashed(run, handed_over=2)
    approver = builders.User.objects.get(name="Approver")
    lifecycle.apply(run.campaign, "stop", actor=approver, now=timezone.now())
    assert completion.settle(run.pk, now=timezone.now())
    book = ledger(run)
    assert (book.uncertain, book.cancelled, book.to_go, book.balances) == (2, 10, 0, True)


def test_giving_up_a_batch_leaves_uncertain_what_may_have_left() -> None:
    run = sending()
    batch = crashed(run, handed_over=2)
    Batch.objects.filter(pk=batch).update(claims=claims.MOST_CLAIMS)
    assert claims.claim(batch, owner="last", now=timezone.now()) is None
    book = ledger(run)
    assert (book.uncertain, book.failed) == (2, 3)


def test_a_batch_that_takes_too_long_is_put_back_and_finished_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "FLUSH", 1)
    monkeypatch.setattr(send, "LANES", 1)
    monkeypatch.setattr(send, "LONGEST", timedelta(0))
    run = sending()
    first = batches(run)[0]
    send.deliver(first)
    assert (ledger(run).accepted, Batch.objects.get(pk=first).state) == (2, "ready")
    for _ in range(4):
        make_due()
        call_command("deliver")
    run.refresh_from_db()
    assert (ledger(run).accepted, Attempt.objects.count(), run.state) == (12, 12, "completed")
