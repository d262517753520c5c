"""What nobody pressed: reminders of approvals that wait, and word of campaigns that do not move."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from accounts.access import SYSTEM
from campaigns import alerts, approvals
from campaigns.models import ApprovalRequest, Batch, Run, Status

SILENCE = timedelta(minutes=15)  # of a run that has work due and nobody touching it
DEFAULT_HOURS = 24
SOON = timedelta(hours=4)  # before a due date, one more reminder leaves


def look_after(*, now: datetime) -> None:
    remind(now=now)
    tell_of_stalled(now=now)


def remind(*, now: datetime) -> int:
    """Reminds who has not decided yet, as often as the policy says and once before the due date."""
    waiting = ApprovalRequest.objects.filter(state=ApprovalRequest.State.OPEN)
    rows = waiting.select_related("campaign__workspace", "policy", "requested_by")
    return sum(_remind(row, now) for row in rows.iterator(chunk_size=200))


def _remind(row: ApprovalRequest, now: datetime) -> bool:
    last = row.reminded_at or row.requested_at
    hours = row.policy.remind_hours if row.policy else DEFAULT_HOURS
    is_time = bool(hours) and now - last >= timedelta(hours=hours)
    is_due = row.due_at is not None and last < row.due_at - SOON <= now
    if not (is_time or is_due):
        return False
    # Guarded by what was read: a second clock in this moment reminds nobody twice.
    same = ApprovalRequest.objects.filter(pk=row.pk, state=row.state, reminded_at=row.reminded_at)
    if not same.update(reminded_at=now):
        return False
    agreed = {word.by for word in approvals.words_given(row)}
    people = [one for one in approvals.people_asked(row, now=now) if one.pk not in agreed]
    alerts.tell("approval_reminder", people, row.campaign, actor=SYSTEM, now=now, comment=row.message)
    return True


def tell_of_stalled(*, now: datetime) -> None:
    """A live run whose batches are due for a while and that no worker has touched since; told once a day."""
    before = now - SILENCE
    of_run = Batch.objects.filter(run=OuterRef("pk"))
    stalled = Run.objects.filter(
        Exists(of_run.filter(state=Batch.State.READY, send_after__lte=before)),
        ~Exists(of_run.filter(claimed_at__gt=before)),
        state=Run.State.SENDING,
        campaign__status=Status.LIVE,
    )
    for run in stalled.select_related("campaign__workspace"):
        why = _("Messages are due, and no worker has taken them for a quarter of an hour.")
        once = f"stalled:{run.pk}:{now:%Y%m%d}"
        alerts.tell_followers("campaign_stalled", run.campaign, now=now, comment=why, once=once)
