"""Migrations on tables that are large or in use: they can be taken back, and hold nobody up."""

from __future__ import annotations

import os
import time

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations import AlterModelOptions
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from audiences.models import Profile
from config.management.commands.migrate import LOCK_TIMEOUT
from tests import builders
from tests.config.test_upgrades import FIRST
from tests.fakes.servers import Cluster
from tests.faults.test_database_line import NAMES

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
OURS = tuple(FIRST)
LAST_TAKEN_BACK = 3  # migrations of each app
ROWS = int(os.environ.get("ROWS", "20000"))


def names(app: str) -> list[str]:
    return sorted(name for label, name in MigrationLoader(connection).disk_migrations if label == app)


@pytest.mark.django_db
def test_every_migration_can_be_taken_back() -> None:
    found = MigrationLoader(connection).disk_migrations
    for_good = {
        f"{app}.{name}: {operation.describe()}"
        for (app, name), migration in found.items()
        for operation in migration.operations
        if app in OURS and not operation.reversible
    }
    assert for_good == set()


def test_the_last_migrations_go_back_and_forth_over_many_rows_without_holding_a_table_for_long(
    database: Cluster,
) -> None:
    """ROWS says how many. On a QUIET_MACHINE each takes less than a migration waits for a table."""
    builders.profiles(builders.workspace(), ROWS)
    back = {app: names(app)[-1 - LAST_TAKEN_BACK] for app in OURS}
    MigrationExecutor(connection).migrate(list(back.items()))
    for app in OURS:
        for name in names(app)[-LAST_TAKEN_BACK:]:
            began = time.monotonic()
            call_command("migrate", app, name, verbosity=0)
            took = time.monotonic() - began
            assert took < LOCK_TIMEOUT or "QUIET_MACHINE" not in os.environ, f"{app}.{name}: {took}"
    call_command("migrate", check_unapplied=True, verbosity=0)
    assert Profile.objects.count() == ROWS


def test_a_migration_behind_a_long_query_gives_up_and_leaves_everything_as_it_was(database: Cluster) -> None:
    app = "campaigns"
    last = last_to_touch_a_table(app)
    before = names(app)[names(app).index(last) - 1]
    call_command("migrate", app, last, verbosity=0)
    params = {k: v for k, v in connection.get_connection_params().items() if k in NAMES}
    with psycopg.connect(**params) as reader:
        tables = connection.introspection.table_names()
        for table in tables:
            if table.startswith("campaigns_"):
                reader.execute(f"SELECT 1 FROM {table} LIMIT 1")
        with pytest.raises(CommandError, match="run it again"):
            call_command("migrate", app, before, verbosity=0, lock_timeout=0.2)
    call_command("migrate", app, last, check_unapplied=True, verbosity=0)
    call_command("migrate", app, before, verbosity=0)
    call_command("migrate", app, verbosity=0)


def last_to_touch_a_table(app: str) -> str:
    """What a model is called is no affair of the database's."""
    found = MigrationLoader(connection).disk_migrations
    return next(
        name
        for name in reversed(names(app))
        if not all(isinstance(one, AlterModelOptions) for one in found[app, name].operations)
    )
