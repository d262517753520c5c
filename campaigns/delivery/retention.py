"""Drops the messages of runs that ended long ago, a whole partition at a time; what they came to stays.

A partition goes when every run in it ended more than MESSAGE_RETENTION_MONTHS ago. The run of an
API-triggered campaign that takes calls still never ends, and keeps its partition.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from dateutil.relativedelta import relativedelta
from django.conf import settings
from django.db import OperationalError, connection, transaction

from campaigns.models import Run

log = structlog.get_logger(__name__)

TABLES = ("campaigns_message", "campaigns_attempt", "campaigns_messagecontext")
PARTITIONS = """
SELECT substring(c.relname FROM '_p([0-9]+)$')::bigint,
       substring(pg_get_expr(c.relpartbound, c.oid) FROM '\\(''?([0-9]+)')::bigint,
       substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \\(''?([0-9]+)')::bigint
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'campaigns_message'::regclass
"""


def drop_old_messages(*, now: datetime) -> list[int]:
    """The numbers of the partitions that were dropped. What is busy is dropped the next time."""
    return [number for number, first, end in old_partitions(now) if _drop(number, first, end, now)]


def old_partitions(now: datetime) -> list[tuple[int, int, int]]:
    """`(number, first run, end)` of those that are to be dropped, the oldest first."""
    oldest = now - relativedelta(months=settings.MESSAGE_RETENTION_MONTHS)
    with connection.cursor() as cursor:
        cursor.execute(PARTITIONS)
        found = sorted(cursor.fetchall())
    return [part for part in found if _is_old(part[1], part[2], oldest)]


def _is_old(first: int, end: int, oldest: datetime) -> bool:
    """Every number of the range was given to a run, and all of these ended before."""
    runs = Run.objects.filter(pk__gte=first, pk__lt=end)
    is_full = Run.objects.filter(pk__gte=end).exists()
    return is_full and not runs.exclude(finished_at__lt=oldest).exists()


def _drop(number: int, first: int, end: int, now: datetime) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            for table in TABLES:
                cursor.execute(f"DROP TABLE IF EXISTS {table}_p{int(number)}")
            Run.objects.filter(pk__gte=first, pk__lt=end).update(dropped_at=now)
    except OperationalError as error:
        log.warning("old messages are busy", partition=number, error=type(error).__name__)
        return False
    return True
