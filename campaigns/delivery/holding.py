"""Holds a run that may not send: its campaign is paused with the reason, and people are told."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from accounts.access import SYSTEM
from campaigns import clearance, lifecycle
from campaigns.models import Run
from common.errors import IllegalTransition


def is_held(run_id: int, *, now: datetime) -> bool:
    """Whether the run is kept from sending; its campaign is then paused as well."""
    rows = Run.objects.select_related("version", "campaign__workspace", "campaign__activated_by")
    run = rows.filter(pk=run_id).first()
    if run is None or not (fault := clearance.fault_of(run)):
        return False
    with suppress(IllegalTransition):  # paused, stopped or failed in this moment: it sends nothing either
        lifecycle.apply(run.campaign, "pause", actor=SYSTEM, now=now, reason=fault)
    return True
