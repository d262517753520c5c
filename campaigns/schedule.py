"""When a campaign runs. A run is a row, unique per campaign and due time.

The schedule of a draft or a version is `starts_at` and `ends_at` (UTC) and this JSON, empty for “once”:

    {"zone": "Asia/Taipei",     the IANA name of the campaign's zone: rules are its wall clock
     "per_person": true,        everybody at that hour of their own zone (without a valid one: the campaign's)
     "rules": [{"every": "day" | "week" | "month", "interval": 1, "at": "09:00",
                "weekdays": ["mon", …], "nth": 0, "days": [1, -1]}],      see recurrence.Rule
     "occurrences": 12}         runs at most, missed ones included

Without rules it runs once: at `starts_at`, or when it is activated. With rules it begins on the day of
`starts_at`, or of its activation, and ends at `ends_at`, that moment included. A run that starts more than
LATEST after its time is missed instead, whatever the rule; then the next one is planned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from campaigns import recurrence
from campaigns.models import Campaign, Run
from campaigns.recurrence import Moment, Rule
from common.errors import Invalid, Problem

LATEST = timedelta(minutes=60)
EARLIEST_ZONE = timezone(timedelta(hours=14))
AHEAD = timedelta(days=366 * 9)  # far enough for the next 29 February
MOST_OCCURRENCES = 10_000
KEYS = {"zone", "per_person", "rules", "occurrences"}
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Slot:
    """One time of the schedule. `due_at` is when its run begins: for each person's zone, in the first one."""

    due_at: datetime
    moment: Moment | None = None

    @property
    def wall_clock(self) -> str:
        """As the run keeps it; empty for a run at activation."""
        return self.moment.wanted.isoformat(timespec="seconds") if self.moment else ""


@dataclass(frozen=True)
class Timetable:
    zone: ZoneInfo
    per_person: bool = False
    rules: tuple[Rule, ...] = ()
    occurrences: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    @property
    def is_recurring(self) -> bool:
        return bool(self.rules)

    def slots(self, *, since: datetime) -> Iterator[Slot]:
        """Every slot inside start and end; `since` is the activation, where there is no start."""
        if not self.rules:
            yield self._once(since)
            return
        begins = self.starts_at or since
        first = begins.astimezone(self.zone).replace(tzinfo=None)
        last = self.ends_at.astimezone(self.zone).replace(tzinfo=None) if self.ends_at else first + 10 * AHEAD
        times = recurrence.wall_clock(self.rules, since=first, until=last + timedelta(days=1))
        for moment in recurrence.moments(times, self.zone):
            if self.ends_at and moment.at > self.ends_at:
                return
            if moment.at >= begins:
                yield Slot(self._due(moment), moment)

    def _once(self, since: datetime) -> Slot:
        if self.starts_at is None:
            return Slot(since)
        local = self.starts_at.astimezone(self.zone)
        wanted = local.replace(tzinfo=None, fold=0)
        moment = Moment(self.starts_at.astimezone(UTC), wanted, local.utcoffset() or timedelta())
        # Whoever lives further east than the hour allows gets it at once; nobody is left out.
        return Slot(max(self._due(moment), since) if self.per_person else self.starts_at, moment)

    def _due(self, moment: Moment) -> datetime:
        return moment.wanted.replace(tzinfo=EARLIEST_ZONE) if self.per_person else moment.at

    def after(self, moment: datetime, *, since: datetime) -> Iterator[Slot]:
        """The slots that are due later than the moment, as far ahead as one can look."""
        for slot in self.slots(since=since):
            if slot.due_at > moment + AHEAD:
                return
            if slot.due_at > moment:
                yield slot


def timetable(schedule: dict[str, Any], starts_at: datetime | None, ends_at: datetime | None) -> Timetable:
    """Raises Invalid where the JSON is not what `clean` lets through."""
    return Timetable(
        zone=recurrence.zone_named(schedule.get("zone") or "UTC") or ZoneInfo("UTC"),
        per_person=bool(schedule.get("per_person")),
        rules=recurrence.read(schedule.get("rules", [])),
        occurrences=schedule.get("occurrences"),
        starts_at=starts_at,
        ends_at=ends_at,
    )


