"""The same thing at once, over real connections and real commits: it happens once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from accounts import credentials
from accounts.access import SYSTEM
from accounts.models import ApiCredential, AuditEntry, Role
from campaigns import lifecycle
from campaigns.delivery import claims, clock, completion, fanout, send, triggered
from campaigns.models import Attempt, Batch, Campaign, Execution, Message, Run
from campaigns.reports.metrics import ledger
from common.errors import CarillonError, Conflict, IllegalTransition, Invalid
from tests import builders

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sandbox_here")]


def at_once(times: int, what: Callable[[int], Any]) -> list[Any]:
    """What each said, or the product's own error it met; anything else fails the test."""
    barrier = threading.Barrier(times)

    def one(number: int) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait(10)
            return what(number)
        except CarillonError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def started(people: int = 23) -> Run:
    where = builders.workspace()
    builders.profiles(where, people)
    campaign = builders.live(where, now=timezone.now())
    clock.start_due_runs(now=timezone.now())
    return Run.objects.get(campaign=campaign)


def fanned_out(people: int = 23) -> Run:
    run = started(people)
    fanout.expand(run.pk, now=timezone.now(), page=7, batch=5)
    run.refresh_from_db()
    return run


def test_a_run_that_eight_end_at_once_is_ended_once_and_not_before_the_last_message() -> None:
    run = fanned_out()
    ready = list(Batch.objects.filter(run=run).values_list("pk", flat=True))
    for batch in ready[:-1]:
        send.deliver(batch)
    assert at_once(8, lambda _n: completion.settle(run.pk, now=timezone.now())) == [False] * 8
    assert Run.objects.get(pk=run.pk).state == "sending"
    claimed = claims.claim(ready[-1], owner="us", now=timezone.now())
    assert claimed is not None
    claims.settle_rest({**claimed.places()}, "failed", "x", now=timezone.now())
    claims.recount([ready[-1]])
    assert claims.release(claimed, now=timezone.now())
    said = at_once(8, lambda _n: completion.settle(run.pk, now=timezone.now()))
    assert sorted(said) == [False] * 7 + [True]
    before = Run.objects.values().get(pk=run.pk)
    assert (before["state"], ledger(run).balances) == ("completed", True)
    assert at_once(8, lambda _n: completion.settle(run.pk, now=timezone.now())) == [False] * 8
    assert Run.objects.values().get(pk=run.pk) == before
    assert AuditEntry.objects.filter(verb="complete").count() == 1


def triggerable() -> tuple[Campaign, ApiCredential]:
    where = builders.workspace()
    builders.profiles(where, 2)
    campaign = builders.live(where, now=timezone.now(), type="api_triggered", category="transactional")
    role = Role.objects.get(workspace=where, builtin="approver")
    credential, _ = credentials.issue(
        workspace=where, role=role, name="Shop", actor=SYSTEM, now=timezone.now()
    )
    return campaign, credential


def call(campaign: Campaign, credential: ApiCredential, request_id: str, digest: str = "d") -> Any:
    made = triggered.Call(credential, request_id, request_id, digest, timezone.now())
    return triggered.accept(campaign.pk, [triggered.Recipient("email", "p0@example.com")], made)


def test_activated_by_two_people_at_once_is_one_run() -> None:
    where = builders.workspace()
    builders.profiles(where, 2)
    made = builders.draft(where, builders.person(where, "manager"))
    people = [builders.person(where, "approver", f"approver{n}") for n in range(4)]
    said = at_once(4, lambda n: lifecycle.apply(made, "activate", actor=people[n], now=timezone.now()))
    assert sum(isinstance(one, Campaign) for one in said) == 1
    assert sum(isinstance(one, IllegalTransition) for one in said) == 3
    assert Run.objects.count() == 1


