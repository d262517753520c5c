"""The sweep: finds what is due in the tables and rings for it again. It makes a lost broker harmless."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F, Q

from campaigns.delivery import completion, ring, winners
from campaigns.delivery.claims import IS_DUE, LEASE, MAY_SEND, OF_RUN
from campaigns.models import Batch, Run, Status
from campaigns.reports import progress
from common.place import place

RING_AGAIN = min(timedelta(seconds=15), LEASE)

DUE_BATCHES = f"""
UPDATE campaigns_batch SET rung_at = %(now)s WHERE id IN (
    SELECT b.id FROM campaigns_batch b {OF_RUN}
    WHERE b.lane = %(lane)s AND {MAY_SEND} AND {IS_DUE}
      AND (b.rung_at IS NULL OR b.rung_at < %(before)s)
    ORDER BY b.send_after LIMIT {ring.MOST} FOR UPDATE OF b SKIP LOCKED)
RETURNING id
"""


@transaction.atomic
def ring_due_batches(lane: str, *, now: datetime) -> list[int]:
    """Every due or abandoned-by-its-worker batch of the lane, rung at most every RING_AGAIN."""
    with connection.cursor() as cursor:
        cursor.execute(DUE_BATCHES, {"lane": lane, "now": now, "before": now - RING_AGAIN, "place": place()})
        ids = [row[0] for row in cursor.fetchall()]
    ring.batches(ids, lane)
    return ids


def sweep(*, now: datetime) -> None:
    """Decides experiments whose time has come, rings for what is due in the bulk lane and for unfinished
    fan-outs, and ends what can be ended.
    """
    winners.decide_due(now=now)
    ring_due_batches(Batch.Lane.BULK, now=now)
    progress.sample(now=now)
    for run_id in Run.objects.filter(state=Run.State.EXPANDING).values_list("pk", flat=True):
        ring.expand(run_id)
    ending = Run.objects.filter(state__in=[Run.State.SENDING, Run.State.STOPPING])
    open_to_calls = Q(kind=Run.Kind.STANDING, state=Run.State.SENDING, version=F("campaign__live_version"))
    for run_id in ending.exclude(open_to_calls, campaign__status=Status.LIVE).values_list("pk", flat=True):
        completion.settle(run_id, now=now)
