"""A cursor for the few statements that run many times a second: parsed and planned once for each connection.

Django's own cursors write the values into the text, so every statement is new to the database. Values travel
beside the text here. Off where the connection's `prepare_threshold` is None (see `env.database`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Self, TypeVar

import psycopg
from django.db import InterfaceError, OperationalError, connection
from django.db.models import Model

Row = TypeVar("Row", bound=Model)


class Prepared(psycopg.Cursor[tuple[Any, ...]]):
    """Every statement is prepared the first time it is seen. Raises what Django's cursors raise."""

    def execute(self, query: Any, params: Any = None, *, prepare: bool | None = True, **options: Any) -> Self:
        with connection.wrap_database_errors:
            return super().execute(query, params, prepare=prepare, **options)


def cursor() -> Prepared:
    """Within the transaction that is open, if any."""
    connection.ensure_connection()
    return Prepared(connection.connection)


def first(query: str, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
    """A statement's first row, read before any transaction, over a new connection where the old one broke
    since the last request: so it stands for Django's own check of a connection's health.
    """
    while True:
        was_open = connection.connection is not None
        try:
            with cursor() as made:
                found = made.execute(query, parameters).fetchone()
            connection.health_check_done = True  # type: ignore[attr-defined]
            return found
        except (OperationalError, InterfaceError):
            if not was_open or connection.in_atomic_block:
                raise
            connection.close()


class Columns(Generic[Row]):
    """All columns of a model, or those named, for the SELECT of such a statement; `row` makes the model's row
    of their values. What was not named is read when it is first asked for.
    """

    def __init__(self, model: type[Row], *names: str) -> None:
        fields = [one for one in model._meta.concrete_fields if not names or one.attname in names]
        self.model, self.names = model, [one.attname for one in fields]
        self.sql = ", ".join(f'"{one.model._meta.db_table}"."{one.column}"' for one in fields)
        self.converted = [
            (place, converters, one.get_col(one.model._meta.db_table))
            for place, one in enumerate(fields)
            if (converters := one.get_db_converters(connection))
        ]

    def __len__(self) -> int:
        return len(self.names)

    def row(self, values: Sequence[Any]) -> Row:
        found = list(values)
        for place, converters, expression in self.converted:
            for convert in converters:
                found[place] = convert(found[place], expression, connection)
        return self.model.from_db(connection.alias, self.names, found)