def test_eight_clocks_start_a_run_once() -> None:
    where = builders.workspace()
    builders.live(where, now=timezone.now())
    said = at_once(8, lambda _: clock.start_due_runs(now=timezone.now()))
    assert sum(len(ids) for ids in said) == 1


def test_eight_fan_outs_at_once_write_everybody_once() -> None:
    run = started()
    at_once(8, lambda _: fanout.expand(run.pk, now=timezone.now(), page=3, batch=2))
    fanout.expand(run.pk, now=timezone.now(), page=3, batch=2)  # what the sweep does: whoever is left over
    run.refresh_from_db()
    assert (run.state, run.targeted, Message.objects.count()) == ("sending", 23, 23)
    assert sum(Batch.objects.values_list("size", flat=True)) == 23


@pytest.mark.parametrize("is_expired", [False, True])
def test_a_batch_wanted_by_eight_workers_goes_to_one(is_expired: bool) -> None:
    batch = Batch.objects.filter(run=fanned_out()).first()
    if is_expired:
        claims.claim(batch.pk, owner="dead", now=timezone.now())
        Batch.objects.filter(pk=batch.pk).update(lease_until=Now() - timedelta(seconds=1))
    said = at_once(8, lambda n: claims.claim(batch.pk, owner=f"w{n}", now=timezone.now()))
    assert sum(one is not None for one in said) == 1
    batch.refresh_from_db()
    assert batch.epoch == (2 if is_expired else 1)


def test_eight_workers_on_every_batch_send_each_message_once() -> None:
    run = fanned_out()
    ids = list(Batch.objects.values_list("pk", flat=True))

    def work(number: int) -> None:
        for batch in ids[number % len(ids) :] + ids[: number % len(ids)]:
            if send.deliver(batch):
                completion.settle(run.pk, now=timezone.now())

    at_once(8, work)
    run.refresh_from_db()
    assert (ledger(run).accepted, Attempt.objects.count(), run.state) == (23, 23, "completed")


def test_the_same_call_twenty_times_at_once_is_one_message() -> None:
    campaign, credential = triggerable()
    said = at_once(20, lambda _: call(campaign, credential, "r-1"))
    # Who came while the first was being written is told to come back.
    busy = [one for one in said if isinstance(one, Conflict)]
    assert {one.code for one in busy} <= {"request_in_progress"}
    said = [one for one in said if one not in busy] + [call(campaign, credential, "r-1") for _ in busy]
    assert len({one.execution.pk for one in said}) == 1
    assert sum(not one.is_repeat for one in said) == 1
    assert (Execution.objects.count(), Message.objects.count(), Batch.objects.count()) == (1, 1, 1)


def test_one_request_id_with_two_bodies_at_once_is_one_message_and_a_conflict() -> None:
    campaign, credential = triggerable()
    said = at_once(8, lambda n: call(campaign, credential, "r-1", digest=str(n)))
    assert sum(isinstance(one, Conflict) for one in said) == 7
    assert Message.objects.count() == 1


def test_a_call_while_the_campaign_is_stopped_is_refused_or_accounted_for() -> None:
    """An accepted message is in the books of the stopped run; there is no third way."""
    campaign, credential = triggerable()
    approver = builders.User.objects.get(name="Approver")

    def act(number: int) -> Any:
        if number == 0:
            lifecycle.apply(campaign, "stop", actor=approver, now=timezone.now())
            return [completion.settle(Run.objects.get().pk, now=timezone.now()) for _ in range(3)]
        try:
            return [call(campaign, credential, f"r-{number}-{again}") for again in range(5)]
        except Invalid as error:
            return error.problems[0].code

    said = at_once(8, act)
    assert {one for one in said if isinstance(one, str)} <= {"campaign_not_live"}
    run = Run.objects.get()
    completion.settle(run.pk, now=timezone.now())
    run.refresh_from_db()
    book = ledger(run)
    assert run.state == "stopped"
    assert (book.to_go, book.balances, book.cancelled) == (0, True, Execution.objects.count())