def of_draft(campaign: Campaign) -> Timetable:
    return timetable({**frozen(campaign), **_zone(campaign)}, campaign.starts_at, campaign.ends_at)


def frozen(campaign: Campaign) -> dict[str, Any]:
    """The schedule as a version keeps it: with the name of its zone, which a workspace may change later."""
    return {**_zone(campaign), **campaign.schedule} if campaign.schedule else {}


def _zone(campaign: Campaign) -> dict[str, str]:
    return {"zone": campaign.schedule.get("zone") or campaign.workspace.time_zone}


def of_version(definition: dict[str, Any]) -> Timetable:
    begins, ends = (definition.get(key) for key in ("starts_at", "ends_at"))
    return timetable(
        definition.get("schedule") or {},
        datetime.fromisoformat(begins) if begins else None,
        datetime.fromisoformat(ends) if ends else None,
    )


def clean(given: Any) -> dict[str, Any]:
    """The JSON as it is stored. Raises Invalid with a pointer per fault."""
    if not isinstance(given, dict):
        raise Invalid(Problem("bad_schedule", _("This must be an object."), "/schedule"))
    problems = [
        Problem("unknown", _("This is not known here."), f"/schedule/{key[:40]}")
        for key in sorted(set(map(str, given)) - KEYS)
    ]
    name, most = given.get("zone") or "", given.get("occurrences")
    if not isinstance(name, str) or (name and recurrence.zone_named(name) is None):
        detail = _("“%(name)s” is not a time zone. Give an IANA name such as Asia/Taipei.")
        problems.append(Problem("bad_zone", detail % {"name": str(name)[:64]}, "/schedule/zone"))
    if most is not None and not (type(most) is int and 1 <= most <= MOST_OCCURRENCES):
        detail = _("This must be a whole number from 1 to %(most)s.") % {"most": MOST_OCCURRENCES}
        problems.append(Problem("bad_occurrences", detail, "/schedule/occurrences"))
    if not isinstance(given.get("per_person", False), bool):
        problems.append(Problem("bad_per_person", _("This is either on or off."), "/schedule/per_person"))
    rules: tuple[Rule, ...] = ()
    try:
        rules = recurrence.read(given.get("rules", []))
    except Invalid as error:
        problems += error.problems
    if problems:
        raise Invalid(problems)
    kept: dict[str, Any] = {"zone": name} if name else {}
    if given.get("per_person"):
        kept["per_person"] = True
    if rules:
        kept["rules"] = [rule.as_json() for rule in rules]
        if most is not None:
            kept["occurrences"] = most
    return kept


def upcoming(
    table: Timetable, *, since: datetime, now: datetime, made: int = 0, most: int = 10
) -> list[Slot]:
    """The next sends, at most as many as the schedule has left."""
    left = most if table.occurrences is None else min(most, max(table.occurrences - made, 0))
    if not table.is_recurring:
        slot = next(iter(table.slots(since=now)))
        return [slot] if not made else []
    return list(islice(table.after(now - INSTANT, since=since), left))


def local_send_at(definition: dict[str, Any], run: Run, zone_name: str) -> datetime:
    """When a person of this zone gets it; one without a valid zone is of the campaign's."""
    table = of_version(definition)
    if not table.per_person or not run.wall_clock:
        return run.due_at
    zone = recurrence.zone_named(zone_name) if zone_name else None
    return recurrence.in_zone(datetime.fromisoformat(run.wall_clock), zone or table.zone).at


def window(campaign: Campaign) -> tuple[datetime | None, datetime | None]:
    """From when until when what is live takes calls."""
    if campaign.is_being_modified and campaign.live_version:  # the columns are the new version's
        table = of_version(campaign.live_version.definition)
        return table.starts_at, table.ends_at
    return campaign.starts_at, campaign.ends_at


def is_open(campaign: Campaign, now: datetime) -> bool:
    """Whether `now` lies inside the campaign's window."""
    starts, ends = window(campaign)
    return (starts is None or starts <= now) and (ends is None or now < ends)
