"""What a run is waiting for, in words, from the same rows that decide it."""

from __future__ import annotations

from datetime import datetime

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts import heartbeat
from campaigns.models import Batch, Run, Status

SILENT = 30  # seconds without a sign of life


def waiting_for(run: Run, *, now: datetime) -> str:
    """An empty text when nothing holds it back, or when it is over."""
    if run.finished_at:
        return ""
    if run.campaign.status == Status.PAUSED:
        return _("somebody to resume it: the campaign is paused")
    if run.state == Run.State.STOPPING:
        return _("the messages on their way; the rest is cancelled then")
    if run.state == Run.State.DUE:
        return _("its time: %(at)s") % {"at": _clock(run.due_at)}
    if run.kind == Run.Kind.STANDING:
        return _("calls to the API")
    if run.reason:
        return _("the provider: %(reason)s") % {"reason": run.reason}
    seen = heartbeat.parts(now=now)
    if "bulk" not in seen or seen["bulk"] > SILENT:
        return _("a worker: none has been seen for more than %(seconds)s seconds") % {"seconds": SILENT}
    batches = Batch.objects.filter(run=run, state__in=[Batch.State.READY, Batch.State.CLAIMED])
    due = batches.filter(send_after__lte=now).exists()
    following = batches.order_by("send_after").values_list("send_after", flat=True).first()
    if following and not due:
        return _("the next try, at %(at)s") % {"at": _clock(following)}
    return ""


def _clock(moment: datetime) -> str:
    return formats.date_format(timezone.localtime(moment), pgettext("date", "j M Y, H:i"))
