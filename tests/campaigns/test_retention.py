"""Old messages are dropped whole, and what a run came to is told as before."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from campaigns.delivery import retention
from campaigns.models import Attempt, Batch, Event, Execution, Message, MessageContext, Run
from campaigns.reports import counting, figures, outcomes
from campaigns.reports.metrics import ledger
from campaigns.tracking import machines
from common.months import month_of
from tests import builders
from tests.api import Caller
from tests.campaigns.test_delivery import sending

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]


def in_the_next_partition(run: Run) -> Run:
    """Another run of the campaign, so far on that the first one's partition is full."""
    return Run.objects.create(
        pk=run.pk + 1000, campaign=run.campaign, version=run.version, due_at=builders.NOW, state="completed"
    )


def test_messages_of_old_runs_are_dropped_and_their_totals_stay() -> None:
    run = sending()
    call_command("deliver")
    run.refresh_from_db()
    told = ledger(run)
    in_the_next_partition(run)
    assert run.pk // 200 not in retention.drop_old_messages(now=timezone.now())
    later = timezone.now() + timedelta(days=800)
    dropped = retention.drop_old_messages(now=later)
    assert run.pk // 200 in dropped
    assert not Message.objects.filter(run=run).exists() and not Attempt.objects.filter(run=run).exists()
    run.refresh_from_db()
    assert (ledger(run), told.accepted, told.balances) == (told, 12, True)
    assert retention.drop_old_messages(now=later) == []


def test_a_run_that_still_sends_keeps_its_messages() -> None:
    run = sending()
    in_the_next_partition(run)
    assert run.pk // 200 not in retention.drop_old_messages(now=timezone.now() + timedelta(days=800))
    assert Message.objects.filter(run=run).count() == 12


def test_every_run_has_its_partition_from_the_moment_it_is_written() -> None:
    run = sending(3)
    other = in_the_next_partition(run)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"campaigns_attempt_p{other.pk // 200}"])
        assert cursor.fetchone()[0]
    assert Batch.objects.filter(run=run).count() == 1


# ---- events, and messages of runs that go on --------------------------------------------------


def event(run: Run, ref: int, at: datetime, kind: str = "open") -> Event:
    fields = {"action": 0, "ref": ref, "kind": kind, "judged": machines.VERSION}
    return Event.objects.create(run=run, at=at, **fields)


