"""The months of the table of events: made when they are needed and a little ahead, dropped whole when they
are older than the installation keeps events (EVENT_RETENTION_MONTHS).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

import structlog
from django.conf import settings
from django.db import OperationalError, connection, transaction

log = structlog.get_logger(__name__)

PARENT = "audiences_profileevent"
LOCK_SPACE = 0x0A0F  # first key of the two-key advisory lock that makers of months take
AHEAD = 2
PART = re.compile(rf"{PARENT}_y(\d{{4}})m(\d{{2}})")
Month = tuple[int, int]


def month_of(moment: datetime) -> Month:
    there = moment.astimezone(UTC)
    return there.year, there.month


def later(month: Month, count: int) -> Month:
    """The month `count` months later; earlier for a negative count."""
    number = month[0] * 12 + month[1] - 1 + count
    return number // 12, number % 12 + 1


def start_of(month: Month) -> datetime:
    return datetime(*month, 1, tzinfo=UTC)


def oldest_kept(now: datetime) -> datetime:
    """Events before this moment are not taken any more."""
    return start_of(later(month_of(now), -settings.EVENT_RETENTION_MONTHS))


def _name(month: Month) -> str:
    return f"{PARENT}_y{month[0]:04}m{month[1]:02}"


def make(months: Iterable[Month]) -> None:
    """Makes the months that are not there, in the caller's transaction; safe when two do it at once.

    A month is made beside the table and then attached: that lets others read and write meanwhile, where
    CREATE TABLE … PARTITION OF would wait for every one of them.
    """
    wanted = sorted(set(months))
    with connection.cursor() as cursor:
        if not _missing(wanted):
            return
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [LOCK_SPACE])
        for month in _missing(wanted):  # asked again: another may have made it while we waited
            name, first, end = _name(month), start_of(month), start_of(later(month, 1))
            cursor.execute(f"CREATE TABLE {name} (LIKE {PARENT} INCLUDING ALL)")
            bounds = f"FROM ('{first:%Y-%m-%d}+00') TO ('{end:%Y-%m-%d}+00')"
            cursor.execute(f"ALTER TABLE {PARENT} ATTACH PARTITION {name} FOR VALUES {bounds}")


def _missing(months: list[Month]) -> list[Month]:
    present = existing()
    return [month for month in months if month not in present]


def existing() -> set[Month]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = %s::regclass",
            [PARENT],
        )
        found = [PART.fullmatch(name) for (name,) in cursor.fetchall()]
    return {(int(match[1]), int(match[2])) for match in found if match}


def keep(now: datetime) -> list[Month]:
    """Makes the coming months and drops those past the retention; returns the dropped ones.

    Dropping waits two seconds for readers at most; what is busy is dropped the next time.
    """
    with transaction.atomic():
        make(later(month_of(now), count) for count in range(AHEAD + 1))
    return [month for month in old(now) if _drop(month)]


def old(now: datetime) -> list[Month]:
    """Those past the retention, the oldest first."""
    oldest = month_of(oldest_kept(now))
    return sorted(month for month in existing() if month < oldest)


def _drop(month: Month) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            cursor.execute(f"DROP TABLE {_name(month)}")
    except OperationalError as error:
        log.warning("month of events is busy", month=_name(month), error=type(error).__name__)
        return False
    return True
