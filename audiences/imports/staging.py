"""The table in which a job's checked rows wait. Made for the job, unlogged, dropped at its end.

A crash of PostgreSQL empties it: whoever goes on compares its rows with `staged_count`, and reads the file
again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connection

COLUMNS = (
    "number",
    "email",
    "phone",
    "external_id",
    "locale",
    "time_zone",
    "is_test",
    "attributes",
    "identities",
    "consents",
    "membership",
)
TABLE = """
CREATE UNLOGGED TABLE {table} (
    number integer NOT NULL, email text, phone text, external_id text, locale text, time_zone text,
    is_test boolean, attributes jsonb, identities jsonb, consents text,
    membership jsonb
) WITH (autovacuum_enabled = off)
"""


def name(job_id: int) -> str:
    return f"audiences_staging_{int(job_id)}"


def run(sql: str, job_id: int, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """A statement with {table} in it, and its rows if it has any."""
    with connection.cursor() as cursor:
        cursor.execute(sql.replace("{table}", name(job_id)), values)
        return list(cursor.fetchall()) if cursor.description else []


def create(job_id: int) -> None:
    drop(job_id)
    run(TABLE, job_id)


def drop(job_id: int) -> None:
    run("DROP TABLE IF EXISTS {table}", job_id)


def finish(job_id: int) -> None:
    """Rows stand in the file's order, so that a page is found by the smallest of indexes."""
    run("CREATE INDEX ON {table} USING brin (number) WITH (pages_per_range = 16)", job_id)
    run("ANALYZE {table}", job_id)


def exists(job_id: int) -> bool:
    return run("SELECT to_regclass(%(name)s)", job_id, {"name": name(job_id)})[0][0] is not None


def count(job_id: int) -> int:
    """How many rows wait; -1 when there is no table."""
    if not exists(job_id):
        return -1
    return int(run("SELECT count(*) FROM {table}", job_id)[0][0])


def last_row(job_id: int) -> int:
    return int(run("SELECT COALESCE(max(number), 0) FROM {table}", job_id)[0][0])


def copy(table: str, columns: Iterable[str], lines: list[bytes]) -> None:
    """`lines` in COPY's text format, each with its end."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        for block in lines:
            copy.write(block)


def escaped(text: str) -> str:
    """One value in COPY's text format."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
