"""Frequency caps over batches, workers and campaigns: nobody slips over a cap because two look at once.

A message about to leave is held: it counts as sent until its outcome is known. Looking and holding is one
statement under the workspace's lock, so of two batches with the same person the second sees the first. When
the outcome is recorded, in the same transaction, an accepted message becomes a count and the hold goes. What
is uncertain stays held for a day: it may have arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from campaigns.models import CapTally, Run
from channels.models import Rule, RuleState

LOCK_SPACE = 0x0CA9  # first key of the two-key advisory lock; the second is the workspace
HELD, UNCERTAIN = timedelta(hours=1), timedelta(days=1)
KEPT = timedelta(days=100)  # the longest window is three months

OVER_ONE = """
(SELECT COALESCE(sum(c.sent), 0) FROM campaigns_sentcount c
 WHERE c.profile_id = a.profile_id AND c.channel = ANY(%s) AND c.hour >= %s)
+ (SELECT count(*) FROM campaigns_caphold h
   WHERE h.profile_id = a.profile_id AND h.channel = ANY(%s) AND h.until > %s
     AND NOT (h.run_id = %s AND h.action = %s AND h.ref = a.ref)) >= %s
"""
LOOK = """
WITH asked AS (
    SELECT ref, profile_id FROM unnest(%s::bigint[], %s::bigint[]) AS t(ref, profile_id)
), looked AS MATERIALIZED (
    SELECT a.ref, a.profile_id, ({over}) AS is_over FROM asked a
), held AS (
    INSERT INTO campaigns_caphold (run_id, action, ref, profile_id, channel, until, is_uncertain)
    SELECT %s, %s, ref, profile_id, %s, %s, FALSE FROM looked WHERE NOT is_over
    ON CONFLICT (run_id, action, ref) DO UPDATE SET until = excluded.until, is_uncertain = FALSE
)
SELECT ref FROM looked WHERE is_over
"""
SETTLE = """
WITH settled AS (
    SELECT * FROM unnest(%(refs)s::bigint[], %(outcomes)s::text[]) AS t(ref, outcome)
), kept AS (
    UPDATE campaigns_caphold h SET is_uncertain = TRUE, until = %(later)s FROM settled s
    WHERE h.run_id = %(run)s AND h.action = %(action)s AND h.ref = s.ref AND s.outcome = 'uncertain'
), gone AS (
    DELETE FROM campaigns_caphold h USING settled s
    WHERE h.run_id = %(run)s AND h.action = %(action)s AND h.ref = s.ref AND s.outcome <> 'uncertain'
    RETURNING h.profile_id, h.channel, s.outcome
)
INSERT INTO campaigns_sentcount AS c (profile_id, channel, hour, sent)
SELECT profile_id, channel, %(hour)s, count(*) FROM gone WHERE outcome = 'accepted'
GROUP BY profile_id, channel ORDER BY profile_id
ON CONFLICT (profile_id, channel, hour) DO UPDATE SET sent = c.sent + excluded.sent
"""
LET_GO = """
DELETE FROM campaigns_caphold
WHERE run_id = %(run)s AND action = %(action)s AND ref BETWEEN %(lo)s AND %(hi)s AND NOT is_uncertain
"""
COUNT_PAST = """
INSERT INTO campaigns_sentcount AS c (profile_id, channel, hour, sent)
SELECT m.profile_id, %(channel)s, date_trunc('hour', t.at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC', count(*)
FROM campaigns_attempt t
JOIN campaigns_message m ON m.run_id = t.run_id AND m.action = t.action AND m.ref = t.ref
WHERE t.run_id = %(run)s AND t.action = %(action)s AND t.outcome = 'accepted' AND t.at >= %(since)s
  AND m.profile_id IS NOT NULL
GROUP BY 1, 2, 3 ORDER BY 1
ON CONFLICT (profile_id, channel, hour) DO UPDATE SET sent = c.sent + excluded.sent
"""


@dataclass(frozen=True)
class Cap:
    """At most `count` messages over `channels` together since `since`."""

    channels: tuple[str, ...]
    count: int
    since: datetime


def begin_where_due(*, now: datetime) -> None:
    """Counts wherever a cap became active, before its first run: a forecast reads the same numbers."""
    active = Rule.objects.filter(kind=Rule.Kind.CAP, state=RuleState.ACTIVE, rule_set__state=RuleState.ACTIVE)
    counted = CapTally.objects.values("workspace")
    due = active.exclude(rule_set__workspace__in=counted).order_by().values_list("rule_set__workspace")
    for (workspace_id,) in due.distinct():
        begin(workspace_id, now=now)


@transaction.atomic
def begin(workspace_id: int, *, now: datetime) -> None:
    """Counts from now on, and once what was sent in the months before."""
    _row, is_new = CapTally.objects.get_or_create(workspace_id=workspace_id, defaults={"begun_at": now})
    if not is_new:
        return
    since = now - KEPT
    runs = Run.objects.filter(campaign__workspace=workspace_id, campaign__category="marketing")
    runs = runs.exclude(kind=Run.Kind.PROOF).exclude(finished_at__lt=since).select_related("version")
    for run in runs.iterator():
        for action in run.version.definition["actions"]:
            values = {"run": run.pk, "action": action["position"], "channel": action["channel"]}
            with connection.cursor() as cursor:
                cursor.execute(COUNT_PAST, {**values, "since": since})


@transaction.atomic
def hold(
    places: tuple[int, int],
    people: Sequence[tuple[int, int]],
    *,
    workspace_id: int,
    channel: str,
    caps: Sequence[Cap],
    now: datetime,
) -> set[int]:
    """The refs of those `people` (ref, profile id) who are over a cap; the others are held."""
    over, values = [], list[Any]()
    for cap in caps:
        over.append(OVER_ONE)
        of = list(cap.channels)
        values += [of, cap.since, of, now, *places, cap.count]
    sql = LOOK.format(over=" OR ".join(over) or "FALSE")
    columns = [list(column) for column in zip(*people, strict=True)] or [[], []]
    with connection.cursor() as cursor:
        if caps:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, workspace_id])
        cursor.execute(sql, [*columns, *values, *places, channel, now + HELD])
        return {row[0] for row in cursor.fetchall()}


def settle(places: tuple[int, int], tried: Sequence[tuple[int, str]], *, now: datetime) -> None:
    """Outcomes (ref, outcome) that are being recorded: called in that transaction."""
    refs, outcomes = [list(column) for column in zip(*tried, strict=True)]
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    values: dict[str, Any] = {"run": places[0], "action": places[1], "hour": hour, "later": now + UNCERTAIN}
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, {**values, "refs": refs, "outcomes": outcomes})


def let_go(places: dict[str, Any]) -> None:
    """What a batch held and did not send: it is given back."""
    with connection.cursor() as cursor:
        cursor.execute(LET_GO, places)
