"""What can be counted of a running installation, in a handful of queries that are cheap at any size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from accounts.models import Workspace
from accounts.switch import IS_ON
from campaigns.delivery.claims import IS_DUE, MAY_SEND, OF_RUN
from common.place import place

RECENT = 30  # days after its end that the uncertain messages of a run are asked about

HERE = "(%(workspace)s::bigint IS NULL OR w.id = %(workspace)s)"
DUE_RUNS = f"""
SELECT count(*), COALESCE(extract(epoch FROM %(now)s - min(r.due_at)), 0)::float8
FROM campaigns_run r JOIN campaigns_campaign c ON c.id = r.campaign_id
JOIN accounts_workspace w ON w.id = c.workspace_id
WHERE r.state = 'due' AND r.due_at <= %(now)s AND c.status IN ('scheduled', 'live') AND {IS_ON} AND {HERE}
"""
LANES = f"""
SELECT b.lane, count(*) FILTER (WHERE {IS_DUE}),
       COALESCE(extract(epoch FROM %(now)s - min(b.send_after) FILTER (WHERE {IS_DUE})), 0)::float8,
       count(*) FILTER (WHERE b.state = 'claimed' AND b.lease_until >= clock_timestamp()),
       count(*) FILTER (WHERE b.state = 'claimed' AND b.lease_until < clock_timestamp())
FROM campaigns_batch b {OF_RUN}
WHERE b.state IN ('ready', 'claimed') AND {MAY_SEND} AND {HERE} GROUP BY b.lane
"""
UNCERTAIN = f"""
SELECT COALESCE(sum(one.value::bigint), 0)
FROM campaigns_run r JOIN campaigns_campaign c ON c.id = r.campaign_id
JOIN accounts_workspace w ON w.id = c.workspace_id JOIN campaigns_batch b ON b.run_id = r.id
CROSS JOIN LATERAL jsonb_each_text(b.tally) AS one(key, value)
WHERE (r.finished_at IS NULL OR r.finished_at > %(now)s - interval '{RECENT} days')
  AND one.key LIKE 'uncertain%%' AND {HERE}
"""


@dataclass(frozen=True)
class Lane:
    """Batches of one lane that may be sent now. `oldest` is in seconds, of the one that has been due longest;
    `lost` have a worker whose lease ran out.
    """

    due: int = 0
    oldest: float = 0.0
    claimed: int = 0
    lost: int = 0


@dataclass(frozen=True)
class Numbers:
    """`oldest_run` is in seconds, of the run that should have begun longest ago."""

    due_runs: int
    oldest_run: float
    lanes: dict[str, Lane]
    uncertain: int


def measure(*, workspace: Workspace | None = None, now: datetime) -> Numbers:
    """Of one workspace, or of all. What is switched off, paused or stopped is not due."""
    values: dict[str, Any] = {"now": now, "workspace": workspace and workspace.pk, "place": place()}
    with connection.cursor() as cursor:
        cursor.execute(DUE_RUNS, values)
        runs, oldest = cursor.fetchone()
        cursor.execute(LANES, values)
        lanes = {lane: Lane(*counted) for lane, *counted in cursor.fetchall()}
        cursor.execute(UNCERTAIN, values)
        (uncertain,) = cursor.fetchone()
    return Numbers(
        runs, oldest, {lane: lanes.get(lane, Lane()) for lane in ("bulk", "urgent")}, int(uncertain)
    )
