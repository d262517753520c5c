"""What a run is waiting for, in words, from the same rows that decide it."""

from __future__ import annotations

from datetime import datetime

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from accounts import heartbeat, switch
from accounts.models import AuditEntry
from campaigns.delivery import limits, winners
from campaigns.models import Attempt, Batch, Outcome, Run, Status
from channels import breaker, warming
from channels.models import ChannelConfiguration

OPEN = (Batch.State.READY, Batch.State.CLAIMED)


def waiting_for(run: Run, *, now: datetime) -> str:
    """An empty text when nothing holds it back, or when it is over."""
    if run.finished_at:
        return ""
    asked = (_people, _time, _provider, _winner, _parts, _turn, _next)
    return next((words for reason in asked if (words := reason(run, now))), "")


def _people(run: Run, now: datetime) -> str:
    """Somebody paused or stopped it, or all sending of its workspace."""
    campaign = run.campaign
    if campaign.status == Status.PAUSED:
        return _paused(run)
    if run.state == Run.State.STOPPING:
        return _("the messages on their way; the rest is cancelled then")
    sending = switch.standing(campaign.workspace)
    if not sending.is_on and (run.state != Run.State.DUE or run.due_at <= now):
        return _("somebody to allow sending again. %(why)s") % {"why": sending.in_words()}
    return ""


def _paused(run: Run) -> str:
    entries = AuditEntry.objects.filter(
        workspace=run.campaign.workspace_id,
        object_type="campaigns.campaign",
        object_key=str(run.campaign_id),
        verb="pause",
    )
    last = entries.order_by("-sequence").first()
    if last is None or not last.details.get("reason"):
        return _("somebody to resume it: the campaign is paused")
    return _("somebody to resume it: the campaign paused itself. %(why)s") % {"why": last.details["reason"]}


def _time(run: Run, now: datetime) -> str:
    if run.state == Run.State.DUE and run.due_at > now:
        return _("its time: %(at)s") % {"at": _clock(run.due_at)}
    if run.kind == Run.Kind.STANDING and _following(run) is None:
        return _("calls to the API")
    return ""


def _provider(run: Run, now: datetime) -> str:
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
    is_tested = not batches.filter(state__in=OPEN).exists()
    if due is None or not is_tested or not batches.filter(state=Batch.State.WAITING).exists():
        return ""
    if due <= now:
        return _("somebody to choose the treatment that the rest gets")
    return _("the winner of the experiment, at %(at)s") % {"at": _clock(due)}


def _parts(run: Run, now: datetime) -> str:
    """The clock, which rings for everything, and a worker of the lane that the run is in now."""
    seen, never = heartbeat.parts(now=now), heartbeat.SILENT + 1
    following = _following(run)
    lane = following.lane if following else Batch.Lane.BULK
    if seen.get(lane, never) <= heartbeat.SILENT:
        return ""
    silent = {"seconds": heartbeat.SILENT}
    if seen.get(heartbeat.CLOCK, never) > heartbeat.SILENT:
        return _("the clock and a worker: none has been seen for more than %(seconds)s seconds") % silent
    if lane == Batch.Lane.URGENT:
        return _("an urgent worker: none has been seen for more than %(seconds)s seconds") % silent
    return _("a worker: none has been seen for more than %(seconds)s seconds") % silent


def _turn(run: Run, now: datetime) -> str:
    """A worker that is there has something before it: the start, the fan-out, or other runs."""
    if run.state == Run.State.DUE:
        return _("the clock, which starts it in a moment")
    if run.state == Run.State.EXPANDING:
        return _("the list of its people, which is being written")
    following = _following(run)
    if following is None or following.send_after > now:
        return ""
    claimed = Batch.objects.filter(state=Batch.State.CLAIMED, lane=following.lane)
    held = claimed.filter(lease_until__gte=now)
    if held.filter(run=run).exists():
        return ""
    if claimed.filter(run=run).exists():
        return _("another worker to take over: the one that sent has been silent for too long")
    others = held.exclude(run=run).values("run").distinct().count()
    if not others:
        return ""
    return ngettext(
        "its turn: the workers are busy with %(num)s other run",
        "its turn: the workers are busy with %(num)s other runs",
        others,
    ) % {"num": others}


def _next(run: Run, now: datetime) -> str:
    following = _following(run)
    if following is None:
        return ""
    return _later(following, now) if following.send_after > now else _pace(run)


def _following(run: Run) -> Batch | None:
    return Batch.objects.filter(run=run, state__in=OPEN).order_by("send_after", "lo").first()


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
