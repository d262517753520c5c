"""How long a statement may take: for questions somebody waits for, or a worker must not be lost to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def limited(milliseconds: int) -> Iterator[None]:
    """Statements inside may take this long each; a longer one raises OperationalError.

    Afterwards what held before holds again, so that one limit may stand inside another.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        setting = "SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, TRUE)"
        cursor.execute(setting, [str(milliseconds)])
        before = cursor.fetchone()[0]  # read before it was set: columns are worked out from left to right
        yield
        cursor.execute("SELECT set_config('statement_timeout', %s, TRUE)", [before])
