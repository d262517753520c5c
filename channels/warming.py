"""A warm-up plan at work: what may still leave today, held so that all workers together keep the volume.

A day is one of the workspace's calendar. A message about to leave is held: it counts as sent until its
outcome is known. Looking and holding is one statement under the plan's lock, so of two batches the second
sees the first. What was accepted, or may have been, counts on the day its outcome is recorded, with it.
What is on its way over midnight counts for the new day, so no day ever gets more than its volume. Messages
beyond it wait (campaigns/delivery/limits.py). The pattern is that of campaigns/delivery/caps.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from channels.domaingroups import OTHERS, group_of
from channels.models import WarmupCount, WarmupHold, WarmupPlan

LOCK_SPACE = 0x0CAA  # first key of the two-key advisory lock; the second is the plan
HELD = timedelta(hours=1)
AGAIN = timedelta(minutes=1)  # where the volume is only held: what holds it may yet give it back

LOOK = """
WITH asked AS (
    SELECT ref, grp, row_number() OVER (PARTITION BY grp ORDER BY place) AS place
    FROM unnest(%(refs)s::bigint[], %(groups)s::text[]) WITH ORDINALITY AS t(ref, grp, place)
), used AS (
    SELECT v.grp, v.most,
        COALESCE((SELECT c.sent FROM channels_warmupcount c
                  WHERE c.plan_id = %(plan)s AND c.day = %(day)s AND c."group" = v.grp), 0) AS sent,
        (SELECT count(*) FROM channels_warmuphold h
         WHERE h.plan_id = %(plan)s AND h."group" = v.grp AND h.until > %(now)s
           AND NOT (h.run_id = %(run)s AND h.action = %(action)s AND h.ref = ANY(%(refs)s))) AS held
    FROM unnest(%(named)s::text[], %(most)s::int[]) AS v(grp, most)
), looked AS MATERIALIZED (
    SELECT a.ref, a.grp, a.place <= u.most - u.sent - u.held AS may_go, u.sent >= u.most AS is_full
    FROM asked a JOIN used u ON u.grp = a.grp
), held AS (
    INSERT INTO channels_warmuphold (run_id, action, ref, plan_id, "group", until)
    SELECT %(run)s, %(action)s, ref, %(plan)s, grp, %(until)s FROM looked WHERE may_go
    ON CONFLICT (run_id, action, ref) DO UPDATE
    SET until = excluded.until, plan_id = excluded.plan_id, "group" = excluded."group"
)
SELECT ref, is_full FROM looked WHERE NOT may_go
"""
SETTLE = """
WITH settled AS (
    SELECT * FROM unnest(%(refs)s::bigint[], %(outcomes)s::text[]) AS t(ref, outcome)
), gone AS (
    DELETE FROM channels_warmuphold h USING settled s
    WHERE h.run_id = %(run)s AND h.action = %(action)s AND h.ref = s.ref
    RETURNING h.plan_id, h."group", s.outcome
)
INSERT INTO channels_warmupcount AS c (plan_id, day, "group", sent)
SELECT g.plan_id, (%(now)s AT TIME ZONE w.time_zone)::date, g."group", count(*)
FROM gone g JOIN channels_warmupplan p ON p.id = g.plan_id JOIN accounts_workspace w ON w.id = p.workspace_id
WHERE g.outcome IN ('accepted', 'uncertain') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (plan_id, day, "group") DO UPDATE SET sent = c.sent + excluded.sent
"""
LET_GO = """
DELETE FROM channels_warmuphold
WHERE run_id = %(run)s AND action = %(action)s AND ref BETWEEN %(lo)s AND %(hi)s
"""


@dataclass(frozen=True)
class Today:
    """A plan's present day: its volumes, and when the next one begins. `number` is 0 before the first day."""

    plan: WarmupPlan
    day: date
    number: int
    volume: dict[str, int]
    next_at: datetime


def zone_of(plan: WarmupPlan) -> ZoneInfo:
    return ZoneInfo(plan.workspace.time_zone)


