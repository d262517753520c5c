"""How many messages may still leave after a pause or a stop: what a worker may have under way at once.

A worker hands over up to LANES messages at a time and records their outcomes FLUSH by FLUSH.
"""

from __future__ import annotations

from accounts.models import Workspace
from campaigns.models import Attempt, Batch, Outcome, Run

FLUSH, URGENT_FLUSH, LANES = 50, 10, 8
WINDOW = FLUSH + LANES  # messages without a recorded answer, for each worker
LEFT = (Outcome.ACCEPTED, Outcome.UNCERTAIN)


def may_leave(run: Run) -> int:
    return Batch.objects.filter(run=run, state=Batch.State.CLAIMED).count() * WINDOW


def may_leave_from(workspace: Workspace) -> int:
    """The same of everything that a workspace sends."""
    claimed = Batch.objects.filter(run__campaign__workspace=workspace, state=Batch.State.CLAIMED)
    return claimed.count() * WINDOW


def did_leave(run: Run) -> int:
    """How many left after the run was stopped; what is uncertain may have."""
    if run.stopped_at is None:
        return 0
    return Attempt.objects.filter(run=run, at__gt=run.stopped_at, outcome__in=LEFT).count()
