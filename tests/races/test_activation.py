"""Two people pressing at once: one run, one claim, one execution, and the other is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import credentials
from accounts.access import SYSTEM
from accounts.models import AuditEntry, Role
from campaigns import drafts
from campaigns.delivery import claims, clock, fanout, triggered
from campaigns.delivery.triggered import Recipient
from campaigns.models import Batch, Campaign, Execution, Message, Run
from common.errors import Conflict
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(work: Callable[[], Any], times: int = 8) -> list[Any]:
    """What each of several threads with its own connection returned or raised."""
    barrier = threading.Barrier(times)
    results: list[Any] = []

    def run() -> None:
        try:
            barrier.wait(10)
            results.append(work())
        except Exception as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == times
    return results


def test_activate_pressed_fifty_times_at_once_is_one_run() -> None:
    """By ten people on the page, five times each."""
    where = builders.workspace()
    builders.profiles(where, 3)
    campaign = builders.draft(where, builders.person(where, "manager"))
    client = Client(raise_request_exception=False)
    client.force_login(builders.person(where, "approver"))
    cookies = client.cookies.output(header="")

    def press() -> list[int]:
        mine = Client(raise_request_exception=False)
        mine.cookies.load(cookies)
        return [mine.post(f"/campaigns/{campaign.pk}/act/activate/").status_code for _ in range(5)]

    said = [code for codes in at_once(press, times=10) for code in codes]
    assert sorted(said) == [302] + [409] * 49
    assert (Run.objects.count(), AuditEntry.objects.filter(verb="activate").count()) == (1, 1)


def test_eight_clocks_start_one_fan_out_and_eight_workers_claim_each_batch_once() -> None:
    where = builders.workspace()
    builders.profiles(where, 40)
    builders.live(where, now=timezone.now())
    assert sum(len(ids) for ids in at_once(lambda: clock.start_due_runs(now=timezone.now()))) == 1
    run = Run.objects.get()
    at_once(lambda: fanout.expand(run.pk, now=timezone.now(), page=7, batch=5))
    assert Message.objects.count() == 40
    assert sum(Batch.objects.values_list("size", flat=True)) == 40
    for batch in Batch.objects.all():
        got = at_once(lambda pk=batch.pk: claims.claim(pk, owner="w", now=timezone.now()))
        assert sum(claim is not None for claim in got) == 1


def test_two_editors_saving_at_once_lose_nothing() -> None:
    where = builders.workspace()
    manager = builders.person(where, "manager")
    campaign = builders.draft(where, manager)
    results = at_once(
        lambda: drafts.save(
            campaign, revision=campaign.revision, actor=manager, now=timezone.now(), name="New name"
        )
    )
    assert sum(isinstance(result, Campaign) for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 7


def test_one_request_posted_many_times_at_once_is_one_message() -> None:
    where = builders.workspace()
    builders.profiles(where, 1)
    campaign = builders.live(
        where, now=timezone.now(), type="api_triggered", category="transactional", html="<p>Hello</p>"
    )
    role = Role.objects.get(workspace=where, builtin="approver")
    credential, _ = credentials.issue(
        workspace=where, role=role, name="Shop", actor=SYSTEM, now=timezone.now()
    )
    call = triggered.Call(credential, "r-1", "r-1", "d", timezone.now())

    def post() -> Any:
        return triggered.accept(campaign.pk, [Recipient("email", "p0@example.com")], call)

    results = at_once(post, times=12)
    # Who came while the first was being written is told to come back.
    busy = [result for result in results if isinstance(result, Conflict)]
    assert {result.code for result in busy} <= {"request_in_progress"}
    results = [result for result in results if result not in busy] + [post() for _ in busy]
    assert {str(result.execution.pk) for result in results} == {str(Execution.objects.get().pk)}
    assert sum(not result.is_repeat for result in results) == 1
    assert (Message.objects.count(), Batch.objects.count()) == (1, 1)