def begins_at(plan: WarmupPlan, day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone_of(plan))


def today(plan: WarmupPlan, now: datetime) -> Today | None:
    """None while the plan is not live, and once its last day is over: then nothing is limited."""
    if plan.state != WarmupPlan.State.LIVE or plan.starts_on is None:
        return None
    day = now.astimezone(zone_of(plan)).date()
    place = (day - plan.starts_on).days
    if place >= len(plan.days):
        return None
    volume = plan.days[place] if place >= 0 else {OTHERS: 0}
    return Today(plan, day, max(place + 1, 0), volume, begins_at(plan, day + timedelta(days=1)))


def state(plan: WarmupPlan, now: datetime) -> str:
    """As it stands now: a plan is completed when its last day is over, though nobody was there to say so."""
    if plan.state == WarmupPlan.State.LIVE and today(plan, now) is None:
        return WarmupPlan.State.COMPLETED
    return plan.state


def of(configuration_id: int, now: datetime) -> Today | None:
    """The present day of the plan that a configuration warms up by."""
    rows = WarmupPlan.objects.select_related("workspace")
    plan = rows.filter(configuration=configuration_id, state=WarmupPlan.State.LIVE).first()
    return today(plan, now) if plan else None


def last_wait_ended(configuration_id: int, now: datetime) -> datetime | None:
    """When messages that waited for a day of a plan could leave for the last time until now, if ever."""
    rows = WarmupPlan.objects.select_related("workspace")
    ended = []
    for plan in rows.filter(configuration=configuration_id).exclude(starts_on=None):
        day = now.astimezone(zone_of(plan)).date()
        assert plan.starts_on is not None
        over = plan.starts_on + timedelta(days=len(plan.days))
        if plan.completed_at:  # by hand: who was put off until the next day leaves then
            over = min(over, plan.completed_at.astimezone(zone_of(plan)).date() + timedelta(days=1))
        ended.append(begins_at(plan, min(over, day)))
    return max(ended, default=None)


def group_in(found: Today, address: str) -> str:
    group = group_of(address, found.plan.own_groups)
    return group if group in found.volume else OTHERS


@transaction.atomic
def hold(
    places: tuple[int, int], people: Sequence[tuple[int, str]], *, found: Today, now: datetime
) -> dict[int, datetime]:
    """Of `people` (ref, address), in their order, those who must wait and until when; the others are held."""
    values: dict[str, Any] = {
        "run": places[0],
        "action": places[1],
        "plan": found.plan.pk,
        "day": found.day,
        "now": now,
        "until": now + HELD,
        "refs": [ref for ref, _address in people],
        "groups": [group_in(found, address) for _ref, address in people],
        "named": list(found.volume),
        "most": list(found.volume.values()),
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, found.plan.pk % 2**31])
        WarmupHold.objects.filter(plan_id=found.plan.pk, until__lte=now).delete()
        cursor.execute(LOOK, values)
        soon = min(now + AGAIN, found.next_at)
        return {ref: found.next_at if is_full else soon for ref, is_full in cursor.fetchall()}


def settle(places: tuple[int, int], tried: Sequence[tuple[int, str]], *, now: datetime) -> None:
    """Outcomes (ref, outcome) that are being recorded: called in that transaction."""
    refs, outcomes = [list(column) for column in zip(*tried, strict=True)]
    values: dict[str, Any] = {
        "run": places[0],
        "action": places[1],
        "refs": refs,
        "outcomes": outcomes,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, values)


def let_go(places: dict[str, Any]) -> None:
    """What a batch held and did not send: it is given back."""
    with connection.cursor() as cursor:
        cursor.execute(LET_GO, places)


def sent_by_day(plan: WarmupPlan) -> dict[date, dict[str, int]]:
    found: dict[date, dict[str, int]] = {}
    for row in WarmupCount.objects.filter(plan_id=plan.pk):
        found.setdefault(row.day, {})[row.group] = row.sent
    return found
