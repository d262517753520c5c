"""What a run would do, before it does it: who gets it, who does not and why, and when it is done.

The people are counted by the statement that the fan-out writes from, and held against the limits of the last
look, in one query over all of them: the numbers are those that a run begun now would show. When it
is done follows from the waves, the time zones, the quiet hours and the pace, as if everybody were a drop in a
pipe of that width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from campaigns import foreseen, planning, schedule, versions, waves
from campaigns.delivery import fanout, limits
from campaigns.models import Campaign, Run, Version
from campaigns.reports.metrics import REASON_LABELS
from campaigns.schedule import Slot
from campaigns.waves import Wave
from channels import warming
from channels.models import ChannelConfiguration, Rule
from channels.pacing import MARGIN
from common.errors import Invalid

LONGEST_RUN = limits.LONGEST_RUN
NOT_REACHED = limits.NOT_REACHED

COUNT = """
WITH page AS MATERIALIZED ({people}), sent AS NOT MATERIALIZED ({sent})
SELECT m.action, COALESCE(m.why, ''), m.is_over, COALESCE(p.time_zone, ''), count(*)
FROM {looked} m JOIN audiences_profile p ON p.id = m.profile_id GROUP BY 1, 2, 3, 4
"""


@dataclass(frozen=True)
class Excluded:
    code: str
    label: str
    people: int


@dataclass
class OfAction:
    """One action's messages: how many would go, and why the others would not."""

    position: int
    channel: str
    reached: int = 0
    excluded: list[Excluded] = field(default_factory=list)

    @property
    def people(self) -> int:
        return self.reached + sum(one.people for one in self.excluded)


@dataclass(frozen=True)
class Cohort:
    """People who may be written to from one moment on."""

    starts_at: datetime
    people: int
    is_held: bool = False  # by quiet hours


@dataclass(frozen=True)
class Point:
    at: datetime
    sent: int


@dataclass
class Forecast:
    actions: list[OfAction]
    begins_at: datetime
    rate: float | None
    ends_at: datetime | None = None
    curve: list[Point] = field(default_factory=list)
    held: int = 0
    not_reached: int = 0

    @property
    def reached(self) -> int:
        return sum(one.reached for one in self.actions)

    @property
    def people(self) -> int:
        """Of all actions together, as the run counts them: whoever is left out of two stands in it twice."""
        return sum(one.people for one in self.actions)

    @property
    def everybody(self) -> int:
        """Each person once: the first action is tried for all of them."""
        return self.actions[0].people if self.actions else 0

    @property
    def lasts(self) -> timedelta | None:
        return self.ends_at - self.begins_at if self.ends_at else None


def forecast(campaign: Campaign, *, now: datetime) -> Forecast | None:
    """Of the next run of what is being written, or of what runs; None where nobody can be counted yet."""
    if campaign.type == Campaign.Type.API_TRIGGERED or campaign.audience is None:
        return None
    try:
        definition = versions.definition(campaign)
        slot = next_slot(campaign, now)
        counted = _count(campaign, definition, now, slot)
    except Invalid:
        return None
    run = Run(campaign=campaign, version=Version(campaign=campaign, definition=definition))
    run.due_at, run.wall_clock = slot.due_at, slot.wall_clock
    found = Forecast(_by_action(definition, counted), slot.due_at, pace(definition))
    cohorts, kept_back = _cohorts(run, counted)
    for action in found.actions:
        for code, people in kept_back.get(action.position, {}).items():
            action.reached -= people
            action.excluded.append(Excluded(code, str(REASON_LABELS[code]), people))
        action.excluded.sort(key=lambda one: -one.people)
    _flow(found, cohorts)
    return found


def next_slot(campaign: Campaign, now: datetime) -> Slot:
    table = schedule.of_draft(campaign)
    since, made = planning.began(campaign, now), planning.made(campaign)
    coming = schedule.upcoming(table, since=since, now=now, made=made, most=1)
    return coming[0] if coming else Slot(now)


Counted = list[tuple[int, str, bool, str, int]]  # action, reason, over a cap, time zone, people


def _count(campaign: Campaign, definition: dict[str, Any], now: datetime, slot: Slot) -> Counted:
    run = Run(campaign=campaign, version=Version(campaign=campaign, definition=definition), due_at=now)
    people, sent = fanout.statement(run, now)
    # What counts in a cap is what its window has seen when the run is due.
    looked = foreseen.looked(definition, campaign.workspace_id, max(now, slot.due_at))
    query = COUNT.format(people=people.sql, sent=sent.sql, looked=looked.sql)
    with connection.cursor() as cursor:
        cursor.execute(query, (*people.params, *sent.params, *looked.params))
        rows = cursor.fetchall()
    return [(int(at), str(why), bool(over), str(zone), int(count)) for at, why, over, zone, count in rows]


