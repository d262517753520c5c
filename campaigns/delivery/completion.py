"""Ends a run: when every message is settled and the ledger balances, or when it was stopped."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models.functions import Now

from accounts.access import SYSTEM
from campaigns import lifecycle
from campaigns.delivery.claims import LAST_ATTEMPT, mark_uncertain
from campaigns.models import Batch, Campaign, Run, Status
from campaigns.reports.metrics import ledger

log = structlog.get_logger(__name__)

CANCEL_REST = f"""
INSERT INTO campaigns_attempt (run_id, action, ref, n, outcome, code, at)
SELECT m.run_id, m.action, m.ref, COALESCE(last.n, 0) + 1, 'cancelled', 'stopped', %(now)s
FROM campaigns_message m {LAST_ATTEMPT}
WHERE m.run_id = %(run)s AND (last.n IS NULL OR last.outcome = 'deferred')
"""
UNFINISHED = (Batch.State.READY, Batch.State.CLAIMED)


def settle(run_id: int, *, now: datetime) -> bool:
    """Ends the run if it can be ended. Run twice, or by eight workers at once, it ends once."""
    # Most calls find work left. They must not queue for the campaign's row: buttons and API calls need it.
    return _can_end(Run.objects.get(pk=run_id)) and _end(run_id, now)


def _can_end(run: Run) -> bool:
    if run.state == Run.State.STOPPING:
        return True
    if run.state != Run.State.SENDING or run.kind == Run.Kind.STANDING:
        return False
    return not Batch.objects.filter(run=run, state__in=UNFINISHED).exists()


@transaction.atomic
def _end(run_id: int, now: datetime) -> bool:
    campaign = Campaign.objects.select_for_update(of=("self",)).get(runs=run_id)
    run = Run.objects.select_for_update().get(pk=run_id)
    if not _can_end(run):
        return False
    if run.state == Run.State.STOPPING:
        return _stop(campaign, run, now)
    book = ledger(run)
    if not book.balances or book.to_go:
        log.error("ledger does not balance", run=run.pk, to_go=book.to_go, targeted=book.targeted)
        Run.objects.filter(pk=run.pk).update(reason="ledger_does_not_balance")
        return False
    run.state, run.finished_at, run.reason = Run.State.COMPLETED, now, ""
    run.save()
    if campaign.status == Status.LIVE:
        lifecycle.apply(campaign, "complete", actor=SYSTEM, now=now)
    return True


def _stop(campaign: Campaign, run: Run, now: datetime) -> bool:
    """Once no worker holds a batch any more, what was not sent is cancelled, in one statement.

    What a dead worker may have handed over is uncertain, not cancelled.
    """
    open_batches = Batch.objects.filter(run=run, state__in=UNFINISHED)
    if open_batches.filter(state=Batch.State.CLAIMED, lease_until__gt=Now()).exists():
        return False
    # The epoch moves on: a worker that slept through its lease finds its records refused.
    for batch in open_batches.select_for_update():
        if batch.horizon is not None and batch.claimed_at is not None:
            places: dict[str, Any] = {"run": run.pk, "action": batch.action, "lo": batch.lo, "hi": batch.hi}
            places["passed_over"] = batch.passed_over
            places["resend"] = campaign.on_uncertain == Campaign.OnUncertain.RESEND
            mark_uncertain(places, horizon=batch.horizon, claimed_at=batch.claimed_at, now=now)
        batch.state, batch.epoch, batch.finished_at = Batch.State.DONE, batch.epoch + 1, now
        batch.save()
    with connection.cursor() as cursor:
        cursor.execute(CANCEL_REST, {"run": run.pk, "now": now})
    run.state, run.finished_at = Run.State.STOPPED, now
    run.save()
    return True
