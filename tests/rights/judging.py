"""What a request wrote, by PostgreSQL's own counts, beside how many entries of the audit log tell of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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

    @property
    def is_change(self) -> bool:
        """What a refused request wrote is counted too, though its savepoint was taken back."""
        return self.status < 400 and bool(self.tables)


def judge(press: Callable[[], Any]) -> Judged:
    """Presses, and undoes it."""
    found: list[Judged] = []
    try:
        with transaction.atomic():
            before, told = _written(), AuditEntry.objects.count()
            status = press().status_code
            after = _written()
            tables = {name for name, rows in after.items() if rows != before.get(name, 0)}
            found.append(Judged(status, tables - BESIDES, AuditEntry.objects.count() - told))
            raise Undo
    except Undo:
        return found[0]


def _written() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables"
            " WHERE n_tup_ins + n_tup_upd + n_tup_del > 0"
        )
        return dict(cursor.fetchall())
