"""The servers themselves die in the middle of a run: everything goes on by itself, and nobody is missed.

The database and the broker are a test's own here, so that they can be killed. The proof is what the mail
server received.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from campaigns.delivery.bound import WINDOW
from campaigns.models import Attempt, Run
from campaigns.reports.metrics import ledger
from config import doctor
from tests import builders
from tests.fakes.house import House
from tests.fakes.servers import Bell, Cluster
from tests.fakes.smtp import FakeSmtp
from tests.faults.test_workers import received

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
PEOPLE = 1000


def begun(server: FakeSmtp, name: str = "first") -> Run:
    where = builders.workspace(name)
    builders.profiles(where, PEOPLE)
    campaign = builders.live(where, now=timezone.now(), configuration=builders.smtp(where, server.port))
    return Run.objects.get(campaign=campaign)


def is_over(run: Run) -> bool:
    """Asked on a new line, as servers come and go."""
    try:
        return Run.objects.filter(pk=run.pk, finished_at__isnull=False).exists()
    except OperationalError:
        connection.close()
        return False


def assert_everybody_got_it(run: Run, server: FakeSmtp, most_twice: int) -> None:
    """Every copy stands in the ledger as what it may be."""
    run.refresh_from_db()
    got, book = received(server), ledger(run)
    told = Attempt.objects.filter(run=run, code="worker_lost").count()
    assert set(got) == {f"p{n}@example.com" for n in range(PEOPLE)}
    assert got.total() - PEOPLE <= told <= most_twice
    assert (run.state, book.accepted, book.balances) == ("completed", PEOPLE, True)


def test_all_killed_at_once_and_started_in_the_worst_order_misses_nobody(
    database: Cluster, bell: Bell, tmp_path: Path
) -> None:
    with FakeSmtp() as server, House(tmp_path, BROKER_URL=bell.url) as house:
        run = begun(server)
        house.web()
        house.clock()
        house.worker("before")
        house.wait(lambda: len(server.accepted) > PEOPLE / 4)
        bell.kill()
        database.kill()
        house.kill_all()
        assert len(server.accepted) < PEOPLE
        connection.close()
        house.worker("after")
        house.clock()
        time.sleep(2)
        bell.start()
        database.start()
        house.wait(lambda: is_over(run))
        assert_everybody_got_it(run, server, most_twice=WINDOW)


def test_when_the_database_was_stopped_worker_and_clock_go_on_by_themselves(
    database: Cluster, bell: Bell, tmp_path: Path
) -> None:
    """Fast and at once. The run of the end is begun by the clock that lived through both."""
    ways = [signal.SIGINT, signal.SIGQUIT]
    with FakeSmtp() as server, FakeSmtp() as other, House(tmp_path, BROKER_URL=bell.url) as house:
        run = begun(server)
        house.clock()
        house.worker("only")
        for turn, way in enumerate(ways):
            house.wait(lambda: len(server.accepted) > PEOPLE * (turn + 0.5) / 3, 30)  # noqa: B023
            database.kill(way)
            assert len(server.accepted) < PEOPLE
            database.start()
        house.wait(lambda: is_over(run), 30)
        assert_everybody_got_it(run, server, most_twice=WINDOW * len(ways))
        later = begun(other, "later")
        house.wait(lambda: is_over(later), 30)
        assert_everybody_got_it(later, other, most_twice=0)
        assert "clock_not_seen" not in {one.code for one in doctor.examine(now=timezone.now())}


def test_lines_to_the_database_that_are_ended_again_and_again_miss_nobody(
    database: Cluster, bell: Bell, tmp_path: Path
) -> None:
    times = 12
    with FakeSmtp() as server, House(tmp_path, BROKER_URL=bell.url) as house:
        run = begun(server)
        house.clock()
        house.worker("only")
        house.wait(lambda: len(server.accepted) > 0)
        for _n in range(times):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            time.sleep(0.2)
        house.wait(lambda: is_over(run))
        assert_everybody_got_it(run, server, most_twice=WINDOW * times)


def test_a_table_that_is_locked_for_longer_than_a_lease_holds_the_run_up_and_no_more(
    database: Cluster, bell: Bell, tmp_path: Path
) -> None:
    """As a migration that rewrites it does."""
    with FakeSmtp() as server, House(tmp_path, BROKER_URL=bell.url) as house:
        run = begun(server)
        house.clock()
        house.worker("only")
        house.wait(lambda: len(server.accepted) > 100)
        with transaction.atomic(), connection.cursor() as migrating:
            migrating.execute("LOCK TABLE campaigns_batch IN ACCESS EXCLUSIVE MODE")
            time.sleep(5)
            held = len(server.accepted)
        assert held < PEOPLE
        house.wait(lambda: is_over(run))
        assert_everybody_got_it(run, server, most_twice=WINDOW)
