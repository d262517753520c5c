"""Recurring times: rules over the wall clock, and what a zone makes of each.

A rule is expanded as naive local times by dateutil's rrule (RFC 5545), and only then does the zone turn each
into a moment: 09:00 stays 09:00 on both sides of a change of the clocks. A time that does not exist that day
(the clocks jump over it) happens once, as much later as they jump; one that comes twice happens the first
time. Weeks begin on Monday; a month without the day that a rule names is left out.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil import rrule
from django.utils.translation import gettext as _

from common.errors import Invalid, Problem, pointer_to

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY: dict[str, Literal[1, 2, 3]] = {"day": rrule.DAILY, "week": rrule.WEEKLY, "month": rrule.MONTHLY}
GAP, TWICE = "gap", "twice"
MOST_RULES, LONGEST_INTERVAL = 10, 99
CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
# No zone moves its clocks by more: a time this much later cannot come to lie before an earlier one.
SETTLED = timedelta(days=1)


@dataclass(frozen=True)
class Rule:
    """One frequency: every `interval` days, weeks or months at a clock time.

    `weekdays` are 0 (Monday) to 6; with `nth` (1 to 4, or -1 for the last) they are weekdays of the month.
    `days` are days of the month, -1 the last. Without either a week or month repeats the day it began on.
    """

    every: str
    at: time
    interval: int = 1
    weekdays: tuple[int, ...] = ()
    nth: int = 0
    days: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "every": self.every,
            "interval": self.interval,
            "at": f"{self.at:%H:%M}",
            "weekdays": [WEEKDAYS[day] for day in self.weekdays],
            "nth": self.nth,
            "days": list(self.days),
        }


def read(given: Any, place: Sequence[object] = ("schedule", "rules")) -> tuple[Rule, ...]:
    """The rules of plain JSON, as `Rule.as_json` writes them. Raises Invalid with a pointer per fault."""
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise Invalid(Problem("bad_rules", _("This must be a list of rules."), pointer_to(*place)))
    if len(given) > MOST_RULES:
        detail = _("At most %(most)s rules can stand here.") % {"most": MOST_RULES}
        raise Invalid(Problem("too_many_rules", detail, pointer_to(*place)))
    problems: list[Problem] = []
    rules = [_rule(one, [*place, at], problems) for at, one in enumerate(given)]
    if problems:
        raise Invalid(problems)
    return tuple(rules)


def _rule(given: dict[str, Any], place: list[object], problems: list[Problem]) -> Rule:
    def wrong(key: str, detail: str) -> None:
        problems.append(Problem(f"bad_{key}", detail, pointer_to(*place, key)))

    every, at = given.get("every"), given.get("at")
    if not isinstance(every, str) or every not in EVERY:
        wrong("every", _("Choose one of: %(choices)s.") % {"choices": ", ".join(EVERY)})
    if not isinstance(at, str) or not CLOCK.fullmatch(at):
        wrong("at", _("Write the time like 09:30."))
    if not _is_number(interval := given.get("interval", 1), 1, LONGEST_INTERVAL):
        wrong("interval", _("This must be a whole number from 1 to %(most)s.") % {"most": LONGEST_INTERVAL})
    if not _all(weekdays := given.get("weekdays", []), lambda day: day in WEEKDAYS):
        wrong("weekdays", _("Choose from: %(choices)s.") % {"choices": ", ".join(WEEKDAYS)})
    if not _all(days := given.get("days", []), lambda day: _is_number(day, 1, 31) or _is_number(day, -1, -1)):
        wrong("days", _("Days of the month are 1 to 31, or -1 for the last."))
    if not (_is_number(nth := given.get("nth", 0), 0, 4) or _is_number(nth, -1, -1)):
        wrong("nth", _("Choose 1 to 4, or -1 for the last."))
    for key in sorted(set(given) - {"every", "at", "interval", "weekdays", "nth", "days"}):
        wrong(key[:40], _("This is not known here."))
    if problems:
        return Rule("day", time())
    is_monthly = every == "month"
    return Rule(
        every=str(every),
        at=time.fromisoformat(str(at)),
        interval=interval,
        weekdays=tuple(sorted({WEEKDAYS.index(day) for day in weekdays})) if every != "day" else (),
        nth=nth if is_monthly and weekdays else 0,
        days=tuple(sorted(set(days))) if is_monthly and not (nth and weekdays) else (),
    )


def _is_number(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _all(values: Any, fits: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str | int) and fits(value) for value in values)


def wall_clock(rules: Iterable[Rule], *, since: datetime, until: datetime) -> Iterator[datetime]:
    """The naive local times of all rules together, ascending; the first day is `since`'s."""
    together = rrule.rruleset()
    for rule in rules:
        together.rrule(
            rrule.rrule(
                EVERY[rule.every],
                dtstart=datetime.combine(since.date(), rule.at),
                interval=rule.interval,
                until=until,
                wkst=rrule.MO,
                byweekday=[rrule.weekday(day, rule.nth or None) for day in rule.weekdays] or None,
                bymonthday=rule.days or None,
            )
        )
    return iter(together)


@dataclass(frozen=True, order=True)
class Moment:
    """A wall-clock time in a zone: `at` in UTC; `change` is GAP, TWICE or empty."""

    at: datetime
    wanted: datetime
    offset: timedelta
    change: str = ""


def in_zone(wanted: datetime, zone: ZoneInfo) -> Moment:
    """RFC 5545, 3.3.5: in a gap the offset from before it holds; of two the first is meant."""
    local = wanted.replace(tzinfo=zone, fold=0)
    at = local.astimezone(UTC)
    there = at.astimezone(zone)
    change = ""
    if there.replace(tzinfo=None) != wanted:
        change = GAP
    elif local.utcoffset() != local.replace(fold=1).utcoffset():
        change = TWICE
    return Moment(at, wanted, there.utcoffset() or timedelta(), change)


def moments(times: Iterable[datetime], zone: ZoneInfo) -> Iterator[Moment]:
    """Each moment once and in order, although a gap can push one to, or past, the one after it."""
    waiting: list[Moment] = []
    last: datetime | None = None
    for wanted in times:
        latest = in_zone(wanted, zone)
        heapq.heappush(waiting, latest)
        while waiting[0].at < latest.at - SETTLED:
            if (found := heapq.heappop(waiting)).at != last:
                last = found.at
                yield found
    while waiting:
        if (found := heapq.heappop(waiting)).at != last:
            last = found.at
            yield found


@lru_cache(maxsize=1000)
def zone_named(name: str) -> ZoneInfo | None:
    """The IANA zone, or None: an unknown name is no reason to send nothing."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
