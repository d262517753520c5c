"""Django's `migrate`, that waits for no lock longer than LOCK_TIMEOUT.

A migration that waits for a table lets nobody else in meanwhile, so behind one long query the whole house
would stand still. It gives up instead: what it had begun is undone, and it is run again later.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable

LOCK_TIMEOUT = 5.0  # seconds


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        told = f"seconds to wait for a table that somebody else uses (default {LOCK_TIMEOUT:g})"
        parser.add_argument("--lock-timeout", type=float, default=LOCK_TIMEOUT, help=told)

    def handle(self, *args: Any, lock_timeout: float, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, FALSE)", [f"{lock_timeout * 1000:.0f}ms"])
        try:
            super().handle(*args, **options)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            told = f"A table was in use for {lock_timeout:g} seconds. What was begun is undone; run it again."
            raise CommandError(told) from error
        finally:
            if not connection.needs_rollback and connection.is_usable():
                with connection.cursor() as cursor:
                    cursor.execute("RESET lock_timeout")
