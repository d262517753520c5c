"""A cursor for the few statements that run many times a second: parsed and planned once for each connection.

Django's own cursors write the values into the text, so every statement is new to the database. Values travel
beside the text here. Off where the connection's `prepare_threshold` is None (see `env.database`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection


class Prepared(psycopg.Cursor[tuple[Any, ...]]):
    """Every statement is prepared the first time it is seen."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Prepared:
        super().execute(query, params, **{"prepare": True, **options})
        return self


@contextmanager
def cursor() -> Iterator[Prepared]:
    """Within the transaction that is open, if any. Raises what Django's cursors raise."""
    connection.ensure_connection()
    with connection.wrap_database_errors, Prepared(connection.connection) as made:
        yield made
