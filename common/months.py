"""A table partitioned by month: months are made when they are needed and a little ahead, and dropped whole.

The table has a column `at`. Where it has a partition `…_other` for moments that nobody foresaw, what lies
there moves into its month when that is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from django.db import OperationalError, connection, transaction

log = structlog.get_logger(__name__)

AHEAD = 2
Month = tuple[int, int]
MOVE = """
WITH moved AS (DELETE FROM {other} WHERE at >= %s AND at < %s RETURNING *)
INSERT INTO {name} SELECT * FROM moved
"""


def month_of(moment: datetime) -> Month:
    there = moment.astimezone(UTC)
    return there.year, there.month


def later(month: Month, count: int) -> Month:
    """The month `count` months later; earlier for a negative count."""
    number = month[0] * 12 + month[1] - 1 + count
    return number // 12, number % 12 + 1


def start_of(month: Month) -> datetime:
    return datetime(*month, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ByMonth:
    """`lock` is the first key of the two-key advisory lock that makers of its months take."""

    parent: str
    lock: int
    has_other: bool = False

    def name(self, month: Month) -> str:
        return f"{self.parent}_y{month[0]:04}m{month[1]:02}"

    def make(self, months: Iterable[Month]) -> None:
        """Makes the months that are not there, in the caller's transaction; safe when two do it at once.

        A month is made beside the table and then attached: that lets others read and write meanwhile, where
        CREATE TABLE … PARTITION OF would wait for every one of them.
        """
        wanted = sorted(set(months))
        if not self._missing(wanted):
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [self.lock])
            for month in self._missing(wanted):  # asked again: another may have made it while we waited
                name, first, end = self.name(month), start_of(month), start_of(later(month, 1))
                cursor.execute(f"CREATE TABLE {name} (LIKE {self.parent} INCLUDING ALL)")
                if self.has_other:
                    cursor.execute(MOVE.format(other=f"{self.parent}_other", name=name), [first, end])
                bounds = f"FROM ('{first:%Y-%m-%d}+00') TO ('{end:%Y-%m-%d}+00')"
                cursor.execute(f"ALTER TABLE {self.parent} ATTACH PARTITION {name} FOR VALUES {bounds}")

    def _missing(self, months: list[Month]) -> list[Month]:
        present = self.existing()
        return [month for month in months if month not in present]

    def existing(self) -> set[Month]:
        part = re.compile(rf"{self.parent}_y(\d{{4}})m(\d{{2}})")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
                "WHERE i.inhparent = %s::regclass",
                [self.parent],
            )
            found = [part.fullmatch(name) for (name,) in cursor.fetchall()]
        return {(int(match[1]), int(match[2])) for match in found if match}

    def make_coming(self, now: datetime) -> None:
        with transaction.atomic():
            self.make(later(month_of(now), count) for count in range(AHEAD + 1))

    def older_than(self, moment: datetime) -> list[Month]:
        """The months that ended before, the oldest first."""
        return sorted(month for month in self.existing() if month < month_of(moment))

    def drop(self, month: Month) -> bool:
        """Waits two seconds for readers at most; what is busy is dropped the next time."""
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
                cursor.execute(f"DROP TABLE {self.name(month)}")
        except OperationalError as error:
            log.warning("month is busy", month=self.name(month), error=type(error).__name__)
            return False
        return True