def _by_action(definition: dict[str, Any], counted: Counted) -> list[OfAction]:
    found = {one["position"]: OfAction(one["position"], one["channel"]) for one in definition["actions"]}
    reasons: dict[tuple[int, str], int] = {}
    for action, reason, _over, _zone, people in counted:
        if reason:
            reasons[action, reason] = reasons.get((action, reason), 0) + people
        else:
            found[action].reached += people
    for (action, code), people in sorted(reasons.items(), key=lambda item: -item[1]):
        found[action].excluded.append(Excluded(code, str(REASON_LABELS.get(code, code)), people))
    return list(found.values())


def pace(definition: dict[str, Any]) -> float | None:
    """Messages a second: the least of the campaign's own rate and its configurations'."""
    ids = [action["configuration"] for action in definition["actions"] if action["configuration"]]
    limits_of = ChannelConfiguration.objects.filter(pk__in=ids, pace__rate__gt=0)
    rates = [float(rate) for rate in limits_of.values_list("pace__rate", flat=True) if rate]
    return min([*rates, *([float(definition["rate"])] if definition.get("rate") else [])], default=None)


def _cohorts(run: Run, counted: Counted) -> tuple[list[Cohort], dict[int, Counter[str]]]:
    """Everybody who is reached, by wave and by the zone they live in; and by action whom the last look keeps
    back, and why: quiet hours are asked before the caps.
    """
    definition, found, kept_back = run.version.definition, list[Cohort](), dict[int, Counter[str]]()
    workspace, planned = run.campaign.workspace, waves.plan(definition, run)
    everybody = sum(people for _a, reason, _o, _z, people in counted if not reason)
    shares = _shares(planned, max(everybody, 1))
    rules = {
        one["position"]: foreseen.rules(definition, workspace.pk, one["channel"], Rule.Kind.QUIET)
        for one in definition["actions"]
    }
    for action, reason, is_over, zone, people in counted:
        if reason:
            continue
        local = schedule.local_send_at(definition, run, zone)
        before = Fraction(0)
        for wave, share in zip(planned, shares, strict=True):
            size = round(people * (before + share)) - round(people * before)
            before += share
            starts = local + (wave.starts_at - planned[0].starts_at)
            sleep = limits.asleep(rules[action], zone, workspace.time_zone, starts)
            ends = sleep.ends if sleep and sleep.is_queued else None
            if sleep is not None and ends is None:
                kept_back.setdefault(action, Counter())[limits.QUIET] += size
            elif is_over:
                kept_back.setdefault(action, Counter())[limits.OVER_CAP] += size
            else:
                found.append(Cohort(ends or starts, size, is_held=ends is not None))
    return [one for one in found if one.people], kept_back


def _shares(planned: list[Wave], people: int) -> list[Fraction]:
    """What part of everybody each wave takes; a number above what is left takes the rest."""
    shares: list[Fraction] = []
    for wave in planned:
        wanted = wave.share if wave.share is not None else Fraction(wave.count or 0, people)
        shares.append(min(wanted, 1 - sum(shares, Fraction(0))))
    return shares


def _flow(found: Forecast, cohorts: Iterable[Cohort]) -> None:
    """Lets the cohorts through at the pace and notes the bends of the curve."""
    queue = sorted(cohorts, key=lambda one: one.starts_at)
    if not queue:
        return
    rate, sent = found.rate, 0
    at = max(found.begins_at, queue[0].starts_at)
    found.curve = [Point(at, 0)]
    for one in queue:
        found.held += one.people if one.is_held else 0
        if one.starts_at > at:
            found.curve.append(Point(one.starts_at, sent))
            at = one.starts_at
        at += timedelta(seconds=one.people * MARGIN / rate) if rate else timedelta(0)
        sent += one.people
        found.curve.append(Point(at, sent))
    found.ends_at = at
    if rate and at - found.begins_at > LONGEST_RUN:
        found.not_reached = max(0, sent - _sent_by(found.curve, found.begins_at + LONGEST_RUN))


def _sent_by(curve: list[Point], moment: datetime) -> int:
    before = curve[0]
    for point in curve[1:]:
        if point.at > moment:
            part = (moment - before.at) / (point.at - before.at) if point.at > before.at else 0
            return before.sent + int((point.sent - before.sent) * max(part, 0))
        before = point
    return before.sent


def warnings(found: Forecast, campaign: Campaign) -> list[str]:
    """What the author should know before it goes."""
    said = []
    if campaign.rate and found.not_reached:
        message = _("It takes more than 12 hours: %(people)s people would be left out.")
        said.append(message % {"people": found.not_reached})
    for name, volume in _warm_ups(campaign, found.begins_at):
        message = _("The warm-up plan “%(name)s” lets at most %(volume)s messages leave that day.")
        said.append(message % {"name": name, "volume": volume})
    ends = campaign.ends_at
    if ends and found.ends_at and found.ends_at > ends:
        said.append(_("It would still be sending after the campaign's end."))
    return said


def _warm_ups(campaign: Campaign, at: datetime) -> list[tuple[str, int]]:
    """The plans that the next run falls under, each with the volume of its day."""
    used = [one["configuration"] for one in versions.definition(campaign)["actions"]]
    days = [warming.of(pk, at) for pk in used if pk]
    return [(day.plan.name, sum(day.volume.values())) for day in days if day]
