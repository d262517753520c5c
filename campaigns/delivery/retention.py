"""Drops what is old a whole partition at a time; what it came to stays in the totals and the counts.

Messages go by run: a partition when every run in it ended more than MESSAGE_RETENTION_MONTHS ago. The run of
an API-triggered campaign that takes calls never ends, so of its messages the old ones are deleted by pages.
Events go by month, once all of a month are counted.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import structlog
from dateutil.relativedelta import relativedelta
from django.conf import settings
from django.db import OperationalError, connection, transaction

from campaigns.models import CountMark, Run
from campaigns.reports.counting import ADD, KEEP_STRAYS, STRAYS
from campaigns.reports.counting import EVENTS as COUNTED
from common.months import ByMonth, Month, later, month_of, start_of

log = structlog.get_logger(__name__)

TABLES = ("campaigns_message", "campaigns_attempt", "campaigns_messagecontext")
EVENTS = ByMonth("campaigns_event", lock=0x0A10, has_other=True)
PAGE = 5000
PARTITIONS = """
SELECT substring(c.relname FROM '_p([0-9]+)$')::bigint,
       substring(pg_get_expr(c.relpartbound, c.oid) FROM '\\(''?([0-9]+)')::bigint,
       substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \\(''?([0-9]+)')::bigint
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'campaigns_message'::regclass
"""
# Messages are numbered as their calls come in; what waits to be tried again is not over.
PRUNE = """
WITH old AS MATERIALIZED (
    SELECT m.run_id, m.action, m.ref, last.outcome, last.code FROM campaigns_message m
    CROSS JOIN LATERAL (
        SELECT outcome, code, at FROM campaigns_attempt a
        WHERE a.run_id = m.run_id AND a.action = m.action AND a.ref = m.ref ORDER BY n DESC LIMIT 1
    ) last
    WHERE m.run_id = %(run)s AND m.ref < (
        SELECT max(first_ref + size) FROM campaigns_execution
        WHERE run_id = %(run)s AND created_at < %(oldest)s)
      AND last.outcome <> 'deferred' AND last.at < %(oldest)s
    ORDER BY m.ref LIMIT %(page)s
), {strays}, kept AS (
    {keep}
), messages AS (
    DELETE FROM campaigns_message m USING old o
    WHERE m.run_id = %(run)s AND (m.action, m.ref) = (o.action, o.ref)
), attempts AS (
    DELETE FROM campaigns_attempt a USING old o
    WHERE a.run_id = %(run)s AND (a.action, a.ref) = (o.action, o.ref)
), contexts AS (
    DELETE FROM campaigns_messagecontext c USING old o
    WHERE c.run_id = %(run)s AND (c.action, c.ref) = (o.action, o.ref)
)
SELECT action, outcome || '/' || CASE WHEN outcome IN ('excluded', 'failed') THEN code ELSE '' END, count(*)
FROM old GROUP BY 1, 2
""".format(
    strays=STRAYS.format(of="(run_id, action, ref) IN (SELECT run_id, action, ref FROM old)", back="TRUE"),
    keep=ADD.format(rows="strays"),
)
OF_PARTITION = KEEP_STRAYS.format(of="run_id >= %(first)s AND run_id < %(end)s", back="TRUE")
OF_MONTH = KEEP_STRAYS.format(
    of="run_id IN (SELECT run_id FROM {name} WHERE kind = 'bounce')", back="back.at < %(end)s"
)


def oldest_kept(now: datetime) -> datetime:
    return now - relativedelta(months=settings.MESSAGE_RETENTION_MONTHS)


# ---- messages -------------------------------------------------------------------------------------
def drop_old_messages(*, now: datetime) -> list[int]:
    """The numbers of the partitions that were dropped. What is busy is dropped the next time."""
    return [number for number, first, end in old_partitions(now) if _drop(number, first, end, now)]


def old_partitions(now: datetime) -> list[tuple[int, int, int]]:
    """`(number, first run, end)` of those that are to be dropped, the oldest first."""
    oldest = oldest_kept(now)
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
            cursor.execute(OF_PARTITION, {"first": first, "end": end})
            for table in TABLES:
                cursor.execute(f"DROP TABLE IF EXISTS {table}_p{int(number)}")
            Run.objects.filter(pk__gte=first, pk__lt=end).update(dropped_at=now)
    except OperationalError as error:
        log.warning("old messages are busy", partition=number, error=type(error).__name__)
        return False
    return True


def prune_standing(*, now: datetime) -> int:
    """Deletes the old messages of runs that go on taking calls, with what calls said; returns how many."""
    oldest = oldest_kept(now)
    runs = Run.objects.filter(kind=Run.Kind.STANDING, dropped_at=None, started_at__lt=oldest)
    pruned = 0
    for run in runs.values_list("pk", flat=True):
        while count := _prune_page(run, oldest):
            pruned += count
    return pruned


@transaction.atomic
def _prune_page(pk: int, oldest: datetime) -> int:
    run = Run.objects.select_for_update(no_key=True).get(pk=pk)
    with connection.cursor() as cursor:
        cursor.execute(PRUNE, {"run": pk, "oldest": oldest, "page": PAGE})
        rows = cursor.fetchall()
    for action, key, count in rows:
        told = Counter(run.pruned.get(str(action), {}))
        told[key] += count
        run.pruned[str(action)] = dict(told)
    run.save(update_fields=["pruned"])
    return sum(count for _action, _key, count in rows)


# ---- events ---------------------------------------------------------------------------------------
def keep_events(*, now: datetime) -> list[Month]:
    """Makes the coming months and drops the old ones; returns the dropped ones."""
    EVENTS.make_coming(now)
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {EVENTS.parent}_other WHERE at < %s", [_oldest_month(now)])
    return [month for month in old_months(now) if _drop_month(month, now)]


def old_months(now: datetime) -> list[Month]:
    """Those that are to be dropped, the oldest first."""
    return EVENTS.older_than(_oldest_month(now))


def _oldest_month(now: datetime) -> datetime:
    return start_of(month_of(oldest_kept(now)))


@transaction.atomic
def _drop_month(month: Month, now: datetime) -> bool:
    name = EVENTS.name(month)
    counted = CountMark.objects.filter(name=COUNTED).values_list("position", flat=True).first() or 0
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COALESCE(max(id), 0) <= %s FROM {name}", [counted])
        if not cursor.fetchone()[0]:
            return False
        cursor.execute(OF_MONTH.format(name=name), {"end": start_of(later(month, 1))})
        cursor.execute(
            "UPDATE campaigns_run SET events_dropped_at = %s"
            f" WHERE events_dropped_at IS NULL AND id IN (SELECT run_id FROM {name})",
            [now],
        )
    return EVENTS.drop(month)