def rows_of(name: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {name}")
        return int(cursor.fetchone()[0])


def test_old_events_are_dropped_by_the_month_and_what_was_counted_of_them_stays() -> None:
    run = sending(3)
    call_command("deliver")
    now = timezone.now()
    first, second, third = Message.objects.filter(run=run).order_by("ref").values_list("ref", flat=True)
    event(run, first, now)
    event(run, second, now, "click")
    later = now + timedelta(days=800)
    retention.keep_events(now=later - timedelta(days=40))  # makes the months of then
    event(run, third, later)
    assert month_of(now) not in retention.keep_events(now=later), "nothing of it is counted yet"
    counting.move_forward(now=later)
    before = figures.read([run.pk]).tally("open"), figures.read([run.pk]).tally("click")
    month = month_of(now)
    assert month in retention.keep_events(now=later)
    assert list(Event.objects.values_list("ref", flat=True)) == [third]
    call_command("rebuild_counts", verbosity=0)
    after = figures.read([run.pk]).tally("open"), figures.read([run.pk]).tally("click")
    assert after == before and (after[0].people, after[1].people) == (2, 1)
    event(run, first, later + timedelta(minutes=1), "complaint")
    call_command("rebuild_counts", verbosity=0)
    assert figures.read([run.pk]).tally("complaint").anybody == 1, "what comes behind counts all the same"


def test_an_event_of_a_wrong_clock_has_a_place_until_its_month_is_made() -> None:
    run = sending(1)
    ref = Message.objects.get(run=run).ref
    far = timezone.now() + timedelta(days=200)
    one = event(run, ref, far)
    assert rows_of("campaigns_event_other") == 1
    retention.keep_events(now=far)
    assert rows_of("campaigns_event_other") == 0 and Event.objects.get(pk=one.pk).at == far
    event(run, ref, timezone.now() - timedelta(days=9000))
    retention.keep_events(now=timezone.now())
    assert Event.objects.count() == 1


def called(people: int) -> Run:
    """The run of a campaign that takes calls, which was called for each of them."""
    where = builders.workspace()
    builders.profiles(where, people)
    triggered = {"type": "api_triggered", "category": "transactional", "html": "<p>Hello</p>"}
    campaign = builders.live(where, now=timezone.now(), **triggered)
    call = Caller(where, "approver")
    for number in range(people):
        person = {"type": "aep", "userId": f"p{number}@example.com", "namespace": "email"}
        body = {"requestId": f"r{number}", "campaignId": str(campaign.pk), "recipients": [person]}
        assert call.post("/ajo/im/executions/unitary", body).status_code == 202
    call_command("deliver")
    return Run.objects.get(campaign=campaign)


def test_what_old_calls_said_is_deleted_while_the_campaign_goes_on_and_the_ledger_reads_the_same() -> None:
    run = called(4)
    counting.move_forward(now=timezone.now())
    told, counted = ledger(run), figures.read([run.pk]).tally("accepted")
    assert (told.accepted, told.balances) == (4, True)
    later = timezone.now() + timedelta(days=800)
    Run.objects.filter(pk=run.pk).update(started_at=timezone.now() - timedelta(days=1))
    Execution.objects.filter(request_id="r3").update(created_at=later)
    assert retention.prune_standing(now=later) == 3
    assert Message.objects.filter(run=run).count() == 1 == Attempt.objects.filter(run=run).count()
    assert MessageContext.objects.filter(run=run).count() <= 1
    run.refresh_from_db()
    assert ledger(run) == told and run.pruned == {"0": {"accepted/": 3}}
    assert outcomes.of_runs([run.pk], action=0)[run.pk].book.accepted == 4
    call_command("rebuild_counts", verbosity=0)
    assert figures.read([run.pk]).tally("accepted") == counted
    assert retention.prune_standing(now=later) == 0


@pytest.mark.parametrize("goes", ["messages", "events", "calls"])
def test_who_came_back_uncertain_lowers_what_was_delivered_neither_before_nor_after(goes: str) -> None:
    run = called(4) if goes == "calls" else sending(4)
    call_command("deliver")
    refs = sorted(Message.objects.filter(run=run).values_list("ref", flat=True))
    Attempt.objects.filter(run=run, ref=refs[0]).update(outcome="uncertain")
    now, later = timezone.now(), timezone.now() + timedelta(days=800)
    for ref in refs[:2]:  # one of the two was accepted before
        event(run, ref, now, "bounce")
    counting.move_forward(now=now)
    before = figures.read([run.pk])
    assert (before.tally("accepted").anybody, before.returned) == (3, 1)
    if goes == "messages":
        in_the_next_partition(run)
        Run.objects.filter(pk=run.pk).update(finished_at=now)
        assert run.pk // 200 in retention.drop_old_messages(now=later)
    elif goes == "events":
        retention.keep_events(now=later)
        assert not Event.objects.filter(run=run).exists()
    else:
        Run.objects.filter(pk=run.pk).update(started_at=now - timedelta(days=1))
        Execution.objects.filter(request_id="r3").update(created_at=later)
        assert retention.prune_standing(now=later) == 3
    call_command("rebuild_counts", verbosity=0)
    after = figures.read([run.pk])
    assert (after.tally("bounce").anybody, after.tally("accepted").anybody, after.returned) == (2, 3, 1)
    assert {(row.kind, row.key, row.anybody) for row in after.rows if row.facet == "domain"} == {
        (row.kind, row.key, row.anybody) for row in before.rows if row.facet == "domain"
    }
