"""The live count: within its time, ended by a newer one, honest about what is an estimate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from django.db import close_old_connections, connection

from accounts.models import Workspace
from audiences import livecount
from audiences.models import AttributeDefinition, Profile
from common.errors import Invalid
from tests import builders

ANN = {"field": "name", "op": "starts_with", "value": "Ann"}


@pytest.fixture
def where(db: None) -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 10)
    builders.profiles(builders.workspace("other"), 3, domain="other.example")
    return made


def crowd(where: Workspace, people: int) -> None:
    """People whose long attributes take the database a while to search."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audiences_profile (workspace_id, email, locale, time_zone, attributes, is_test,"
            " created_at, changed_at) SELECT %s, 'c' || n || '@example.com', '', '',"
            " jsonb_build_object('name', repeat('長', 300) || (n %% 10)), FALSE, now(), now()"
            " FROM generate_series(1, %s) n",
            [where.pk, people],
        )
        cursor.execute("ANALYZE audiences_profile")


def slow_rule(lines: int = 150) -> dict[str, Any]:
    """Finds the people whose name ends in 7, after many searches in vain."""
    vain = [{"field": "name", "op": "contains", "value": f"沒{n}"} for n in range(lines)]
    return {"any": [*vain, {"field": "name", "op": "contains", "value": "長7"}]}


def test_people_sizes_and_a_sample_are_told(where: Workspace) -> None:
    Profile.objects.filter(workspace=where, email="p0@example.com").update(email=None, phone="+886912345678")
    found = livecount.count(ANN, where, token="a", with_people=True)
    assert (found.people, found.workspace_people, found.share, found.reachable) == (5, 10, 50.0, {"email": 4})
    assert found.sample is not None and len(found.sample) == 5
    assert not found.is_estimate and not found.is_slow and not found.is_everybody and found.plan == ""
    assert livecount.count(ANN, where, token="a").sample is None
    assert livecount.count({}, where, token="a").is_everybody


def test_a_wrong_rule_is_refused(where: Workspace) -> None:
    with pytest.raises(Invalid):
        livecount.count({"field": "nmae"}, where, token="a")


def test_the_session_is_left_as_it_was_found(where: Workspace) -> None:
    def settings() -> list[tuple[str, ...]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('application_name'), current_setting('statement_timeout')")
            return list(cursor.fetchall())

    before = settings()
    livecount.count(ANN, where, token="a")
    assert settings() == before
    crowd(where, 3000)
    livecount.count(slow_rule(), where, token="a", limit=0.02)
    assert settings() == before


def test_a_rule_that_takes_too_long_is_estimated_from_a_sample_and_explained(where: Workspace) -> None:
    crowd(where, 20_000)
    began = time.monotonic()
    found = livecount.count(slow_rule(60), where, token="a", limit=1.5)
    assert time.monotonic() - began < 5.0 and found.is_estimate
    assert found.people is not None and found.margin is not None
    assert found.low <= 2000 <= found.high and abs(found.people - 2000) < 700
    assert found.is_slow and "Seq Scan" in found.plan and found.reads_everybody
    assert [one.key for one in found.unindexed] == ["name"]
    AttributeDefinition.objects.filter(key="name").update(index_state="ready")
    assert livecount.count(slow_rule(), where, token="a", limit=0.02).unindexed == []


def test_without_time_for_a_sample_the_planner_is_asked_and_nobody_is_promised(where: Workspace) -> None:
    crowd(where, 3000)
    found = livecount.count(slow_rule(), where, token="a", limit=0.03)
    assert found.is_estimate and found.margin is None
    assert found.people is not None and 0 <= found.people <= found.workspace_people == 3010
    assert found.reachable is None and found.sample is None


@pytest.mark.parametrize(("matching", "met"), [(0, 500), (500, 500), (250, 500), (1, 20_000)])
def test_the_margin_of_a_sample_holds_what_the_sample_says(matching: int, met: int) -> None:
    found = livecount.scaled(matching, met, 1_000_000)
    assert found.is_estimate and found.margin and found.people == round(1_000_000 * matching / met)
    assert 0 <= found.low <= found.people <= found.high <= 1_000_000


# ---- with connections of their own ----------------------------------------------------------------


def elsewhere() -> psycopg.Connection[Any]:
    given = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    return psycopg.connect(**{name: given[name] for name in names if given.get(name)})


@contextmanager
def people_locked() -> Iterator[None]:
    """Every question about people waits."""
    with elsewhere() as other:
        other.execute("LOCK TABLE audiences_profile IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


class Running(threading.Thread):
    """A count in a connection of its own, with what came of it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.work, self.found, self.error = work, None, None
        self.start()

    def run(self) -> None:
        close_old_connections()
        try:
            self.found = self.work()
        except Exception as error:
            self.error = error
        finally:
            connection.close()


def waiting(number: int) -> None:
    """Until so many counts wait in the database."""
    named = "application_name LIKE 'carillon count %' AND state = 'active'"
    sql = f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {named}"
    end = time.monotonic() + 5
    with elsewhere() as other:
        other.autocommit = True
        while other.execute(sql).fetchone() != (number,):  # type: ignore[comparison-overlap]
            assert time.monotonic() < end
            time.sleep(0.01)


@pytest.mark.django_db(transaction=True)
def test_a_newer_count_ends_the_older_one_in_the_database() -> None:
    where = builders.workspace()
    builders.profiles(where, 10)
    with people_locked():
        older = Running(lambda: livecount.count(ANN, where, token="same", limit=30))
        waiting(1)
        newer = Running(lambda: livecount.count(ANN, where, token="same", limit=30))
        older.join(5)
        assert isinstance(older.error, livecount.Superseded)
        waiting(1)
    newer.join(5)
    assert newer.error is None and newer.found is not None and newer.found.people == 5
    waiting(0)


@pytest.mark.django_db(transaction=True)
def test_counts_of_two_people_do_not_end_each_other() -> None:
    where = builders.workspace()
    builders.profiles(where, 10)
    with people_locked():
        counts = [Running(lambda t=token: livecount.count(ANN, where, token=t, limit=30)) for token in "ab"]  # type: ignore[misc]
        waiting(2)
    for one in counts:
        one.join(5)
        assert one.error is None and one.found is not None and one.found.people == 5


@pytest.mark.django_db(transaction=True)
def test_many_counts_with_one_token_leave_every_connection_usable() -> None:
    """Whoever is ended is ended while counting, never in what the same connection does next."""
    where = builders.workspace()
    builders.profiles(where, 10)
    strays: list[BaseException] = []

    def typing() -> None:
        for _again in range(15):
            with suppress(livecount.Superseded):
                livecount.count(ANN, where, token="same", limit=30)
            try:
                assert Profile.objects.filter(workspace=where).count() == 10
            except Exception as error:
                strays.append(error)

    people = [Running(typing) for _one in range(4)]
    for one in people:
        one.join(30)
        assert one.error is None
    assert strays == []


@pytest.mark.django_db(transaction=True)
def test_when_nothing_can_be_read_in_time_no_number_is_made_up() -> None:
    where = builders.workspace()
    builders.profiles(where, 10)
    with people_locked():
        found = Running(lambda: livecount.count(ANN, where, token="x", limit=0.2))
        found.join(5)
    assert found.error is None and found.found is not None
    assert found.found.people is None and found.found.is_estimate
