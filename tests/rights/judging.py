"""What a request wrote, by PostgreSQL's own counts, beside how many entries of the audit log tell of it; and
what stands in the tables, to be compared with what stood there before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, transaction

from accounts.models import AuditEntry
from tests.rights.asking import Undo

# Written without anything being changed by it: who is here, and the log itself.
BESIDES = {"django_session", "accounts_heartbeat", "accounts_auditentry"}


@dataclass
class Judged:
    status: int
    tables: set[str]
    entries: int


def judge(press: Callable[[], Any]) -> Judged:
    """Presses, and undoes it."""
    found: list[Judged] = []
    try:
        with transaction.atomic():
            before, told = written(), AuditEntry.objects.count()
            status = press().status_code
            after = written()
            tables = {name for name, rows in after.items() if rows != before.get(name, 0)}
            found.append(Judged(status, tables - BESIDES, AuditEntry.objects.count() - told))
            raise Undo
    except Undo:
        return found[0]


def written() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables"
            " WHERE n_tup_ins + n_tup_upd + n_tup_del > 0"
        )
        return dict(cursor.fetchall())


# Who was here last, and what the processes say of themselves, is no change of anything.
NOTED = ("django_session", "accounts_heartbeat")
SEEN = ("last_used_at", "last_login")


def everything(among: Iterable[str] | None = None) -> dict[str, tuple[int, str]]:
    """Of each table, or of each of these, how many rows it has, and a digest of all that stands in them."""
    found = {}
    tables = {one._meta.db_table for one in apps.get_models(include_auto_created=True)} - set(NOTED)
    with connection.cursor() as cursor:
        for table in sorted(tables if among is None else tables.intersection(among)):
            cursor.execute(
                f"SELECT count(*), md5(COALESCE(string_agg(row, '' ORDER BY row), '')) FROM (SELECT"
                f' (to_jsonb(t) - %s::text[])::text AS row FROM "{table}" t) rows',
                [list(SEEN)],
            )
            found[table] = cursor.fetchone()
    return found
