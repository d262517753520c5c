"""A short drill: a worker dies after it handed messages over and before it wrote so; nobody is missed.

`make drill` does the same with every fault, many times, on runs of 50,000.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from campaigns.delivery import claims, clock, fanout, send
from campaigns.models import Attempt, Batch, Run
from campaigns.reports.metrics import ledger
from tests import builders
from tests.drill.drill import Drill, Injected, as_json, copies_of_each
from tests.fakes.dying import dies_at
from tests.fakes.house import House, needs_broker
from tests.fakes.smtp import FakeSmtp

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.slow
@needs_broker
def test_a_worker_that_dies_between_the_providers_yes_and_its_record_costs_nobody_a_message(
    tmp_path: Path,
) -> None:
    with House(tmp_path) as house:
        drill = Drill(house, tmp_path, people=400)
        drill.start()
        row = drill.inject("failpoint:before_record")
    assert row.is_good, row
    (told,) = as_json(1, row)
    assert (told["fault"], told["duplicates"]) == ("failpoint:before_record", row.duplicates)


def test_a_message_that_kills_every_worker_is_given_up_aloud_and_the_others_arrive() -> None:
    """The batch of five dies with whoever claims it; the next ones are sent."""
    with FakeSmtp() as server:
        run = fanned_out(12, server)
        first, *others = Batch.objects.filter(run=run).order_by("pk").values_list("pk", flat=True)
        for _time in range(claims.MOST_CLAIMS):
            dies_at("claimed:1", lambda: send.deliver(first))
            Batch.objects.filter(pk=first).update(lease_until=Now() - timedelta(seconds=1))
        assert not send.deliver(first)
        for batch in others:
            assert send.deliver(batch)
        assert len(server.accepted) == 7
    run.refresh_from_db()
    assert run.state == "completed"
    book = ledger(run)
    assert (book.failed, book.accepted, book.balances) == (5, 7, True)
    assert Batch.objects.get(pk=first).state == "abandoned"
    assert set(Attempt.objects.filter(outcome="failed").values_list("code", flat=True)) == {"abandoned"}


def fanned_out(people: int, server: FakeSmtp) -> Run:
    where = builders.workspace()
    builders.profiles(where, people)
    campaign = builders.live(where, now=timezone.now(), configuration=builders.smtp(where, server.port))
    clock.start_due_runs(now=timezone.now())
    run = Run.objects.get(campaign=campaign)
    fanout.expand(run.pk, now=timezone.now(), page=7, batch=5)
    run.refresh_from_db()
    return run


@pytest.mark.slow
@needs_broker
def test_a_short_soak_leaves_every_run_whole_and_no_process_larger(tmp_path: Path) -> None:
    """`make drill ARGS="--minutes 1440"` goes on for a day."""
    with House(tmp_path) as house:
        drill = Drill(house, tmp_path, people=200)
        drill.start()
        rows = [drill.inject("broker")]
        before = drill.size_of_clock()
        rows += [drill.inject("backends"), drill.inject("child")]
        assert drill.size_of_clock() < before * 1.1
    assert all(row.is_good for row in rows), rows


def test_a_copy_counts_for_the_fault_that_came_while_it_was_under_way() -> None:
    done = [Injected("child", 1, 2), Injected("broker", 0, 4), Injected("main", 1, 5)]
    assert copies_of_each(["a", "b", "c", "b", "d", "d", "e", "e", "b"], done) == [1, 1, 2]
