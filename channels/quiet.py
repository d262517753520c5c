"""Quiet hours: up to five periods of a week or of certain dates, in a zone.

A period is plain JSON: `{"days": [0…6]}` (Monday is 0) or `{"dates": ["2026-12-24", …]}`, and for a slot
`{"start": "21:00", "end": "09:00"}`; without one it is all day. A slot that ends before it starts crosses
midnight and belongs to the day it starts. A slot's start in the hour that clocks skip moves on with them; its
end in the hour that comes twice is the second one: in doubt it stays quiet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.utils.translation import gettext as _

from common.errors import Invalid, Problem

MOST_PERIODS, MOST_DATES = 5, 60
CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]\Z")
LONGEST_RUN = 400  # periods in a row, before we say that it never ends
KEYS = {"days", "dates", "start", "end"}


@dataclass(frozen=True)
class Period:
    """`start` None is all day."""

    days: frozenset[int]
    dates: frozenset[date]
    start: time | None
    end: time | None

    def falls_on(self, day: date) -> bool:
        return day.weekday() in self.days or day in self.dates


def periods_of(given: Sequence[Mapping[str, Any]]) -> tuple[Period, ...]:
    """Of what `cleaned` has let through."""
    return tuple(
        Period(
            frozenset(one.get("days", ())),
            frozenset(map(date.fromisoformat, one.get("dates", ()))),
            _clock(one.get("start")),
            _clock(one.get("end")),
        )
        for one in given
    )


def _clock(text: str | None) -> time | None:
    return time.fromisoformat(text) if text else None


def ends_at(periods: Sequence[Period], zone: str, now: datetime) -> datetime | None:
    """When the quiet that `now` lies in ends, in UTC; None when it is not quiet. Raises OverflowError when
    it never ends.
    """
    local, at = zone_of(zone), now
    for _turn in range(LONGEST_RUN):
        ends = [end for start, end in _around(periods, local, at) if start <= at < end]
        if not ends:
            return at if at > now else None
        at = max(ends)
    raise OverflowError("these quiet hours never end")


def _around(periods: Sequence[Period], local: ZoneInfo, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The slots that begin on the local day of `at` or on the day before, as UTC."""
    today = at.astimezone(local).date()
    for day in (today - timedelta(days=1), today):
        for period in periods:
            if period.falls_on(day):
                start = period.start or time.min
                end = period.end or time.min
                last = day if start < end else day + timedelta(days=1)
                yield _moment(day, start, local, fold=0), _moment(last, end, local, fold=1)


def _moment(day: date, clock: time, local: ZoneInfo, *, fold: int) -> datetime:
    """In the hour that comes twice `fold` chooses; in the hour that is skipped, the time moved on."""
    wall = datetime.combine(day, clock, tzinfo=local)
    first, second = wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC)
    return max(first, second) if fold or second < first else first


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=4096)
def known_zone(*names: str) -> str:
    """The first of the names that is a zone; UTC when none is."""
    for name in names:
        try:
            if name and zone_of(name):
                return name
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return "UTC"


# ---- what people enter --------------------------------------------------------------------------
def cleaned(given: Any) -> list[dict[str, Any]]:
    """The periods in their one form. Raises Invalid with pointers below `periods`."""
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_PERIODS:
        detail = _("Give 1 to %(most)s periods.") % {"most": MOST_PERIODS}
        raise Invalid(Problem("bad_periods", detail, "periods"))
    return [_period(one, f"periods/{place}") for place, one in enumerate(given)]


def _period(given: Any, pointer: str) -> dict[str, Any]:
    def refuse(detail: str) -> Invalid:
        return Invalid(Problem("bad_period", detail, pointer))

    if not isinstance(given, dict) or set(given) - KEYS:
        raise refuse(_("A period has days or dates, and a start and an end or neither."))
    days, dates = given.get("days") or [], given.get("dates") or []
    if bool(days) == bool(dates):
        raise refuse(_("Choose days of the week, or give dates."))
    found: dict[str, Any] = {"days": _days(days, refuse)} if days else {"dates": _dates(dates, refuse)}
    start, end = given.get("start") or "", given.get("end") or ""
    if bool(start) != bool(end):
        raise refuse(_("Give both a start and an end, or neither for the whole day."))
    if start:
        if not all(isinstance(one, str) and CLOCK.match(one) for one in (start, end)) or start == end:
            raise refuse(_("Write the start and the end like 21:00, and not the same twice."))
        found |= {"start": start, "end": end}
    return found


def _days(given: Any, refuse: Any) -> list[int]:
    if not isinstance(given, list) or not all(type(day) is int and 0 <= day <= 6 for day in given):
        raise refuse(_("Days are numbers from 0 (Monday) to 6 (Sunday)."))
    return sorted(set(given))


def _dates(given: Any, refuse: Any) -> list[str]:
    try:
        if not isinstance(given, list) or len(given) > MOST_DATES:
            raise ValueError
        return sorted({date.fromisoformat(str(one)).isoformat() for one in given})
    except ValueError:
        detail = _("Give at most %(most)s dates like 2026-12-24.") % {"most": MOST_DATES}
        raise refuse(detail) from None


def cleaned_zone(name: str, pointer: str) -> str:
    if name and name not in available_timezones():
        detail = _("“%(name)s” is not a time zone. Give an IANA name such as Asia/Taipei.")
        raise Invalid(Problem("bad_zone", detail % {"name": name[:80]}, pointer))
    return name
