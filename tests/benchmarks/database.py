"""A database of a benchmark's own, beside the one it was given, and gone when it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo


@contextmanager
def own_database(name: str, *, broker: str = "memory://") -> Iterator[None]:
    """Django finds it in the environment, and so do the processes that are started."""
    given = os.environ["DATABASE_URL"]
    _drop(given, name)
    with psycopg.connect(given, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    ours = make_conninfo(**{**conninfo_to_dict(given), "dbname": name})
    os.environ |= {"DATABASE_URL": ours, "CARILLON_MODE": "local", "BROKER_URL": broker}
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    try:
        yield
    finally:
        _drop(given, name)


def _drop(given: str, name: str) -> None:
    with psycopg.connect(given, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
