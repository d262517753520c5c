"""A migrated database made once, of which every test database is a copy: running all migrations takes half
a minute of CPU, copying takes a fraction of a second.

Its name tells which migrations have run and in which month, for some make the partitions of a month. The
time of its last use is its comment; one that nobody has used for a while is dropped when another is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

PREFIX = "carillon_model_"
KEPT = timedelta(days=2)


def ready() -> str:
    """Its name; it is made first where it is missing. Parallel workers wait for the one that makes it."""
    name = f"{PREFIX}{timezone.now():%Y%m}_{fingerprint()}"
    with connection.creation._nodb_cursor() as admin:
        admin.execute("SELECT pg_advisory_lock(hashtext(%s))", [PREFIX])
        admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if not admin.fetchone():
            drop_unused(admin)
            make(admin, name)
        admin.execute(f"COMMENT ON DATABASE {name} IS '{timezone.now().isoformat()}'")
    return name


def fingerprint() -> str:
    """Of every migration of every app."""
    folders = [Path(app.path) / "migrations" for app in apps.get_app_configs()]
    told = hashlib.sha256()
    for file in sorted(file for folder in folders for file in folder.glob("*.py")):
        told.update(file.read_bytes())
    return told.hexdigest()[:16]


def make(admin: CursorWrapper, name: str) -> None:
    unfinished = f"{PREFIX}unfinished"
    admin.execute(f"DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")
    admin.execute(f"CREATE DATABASE {unfinished}")
    with connected_to(unfinished):
        call_command("migrate", verbosity=0)
    admin.execute(f"ALTER DATABASE {unfinished} RENAME TO {name}")


def drop_unused(admin: CursorWrapper) -> None:
    told = (
        "SELECT datname FROM pg_database WHERE datname LIKE %s AND shobj_description(oid, 'pg_database') < %s"
    )
    admin.execute(told, [f"{PREFIX}%", (timezone.now() - KEPT).isoformat()])
    for (unused,) in admin.fetchall():
        admin.execute(f"DROP DATABASE {unused}")


@contextmanager
def connected_to(name: str) -> Iterator[None]:
    usual = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = usual
