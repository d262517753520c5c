"""From an activated campaign to a ledger that balances: fan-out, claims, windows, recovery, completion."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from audiences import consent, suppression
from audiences.models import Profile
from campaigns import lifecycle
from campaigns.delivery import claims, clock, completion, due, fanout, recovery, send
from campaigns.delivery.claims import LeaseLost, Tried
from campaigns.models import Attempt, Batch, Campaign, Message, Run, Status
from campaigns.reports.metrics import ledger, reasons
from common.errors import IllegalTransition
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]


def sending(people: int = 12, **changes) -> Run:
    """A campaign that was activated, started and fanned out, in batches of five."""
    where = builders.workspace()
    builders.profiles(where, people)
    campaign = builders.live(where, now=timezone.now(), **changes)
    clock.start_due_runs(now=timezone.now())
    run = Run.objects.get(campaign=campaign)
    fanout.expand(run.pk, now=timezone.now(), page=7, batch=5)
    run.refresh_from_db()
    return run


def batches(run: Run) -> list[int]:
    return list(Batch.objects.filter(run=run).order_by("lo").values_list("pk", flat=True))


def test_an_activated_campaign_reaches_everybody_and_completes() -> None:
    run = sending()
    call_command("deliver")
    run.refresh_from_db()
    book = ledger(run)
    assert (run.state, run.campaign.status) == ("completed", "completed")
    assert (book.targeted, book.accepted, book.to_go, book.balances) == (12, 12, 0, True)


def test_fan_out_writes_one_message_a_person_whatever_the_pages() -> None:
    run = sending(23)
    assert Message.objects.filter(run=run).count() == run.targeted == 23
    assert sum(Batch.objects.filter(run=run).values_list("size", flat=True)) == 23
    fanout.expand(run.pk, now=timezone.now())
    Run.objects.filter(pk=run.pk).update(state="expanding", cursor=0, targeted=0)
    fanout.expand(run.pk, now=timezone.now())
    assert Message.objects.filter(run=run).count() == 23


def test_everybody_excluded_is_accounted_for_with_a_reason() -> None:
    where = builders.workspace()
    people = builders.profiles(where, 5)
    consent.withdraw(profile_id=people[0].pk, channel="email", source="test", now=timezone.now())
    suppression.suppress(
        workspace_id=where.pk, channel="email", address="p1@example.com", reason="x", now=timezone.now()
    )
    Profile.objects.filter(pk=people[2].pk).update(email=None)
    builders.live(where, now=timezone.now())
    call_command("deliver")
    run = Run.objects.get()
    assert (ledger(run).accepted, ledger(run).excluded, run.state) == (2, 3, "completed")
    assert {code for code, _, _ in reasons(run, "excluded")} == {"050101", "050102", "050020"}


def test_an_empty_audience_completes_at_once() -> None:
    run = sending(0)
    completion.settle(run.pk, now=timezone.now())
    run.refresh_from_db()
    assert (run.state, run.targeted) == ("completed", 0)


def test_somebody_who_unsubscribes_after_fan_out_gets_nothing() -> None:
    run = sending()
    first = Message.objects.filter(run=run).order_by("ref").first()
    consent.withdraw(profile_id=first.profile_id, channel="email", source="test", now=timezone.now())
    call_command("deliver")
    assert Attempt.objects.get(run=run, ref=first.ref).outcome == "excluded"
    assert ledger(run).accepted == 11


def test_a_start_told_ten_times_and_written_ten_times_is_one_run_of_those_who_were_there() -> None:
    run = sending(5)
    newcomer = Profile.objects.create(workspace=run.campaign.workspace, email="late@example.com")
    for _ in range(10):
        assert not clock.start(run.pk, now=timezone.now())
        fanout.expand(run.pk, now=timezone.now())
    call_command("deliver")
    run.refresh_from_db()
    assert (Run.objects.count(), run.state, ledger(run).accepted) == (1, "completed", 5)
    assert not Message.objects.filter(profile_id=newcomer.pk).exists()


def test_a_clock_that_dies_before_its_commit_or_before_its_ring_starts_one_run() -> None:
    where = builders.workspace()
    builders.profiles(where, 5)
    builders.live(where, now=timezone.now())
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        assert len(clock.start_due_runs(now=timezone.now())) == 1
        raise KeyboardInterrupt
    run = Run.objects.get()
    assert (run.state, run.started_at) == ("due", None)
    assert clock.start_due_runs(now=timezone.now()) == [run.pk]  # nobody hears its ring: nothing commits here
    call_command("deliver")
    run.refresh_from_db()
    assert (Run.objects.count(), run.state, ledger(run).accepted) == (1, "completed", 5)


def test_no_worker_is_rung_before_what_it_is_to_read_is_committed(
    django_capture_on_commit_callbacks: Any,
) -> None:
    where = builders.workspace()
    builders.profiles(where, 5)
    builders.live(where, now=timezone.now())
    with django_capture_on_commit_callbacks() as rung:
        (run_id,) = clock.start_due_runs(now=timezone.now())
    assert len(rung) == 1
    with django_capture_on_commit_callbacks() as rung:
        fanout.expand(run_id, now=timezone.now())
    assert len(rung) == 1


def test_somebody_who_leaves_while_their_message_waits_for_another_try_gets_nothing() -> None:
    where = builders.workspace()
    person = Profile.objects.create(workspace=where, email="later+1@example.com", attributes={"name": "L"})
    builders.live(where, now=timezone.now())
    call_command("deliver")
    assert Attempt.objects.get().outcome == "deferred"
    consent.withdraw(profile_id=person.pk, channel="email", source="test", now=timezone.now())
    for _ in range(3):
        Attempt.objects.filter(outcome="deferred").update(retry_at=timezone.now())
        Batch.objects.update(send_after=timezone.now())
        call_command("deliver")
    book = ledger(Run.objects.get())
    assert (book.accepted, book.excluded, book.to_go) == (0, 1, 0)
    assert not Attempt.objects.filter(outcome="accepted").exists()


def test_refused_and_deferred_are_told_apart_and_nobody_is_lost() -> None:
    where = builders.workspace()
    for local in ("fine", "refuse+1", "later+1"):
        Profile.objects.create(workspace=where, email=f"{local}@example.com", attributes={"name": local})
    builders.live(where, now=timezone.now())
    call_command("deliver")
    run = Run.objects.get()
    book = ledger(run)
    assert (book.accepted, book.failed, book.to_go, book.balances) == (1, 1, 1, True)
    assert run.state == "sending"
    for _ in range(3):
        Attempt.objects.filter(outcome="deferred").update(retry_at=timezone.now())
        Batch.objects.update(send_after=timezone.now())
        call_command("deliver")
    run.refresh_from_db()
    assert (ledger(run).accepted, run.state) == (2, "completed")


def test_a_template_that_fails_for_one_person_excludes_only_them() -> None:
    where = builders.workspace()
    for number, name in enumerate(["1", "0", "2"]):
        Profile.objects.create(workspace=where, email=f"p{number}@example.com", attributes={"name": name})
    html = builders.HTML.replace("{{ profile.name }}", "{{ 6 // (profile.name|int) }}")
    builders.live(where, now=timezone.now(), html=html)
    call_command("deliver")
    run = Run.objects.get()
    assert (ledger(run).accepted, [code for code, _, _ in reasons(run, "excluded")]) == (2, ["050302"])


# ---- claims -----------------------------------------------------------------------------------


def test_a_claimed_batch_cannot_be_claimed_again_until_its_lease_ends() -> None:
    batch = batches(sending())[0]
    first = claims.claim(batch, owner="a", now=timezone.now())
    assert first and claims.claim(batch, owner="b", now=timezone.now()) is None
    Batch.objects.filter(pk=batch).update(lease_until=Now() - timedelta(seconds=1))
    second = claims.claim(batch, owner="b", now=timezone.now())
    assert second and second.epoch == first.epoch + 1


def test_a_worker_that_slept_through_its_lease_can_record_nothing() -> None:
    run = sending()
    batch = batches(run)[0]
    sleeper = claims.claim(batch, owner="sleeper", now=timezone.now())
    Batch.objects.filter(pk=batch).update(lease_until=Now() - timedelta(seconds=1))
    claims.claim(batch, owner="other", now=timezone.now())
    with pytest.raises(LeaseLost):
        claims.record(sleeper, [Tried(sleeper.lo, 1, "accepted")], now=timezone.now())
    assert not Attempt.objects.filter(run=run).exists()
    claims.release(sleeper, now=timezone.now())
    assert Batch.objects.get(pk=batch).state == "claimed"


@pytest.mark.parametrize(("policy", "to_send"), [("resend", 5), ("never", 3)])
def test_what_a_dead_worker_may_have_sent_is_uncertain_and_nothing_else(policy: str, to_send: int) -> None:
    run = sending(on_uncertain=policy)
    batch = batches(run)[0]
    dead = claims.claim(batch, owner="dead", now=timezone.now())
    in_flight = [one.ref for one in due.fetch(dead)[:2]]
    claims.record(dead, [], in_flight=in_flight, now=timezone.now())
    Batch.objects.filter(pk=batch).update(lease_until=Now() - timedelta(seconds=1))
    heir = claims.claim(batch, owner="heir", now=timezone.now())
    assert Attempt.objects.filter(run=run, outcome="uncertain", code="worker_lost").count() == 2
    assert len(due.fetch(heir)) == to_send


def test_a_worker_that_died_before_the_first_hand_over_leaves_nothing_uncertain() -> None:
    run = sending()
    batch = batches(run)[0]
    claims.claim(batch, owner="dead", now=timezone.now())
    Batch.objects.filter(pk=batch).update(lease_until=Now() - timedelta(seconds=1))
    call_command("deliver")
    assert not Attempt.objects.filter(outcome="uncertain").exists()
    assert ledger(run).accepted == 12


def test_a_batch_that_kills_every_worker_is_given_up_visibly() -> None:
    run = sending()
    batch = batches(run)[0]
    for _ in range(claims.MOST_CLAIMS + 1):
        claims.claim(batch, owner="victim", now=timezone.now())
        Batch.objects.filter(pk=batch).update(lease_until=Now() - timedelta(seconds=1))
    assert Batch.objects.get(pk=batch).state == "abandoned"
    call_command("deliver")
    run.refresh_from_db()
    assert (ledger(run).failed, ledger(run).accepted, run.state) == (5, 7, "completed")
    assert reasons(run, "failed")[0][0] == "abandoned"


def test_the_sweep_rings_for_due_batches_and_not_twice_in_a_row() -> None:
    run = sending()
    assert sorted(recovery.ring_due_batches("bulk", now=timezone.now())) == sorted(batches(run))
    assert recovery.ring_due_batches("bulk", now=timezone.now()) == []
    later = timezone.now() + recovery.RING_AGAIN + timedelta(seconds=1)
    assert len(recovery.ring_due_batches("bulk", now=later)) == 3


# ---- pause, stop, clock -----------------------------------------------------------------------


def test_a_paused_campaign_sends_nothing_and_a_resumed_one_misses_nobody() -> None:
    run = sending()
    approver = builders.User.objects.get(name="Approver")
    send.deliver(batches(run)[0])
    lifecycle.apply(run.campaign, "pause", actor=approver, now=timezone.now())
    call_command("deliver")
    assert ledger(run).accepted == 5
    lifecycle.apply(run.campaign, "resume", actor=approver, now=timezone.now())
    call_command("deliver")
    assert (ledger(run).accepted, Attempt.objects.filter(run=run).count()) == (12, 12)


def test_stopping_cancels_what_was_not_sent_and_balances() -> None:
    run = sending()
    approver = builders.User.objects.get(name="Approver")
    send.deliver(batches(run)[0])
    lifecycle.apply(run.campaign, "stop", actor=approver, now=timezone.now())
    call_command("deliver")
    run.refresh_from_db()
    book = ledger(run)
    assert (run.state, book.accepted, book.cancelled, book.to_go, book.balances) == ("stopped", 5, 7, 0, True)
    with pytest.raises(IllegalTransition):
        lifecycle.apply(run.campaign, "resume", actor=approver, now=timezone.now())


def test_stopping_waits_for_the_worker_that_holds_a_batch() -> None:
    run = sending()
    approver = builders.User.objects.get(name="Approver")
    held = claims.claim(batches(run)[0], owner="busy", now=timezone.now())
    lifecycle.apply(run.campaign, "stop", actor=approver, now=timezone.now())
    assert not completion.settle(run.pk, now=timezone.now())
    assert claims.record(held, [], now=timezone.now()) is False
    claims.release(held, now=timezone.now())
    assert completion.settle(run.pk, now=timezone.now())
    assert ledger(run).cancelled == 12


def test_a_campaign_for_later_waits_for_its_time() -> None:
    where = builders.workspace()
    builders.profiles(where, 2)
    at = builders.NOW + timedelta(hours=1)
    campaign = builders.live(where, starts_at=at)
    assert campaign.status == Status.SCHEDULED
    assert clock.start_due_runs(now=at - timedelta(seconds=1)) == []
    assert len(clock.start_due_runs(now=at)) == 1
    assert clock.start_due_runs(now=at) == []
    campaign.refresh_from_db()
    assert campaign.status == Status.LIVE


def test_a_run_more_than_an_hour_late_is_missed_and_says_so() -> None:
    where = builders.workspace()
    at = builders.NOW + timedelta(hours=1)
    builders.live(where, starts_at=at)
    clock.start_due_runs(now=at + timedelta(minutes=61))
    run = Run.objects.get()
    assert (run.state, run.campaign.status) == ("missed", "failed")
    assert "more than an hour late" in run.reason


def test_one_campaign_and_due_time_is_one_run() -> None:
    run = sending()
    with pytest.raises(Exception, match="run_once"):
        Run.objects.create(campaign=run.campaign, version=run.version, due_at=run.due_at)


def test_a_ledger_that_does_not_balance_never_completes() -> None:
    run = sending()
    Run.objects.filter(pk=run.pk).update(targeted=F("targeted") + 1)
    call_command("deliver")
    run.refresh_from_db()
    assert (run.state, run.reason) == ("sending", "ledger_does_not_balance")
    assert Campaign.objects.get().status == Status.LIVE
