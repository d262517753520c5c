"""What every test shares: only this machine can be reached, and a database that can be emptied."""

from __future__ import annotations

import gc
import io
import json
import socket
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.backends.postgresql.creation import DatabaseCreation
from django.db.backends.postgresql.operations import DatabaseOperations
from django.utils import translation
from hypothesis import settings as hypothesis
from pytest_django import DjangoDbBlocker

from config.env import is_loopback
from tests import model_database

hypothesis.register_profile("carillon", deadline=None)  # how long one example takes is the machine's affair
hypothesis.load_profile("carillon")
A_FEW, ONE_IN = 2, 6  # of more cases than these that ask the database, one in so many by `make test`
gc.disable()  # until everything is imported and collected


def pytest_collection_finish() -> None:
    """What is there by now stays to the end: the garbage collector never looks through it, nor often."""
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test that is `sampled(n)` one case in n, one at least, is asked by `make test`; the others are its
    `rest`, which `make test-rest` asks. Which ones follows from their names, and is the same for everybody.
    A test that puts more than a few cases to the database, and says nothing of it, is sampled as well.
    """
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        cases[item.nodeid.partition("[")[0]].append(item)
    for asked in cases.values():
        if marker := asked[0].get_closest_marker("sampled"):
            one_in = marker.args[0]
        else:
            is_dear = len(asked) > A_FEW and asked[0].get_closest_marker("django_db")
            one_in = ONE_IN if is_dear else 1
        for item in sorted(asked, key=lambda item: crc32(item.nodeid.encode()))[-(-len(asked) // one_in) :]:
            item.add_marker("rest")


@pytest.fixture(autouse=True, scope="session")
def _only_this_machine() -> Iterator[None]:
    """A test that reaches for another machine fails at once."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(address[0]):
            raise AssertionError(f"a test tried to reach {address[0]}")
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign]
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]


@pytest.fixture(autouse=True, scope="session")
def _flush_past_the_audit_trigger() -> Iterator[None]:
    """Transactional tests empty all tables; the audit log's trigger rightly refuses and sleeps meanwhile."""
    flush = DatabaseOperations.execute_sql_flush

    def flush_as_replica(self: DatabaseOperations, sql_list: list[str]) -> None:
        flush(self, ["SET LOCAL session_replication_role = replica", *sql_list])

    DatabaseOperations.execute_sql_flush = flush_as_replica  # type: ignore[method-assign]
    yield
    DatabaseOperations.execute_sql_flush = flush  # type: ignore[method-assign]


@pytest.fixture(autouse=True, scope="session")
def _drop_the_database_with_whoever_is_left_in_it() -> Iterator[None]:
    """PostgreSQL notices late that a worker which a test has killed is gone."""
    destroy = DatabaseCreation._destroy_test_db

    def destroy_by_force(self: DatabaseCreation, test_database_name: str, verbosity: int) -> None:
        with self._nodb_cursor() as cursor:
            name = self.connection.ops.quote_name(test_database_name)
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")

    DatabaseCreation._destroy_test_db = destroy_by_force  # type: ignore[method-assign]
    yield
    DatabaseCreation._destroy_test_db = destroy  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None,
    django_db_blocker: DjangoDbBlocker,
    django_db_keepdb: bool,
    django_db_createdb: bool,
) -> None:
    """A test database that has to be made is copied; --reuse-db alone goes on with the one that is there."""
    if django_db_createdb or not django_db_keepdb:
        with django_db_blocker.unblock():
            connection.settings_dict["TEST"]["TEMPLATE"] = model_database.ready()


@pytest.fixture(autouse=True)
def _speaks_english() -> None:
    """A page leaves its reader's language behind in the thread; the next test begins without it."""
    translation.activate(settings.LANGUAGE_CODE)


@pytest.fixture
def loopback_is_ours(settings: Any) -> None:
    """Providers may be reached at this machine's own address."""
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.1/32"]


@pytest.fixture
def sandbox_here(settings: Any, tmp_path: Path) -> None:
    """The sandbox writes what it is handed, and mail files are laid, in the test's own folder."""
    settings.VAR = tmp_path


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    """The API as `manage.py spectacular` describes it; a warning fails here."""
    out = io.StringIO()
    call_command("spectacular", "--fail-on-warn", "--format", "openapi-json", stdout=out)
    return dict(json.loads(out.getvalue()))
