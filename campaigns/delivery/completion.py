"""Ends a run: when every message is settled and the ledger balances, or when it was stopped."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts.access import SYSTEM
from campaigns import lifecycle, planning
from campaigns.delivery.claims import mark_uncertain, recount, settle_rest
from campaigns.models import Batch, Campaign, MessageContext, Outcome, Run, Status
from campaigns.reports.metrics import ledger
from channels import mailfiles
from common import prepared

log = structlog.get_logger(__name__)

UNFINISHED = (Batch.State.WAITING, Batch.State.READY, Batch.State.CLAIMED)
IS_ENDING = f"""
SELECT r.state = 'stopping' OR r.state = 'sending' AND NOT EXISTS (
    SELECT FROM campaigns_batch b WHERE b.run_id = r.id
    AND b.state IN ({", ".join(f"'{state}'" for state in UNFINISHED)}))
FROM campaigns_run r WHERE r.id = %(run)s
"""


def settle(run_id: int, *, now: datetime) -> bool:
    """Ends the run if it can be ended. Run twice, or by eight workers at once, it ends once."""
    # Most calls find work left. They must not queue for the campaign's row: buttons and API calls need it.
    if not _is_ending(run_id):
        return False
    return _can_end(Run.objects.select_related("campaign").get(pk=run_id)) and _end(run_id, now)


def _is_ending(run_id: int) -> bool:
    """Whether it is worth a closer look: asked after every batch, of two indexes."""
    with prepared.cursor() as cursor:
        row: Any = cursor.execute(IS_ENDING, {"run": run_id}).fetchone()
    return bool(row and row[0])


def _can_end(run: Run) -> bool:
    if run.state == Run.State.STOPPING:
        return True
    if run.state != Run.State.SENDING or takes_calls(run):
        return False
    return not Batch.objects.filter(run=run, state__in=UNFINISHED).exists()


def takes_calls(run: Run) -> bool:
    """A standing run is open until its campaign is over, or a new version has a standing run of its own."""
    if run.kind != Run.Kind.STANDING:
        return False
    is_over = run.campaign.status in (*lifecycle.OVER, Status.ARCHIVED)
    return not is_over and run.version_id == run.campaign.live_version_id


@transaction.atomic
def _end(run_id: int, now: datetime) -> bool:
    campaign = Campaign.objects.select_for_update(of=("self",)).get(runs=run_id)
    run = Run.objects.select_for_update().get(pk=run_id)
    run.campaign = campaign
    if not _can_end(run):
        return False
    if run.state == Run.State.STOPPING:
        return _stop(campaign, run, now)
    book = ledger(run)
    if not book.balances or book.to_go:
        log.error("ledger does not balance", run=run.pk, to_go=book.to_go, targeted=book.targeted)
        Run.objects.filter(pk=run.pk).update(reason="ledger_does_not_balance")
        return False
    run.totals = asdict(book)  # for when the messages are dropped
    run.state, run.finished_at, run.reason = Run.State.COMPLETED, now, ""
    run.save()
    if run.kind == Run.Kind.PROOF:
        MessageContext.objects.filter(run=run).delete()  # a copy of what a person's profile says
        return True
    mailfiles.close(run.pk, now=now)
    if campaign.status == Status.LIVE and planning.is_over(campaign, now):
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
    held = list(open_batches.select_for_update())
    for batch in held:
        if batch.in_flight:
            mark_uncertain(_places(batch), batch.in_flight, now=now)
    settle_rest({"run": run.pk, "resend": False}, Outcome.CANCELLED, "stopped", now=now)
    open_batches.update(state=Batch.State.DONE, epoch=F("epoch") + 1, in_flight=None, finished_at=now)
    recount([batch.pk for batch in held])
    run.totals = asdict(ledger(run))
    run.state, run.finished_at = Run.State.STOPPED, now
    run.save()
    if run.kind == Run.Kind.PROOF:
        MessageContext.objects.filter(run=run).delete()
    mailfiles.close(run.pk, now=now)  # what was taken until now counts as sent
    return True


def _places(batch: Batch) -> dict[str, Any]:
    places = ("run_id", "action", "slot", "lo", "hi")
    return {name.removesuffix("_id"): getattr(batch, name) for name in places}
