"""Starts the runs whose time has come. Two clocks, a redelivered task or a late one start each run once."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.access import SYSTEM
from campaigns import alerts, lifecycle
from campaigns.delivery import holding, ring
from campaigns.models import Campaign, Run, Status

LATEST = timedelta(minutes=60)  # later than this, a run is missed rather than sent at an odd hour


def start_due_runs(*, now: datetime) -> list[int]:
    """Moves each due run on to fan-out and returns the ids of those started."""
    due = Run.objects.filter(state=Run.State.DUE, due_at__lte=now)
    return [run_id for run_id in due.values_list("pk", flat=True) if start(run_id, now=now)]


@transaction.atomic
def start(run_id: int, *, now: datetime) -> bool:
    # The campaign is locked before its run, here as in every verb, so that two cannot block each other.
    campaign = Campaign.objects.select_for_update(of=("self",)).get(runs=run_id)
    run = Run.objects.select_for_update().get(pk=run_id)
    if run.state != Run.State.DUE or run.due_at > now:
        return False
    if campaign.status not in (Status.SCHEDULED, Status.LIVE):
        return False  # paused: the run starts when the campaign is resumed
    if now - run.due_at > LATEST:
        run.state, run.finished_at = Run.State.MISSED, now
        run.reason = _("It was more than an hour late when the clock came by.")
        run.save()
        lifecycle.apply(campaign, "fail", actor=SYSTEM, now=now, reason=run.reason)
        alerts.tell_followers("campaign_missed", campaign, now=now, comment=run.reason)
        return False
    if holding.is_held(run.pk, now=now):
        return False
    if campaign.status == Status.SCHEDULED:
        lifecycle.apply(campaign, "start", actor=SYSTEM, now=now)
    run.state, run.started_at = Run.State.EXPANDING, now
    run.save()
    ring.expand(run.pk)
    return True
