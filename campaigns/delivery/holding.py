"""Holds a run that may not send: its campaign is paused with the reason, and people are told."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from django.db import transaction

from accounts.access import SYSTEM
from campaigns import clearance, lifecycle
from campaigns.delivery import bound
from campaigns.models import Run
from common.errors import IllegalTransition


def whole(run_id: int) -> Run:
    """The run with all that says whether it may send, and what."""
    return Run.objects.select_related("version", "campaign__workspace").get(pk=run_id)


def is_held(run: Run, *, now: datetime) -> bool:
    """Whether the run, read a moment ago, is kept from sending; its campaign is then paused as well. A proof
    or a call that its orderer may not order any more ends alone.
    """
    if fault := clearance.fault_of_order(run):
        _recall(run, fault, now)
        return True
    if not (fault := clearance.fault_of(run)):
        return False
    with suppress(IllegalTransition):  # paused, stopped or failed in this moment: it sends nothing either
        lifecycle.apply(run.campaign, "pause", actor=SYSTEM, now=now, reason=fault)
    return True


@transaction.atomic
def _recall(run: Run, fault: str, now: datetime) -> None:
    """The sweep settles it; a run that has not begun has nothing to settle."""
    mine = Run.objects.select_for_update().filter(pk=run.pk)
    told = {"reason": fault[:200], "stopped_at": now}
    if not mine.filter(state=Run.State.DUE).update(state=Run.State.STOPPED, finished_at=now, **told):
        under_way = mine.filter(state__in=[Run.State.EXPANDING, Run.State.SENDING])
        under_way.update(state=Run.State.STOPPING, stop_bound=bound.may_leave(run), **told)
