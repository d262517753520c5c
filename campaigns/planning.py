"""Writes the runs that a schedule asks for: at activation, when one begins, and when a new version is live.

The caller holds the campaign's row lock. A recurring campaign has at most one run that waits for its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import SYSTEM
from campaigns import alerts, schedule
from campaigns.models import Batch, Campaign, Run, Version
from campaigns.schedule import INSTANT, LATEST, Slot, Timetable
from common.errors import Invalid, Problem

UNFINISHED = (Run.State.DUE, Run.State.EXPANDING, Run.State.SENDING, Run.State.STOPPING)
OPEN_BATCHES = (Batch.State.READY, Batch.State.CLAIMED)


def plan_first(campaign: Campaign, version: Version, now: datetime) -> Run:
    """The run that activation leaves behind; an API-triggered campaign gets a standing one, open at once.

    A recurring campaign past its first slot begins with the next one. Raises Invalid when none is left.
    """
    if campaign.type == Campaign.Type.API_TRIGGERED:
        return open_standing(campaign, version, now)
    table = schedule.of_version(version.definition)
    slots = table.after(now - INSTANT, since=now) if table.is_recurring else table.slots(since=now)
    run = _write(campaign, version, slots)
    if run is None:
        raise Invalid(Problem("schedule_empty", _("Its schedule has no time left to send at."), "rules"))
    return run


def open_standing(campaign: Campaign, version: Version, now: datetime) -> Run:
    return Run.objects.create(
        campaign=campaign,
        version=version,
        kind=Run.Kind.STANDING,
        state=Run.State.SENDING,
        due_at=now,
        started_at=now,
        expanded_at=now,
    )


def plan_next(campaign: Campaign, run: Run, now: datetime) -> Run | None:
    """The run after this one, by the version that is live now; None when it was the last.

    Called in the transaction that starts the run or marks it missed. Slots that are themselves too late by
    now are passed over; a clock that stepped back finds the run of that slot written already.
    """
    waiting = _runs(campaign).filter(state=Run.State.DUE).exclude(pk=run.pk)
    version = campaign.live_version or run.version
    table = schedule.of_version(version.definition)
    if not table.is_recurring or waiting.exists() or is_used_up(campaign, table):
        return None
    last = max(run.due_at, now - LATEST - INSTANT)
    return _write(campaign, version, table.after(last, since=began(campaign, now)))


def replan(campaign: Campaign, version: Version, now: datetime) -> None:
    """Puts a new version's times in the place of the old one's, in the transaction that activates it.

    A run that is due already goes out as it was planned. Of the new times of today as many count as done as
    runs have begun today, so that today's send is neither doubled nor lost by moving it.
    """
    table = schedule.of_version(version.definition)
    _runs(campaign).filter(state=Run.State.DUE, due_at__gt=now).delete()
    if is_used_up(campaign, table):
        return
    _write(campaign, version, _moved(campaign, table, now) if table.is_recurring else table.slots(since=now))


def _moved(campaign: Campaign, table: Timetable, now: datetime) -> Iterator[Slot]:
    zone = schedule.EARLIEST_ZONE if table.per_person else table.zone
    today = now.astimezone(zone).date()
    midnight = datetime.combine(today, datetime.min.time(), zone)
    done = _runs(campaign).filter(wall_clock__startswith=today.isoformat(), due_at__lte=now).count()
    for slot in table.after(midnight - INSTANT, since=began(campaign, now)):
        is_today = slot.moment is not None and slot.moment.wanted.date() == today
        if is_today and done:
            done -= 1
        elif slot.due_at >= now - LATEST:
            yield slot


def miss(campaign: Campaign, run: Run, now: datetime, reason: str) -> None:
    """Marks the run missed, tells so, and plans the next one."""
    run.state, run.finished_at, run.reason = Run.State.MISSED, now, reason
    run.save()
    following = plan_next(campaign, run, now)
    audit.record(
        actor=SYSTEM,
        verb="miss",
        obj=campaign,
        workspace=campaign.workspace,
        now=now,
        due_at=run.due_at,
        reason=reason,
        following=following.due_at if following else None,
    )
    alerts.tell_followers("campaign_missed", campaign, now=now, comment=reason)


def pass_over(campaign: Campaign, now: datetime) -> None:
    """On resuming: a recurring campaign does not make up for the times at which it was paused."""
    for run in _runs(campaign).filter(state=Run.State.DUE, due_at__lte=now):
        if schedule.of_version(run.version.definition).is_recurring:
            miss(campaign, run, now, _("The campaign was paused at its time."))


def drop(campaign: Campaign, now: datetime) -> None:
    """What waits for its time will not begin."""
    waiting = _runs(campaign).filter(state=Run.State.DUE)
    waiting.update(state=Run.State.STOPPED, finished_at=now)


def is_over(campaign: Campaign, now: datetime) -> bool:
    """Whether a live campaign has nothing more to send. A recurring one with an end is over then, not before.

    While a new version of it is being written it stays, so that nobody's work is lost.
    """
    if campaign.is_being_modified or _runs(campaign).filter(state__in=UNFINISHED).exists():
        return False
    has_ended = campaign.ends_at is not None and campaign.ends_at <= now
    if campaign.type == Campaign.Type.API_TRIGGERED:
        busy = Batch.objects.filter(run__campaign=campaign, state__in=OPEN_BATCHES)
        return has_ended and not busy.exists()
    return has_ended or campaign.ends_at is None or not campaign.schedule.get("rules")


def _write(campaign: Campaign, version: Version, slots: Iterable[Slot]) -> Run | None:
    """The run of the first slot that has none yet."""
    for slot in slots:
        run, is_new = Run.objects.get_or_create(
            campaign=campaign,
            due_at=slot.due_at,
            defaults={"version": version, "wall_clock": slot.wall_clock},
        )
        if is_new:
            return run
    return None


def _runs(campaign: Campaign) -> QuerySet[Run]:
    return Run.objects.filter(campaign=campaign, kind=Run.Kind.SCHEDULED)


def began(campaign: Campaign, now: datetime) -> datetime:
    return campaign.activated_at or now


def is_used_up(campaign: Campaign, table: Timetable) -> bool:
    return bool(table.occurrences) and _runs(campaign).count() >= int(table.occurrences or 0)


def made(campaign: Campaign) -> int:
    """How many of its occurrences are used: runs that began, were missed, or wait for their time."""
    return _runs(campaign).exclude(state=Run.State.DUE).count()
