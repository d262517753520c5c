"""What a run is waiting for, in words, from the same rows that decide it."""

from __future__ import annotations

from datetime import datetime

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts import heartbeat, switch
from campaigns.delivery import limits, winners
from campaigns.models import Attempt, Batch, Outcome, Run, Status
from channels import breaker, warming
from channels.models import ChannelConfiguration


def waiting_for(run: Run, *, now: datetime) -> str:
    """An empty text when nothing holds it back, or when it is over."""
    if run.finished_at:
        return ""
    if run.campaign.status == Status.PAUSED:
        return _("somebody to resume it: the campaign is paused")
    if run.state == Run.State.STOPPING:
        return _("the messages on their way; the rest is cancelled then")
    sending = switch.standing(run.campaign.workspace)
    if not sending.is_on and (run.state != Run.State.DUE or run.due_at <= now):
        return _("somebody to allow sending again. %(why)s") % {"why": sending.in_words()}
    if run.state == Run.State.DUE:
        return _("its time: %(at)s") % {"at": _clock(run.due_at)}
    if run.kind == Run.Kind.STANDING:
        return _("calls to the API")
    if held := _provider(run):
        return held
    if winner := _winner(run, now):
        return winner
    seen = heartbeat.parts(now=now)
    if "bulk" not in seen or seen["bulk"] > heartbeat.SILENT:
        return _("a worker: none has been seen for more than %(seconds)s seconds") % {
            "seconds": heartbeat.SILENT
        }
    batches = Batch.objects.filter(run=run, state__in=[Batch.State.READY, Batch.State.CLAIMED])
    following = batches.order_by("send_after", "lo").first()
    if following is None:
        return ""
    return _later(following, now) if following.send_after > now else _pace(run)


def _provider(run: Run) -> str:
    """Its configuration is not active, its breaker is open, or it said something the run waits for."""
    for pk, name in _configurations(run):
        stands = breaker.standing(pk)
        if not stands.is_active:
            return _("the channel configuration “%(name)s”: it is not active") % {"name": name}
        if stands.is_open:
            return _("the provider: %(reason)s") % {"reason": stands.reason}
    return _("the provider: %(reason)s") % {"reason": run.reason} if run.reason else ""


def _winner(run: Run, now: datetime) -> str:
    """Nothing is left but what waits for the result of the test."""
    due, batches = winners.due_at(run), Batch.objects.filter(run=run)
    is_tested = not batches.filter(state__in=[Batch.State.READY, Batch.State.CLAIMED]).exists()
    if due is None or not is_tested or not batches.filter(state=Batch.State.WAITING).exists():
        return ""
    if due <= now:
        return _("somebody to choose the treatment that the rest gets")
    return _("the winner of the experiment, at %(at)s") % {"at": _clock(due)}


def _later(batch: Batch, now: datetime) -> str:
    """Why the next batch has its time in the future: a wave or hour, quiet hours, warm-up, or another try."""
    at = {"at": _clock(batch.send_after)}
    if batch.epoch == 0:
        if batch.wave:
            return _("wave %(number)s, at %(at)s") % {**at, "number": batch.wave + 1}
        return _("the hour of the next time zone, at %(at)s") % at
    refs = Attempt.objects.filter(run=batch.run_id, action=batch.action, ref__range=(batch.lo, batch.hi))
    last = refs.filter(outcome=Outcome.DEFERRED).order_by("-at").first()
    if last and last.code == limits.QUIET:
        return _("the end of the quiet hours, at %(at)s") % at
    if (last is None or last.code == limits.WARM_UP) and (day := _warm_up(batch, now)):
        named = {**at, "name": day.plan.name}
        if batch.send_after < day.next_at:
            return _("room in today’s volume of the warm-up plan “%(name)s”, at %(at)s") % named
        return _("the next day of the warm-up plan “%(name)s”, at %(at)s") % named
    return _("the next try, at %(at)s") % at


def _warm_up(batch: Batch, now: datetime) -> warming.Today | None:
    """The present day of the plan that its configuration warms up by."""
    actions = batch.run.version.definition["actions"]
    of = next(one["configuration"] for one in actions if one["position"] == batch.action)
    return warming.of(of, now)


def _pace(run: Run) -> str:
    """The slowest limit over what is leaving now; empty where there is none."""
    rates = [breaker.standing(pk).limits.rate for pk, _name in _configurations(run)]
    slowest = min(filter(None, [run.version.definition["rate"], *rates]), default=None)
    return _("the delivery rate, %(rate)s a second") % {"rate": f"{slowest:g}"} if slowest else ""


def _configurations(run: Run) -> list[tuple[int, str]]:
    named = {action["configuration"] for action in run.version.definition["actions"]}
    rows = ChannelConfiguration.objects.filter(pk__in=named).order_by("pk")
    return list(rows.values_list("pk", "name"))


def _clock(moment: datetime) -> str:
    return formats.date_format(timezone.localtime(moment), pgettext("date", "j M Y, H:i"))
