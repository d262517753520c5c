"""Starts the runs whose time has come, and completes campaigns whose time is over.

Two clocks, a redelivered task or a late one start each run once: its row moves on in the transaction that
writes the row of the next one.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts import switch
from accounts.access import SYSTEM
from campaigns import lifecycle, planning
from campaigns.delivery import bandits, holding, ring
from campaigns.models import Campaign, Run, Status
from campaigns.schedule import LATEST

log = structlog.get_logger(__name__)


def time_of_database() -> datetime:
    """The same for every worker: one whose own clock runs ahead would start runs early, or miss them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def start_due_runs(*, now: datetime) -> list[int]:
    """Moves each due run on to fan-out and returns the ids of those started."""
    due = Run.objects.filter(state=Run.State.DUE, due_at__lte=now)
    return [run_id for run_id in due.values_list("pk", flat=True) if _try_to_start(run_id, now)]


def _try_to_start(run_id: int, now: datetime) -> bool:
    """One that cannot be started stands in nobody else's way; its page says why, and it is tried again."""
    try:
        return start(run_id, now=now)
    except (InterfaceError, OperationalError):
        raise  # the database is away: that is no fault of this run
    except Exception as error:
        log.exception("run cannot be started", run=run_id)
        why = _("It cannot be started: %(error)s") % {"error": f"{type(error).__name__}: {error}"}
        Run.objects.filter(pk=run_id, state=Run.State.DUE).update(reason=why[:200])
        return False


@transaction.atomic
def start(run_id: int, *, now: datetime) -> bool:
    # The campaign is locked before its run, here as in every verb, so that two cannot block each other.
    campaign = Campaign.objects.select_for_update(of=("self",)).get(runs=run_id)
    run = Run.objects.select_for_update().get(pk=run_id)
    if run.state != Run.State.DUE or run.due_at > now:
        return False
    if campaign.status not in (Status.SCHEDULED, Status.LIVE):
        return False  # paused: the run starts when the campaign is resumed
    if not switch.standing(campaign.workspace).is_on:
        return False  # and so here: a copy of the database must not even mark runs as missed
    if now - run.due_at > LATEST:  # rather not at all than at an odd hour
        planning.miss(campaign, run, now, _("It was more than an hour late when the clock came by."))
        _end_when_over(campaign, now)
        return False
    if holding.is_held(holding.whole(run.pk), now=now):
        return False
    if campaign.status == Status.SCHEDULED:
        lifecycle.apply(campaign, "start", actor=SYSTEM, now=now)
    run.state, run.started_at, run.reason = Run.State.EXPANDING, now, ""
    run.weights = bandits.weigh(run, now=now)
    run.save()
    planning.plan_next(campaign, run, now)
    ring.expand(run.pk)
    return True


def complete_ended(*, now: datetime) -> list[int]:
    """Completes the live campaigns that have nothing more to send, and returns their ids."""
    ended = Q(ends_at__lte=now) | Q(ends_at=None, type=Campaign.Type.SCHEDULED)
    live = Campaign.objects.filter(ended, status=Status.LIVE, draft_status="")
    over = live.exclude(runs__in=Run.objects.filter(state__in=planning.UNFINISHED, kind=Run.Kind.SCHEDULED))
    return [pk for pk in over.values_list("pk", flat=True) if _complete(pk, now)]


@transaction.atomic
def _complete(pk: int, now: datetime) -> bool:
    campaign = Campaign.objects.select_for_update(of=("self",)).get(pk=pk)
    if campaign.status != Status.LIVE or not planning.is_over(campaign, now):
        return False
    lifecycle.apply(campaign, "complete", actor=SYSTEM, now=now)
    return True


def _end_when_over(campaign: Campaign, now: datetime) -> None:
    """After a missed run: a campaign that never ran has failed, one that did is completed."""
    campaign.refresh_from_db()
    if not planning.is_over(campaign, now):
        return
    has_run = (
        campaign.status == Status.LIVE
        and campaign.runs.exclude(started_at=None).exclude(kind=Run.Kind.PROOF).exists()
    )
    lifecycle.apply(campaign, "complete" if has_run else "fail", actor=SYSTEM, now=now)
