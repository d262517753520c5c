"""Sends a run in waves: so much of the audience at a time, some while apart.

    {"sizes": [40, 60],           a part of the audience each; without it they are equal
     "count": 4,                  how many, where they are equal
     "mode": "percent" | "number",
     "interval_minutes": 60,      between the starts, or instead
     "starts": ["2027-03-01T01:00:00+00:00", …]}      the start of each, for a campaign that runs once

Percent must make 100 together. With numbers, early waves may take everybody; who is left over gets nothing.
Who is in is settled once, at the run's start; consent is looked at again when each wave leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _

from campaigns.models import Run
from common.errors import Invalid, Problem

FEWEST, MOST = 2, 10
CLOSEST = timedelta(minutes=30)
LONGEST_MINUTES = 60 * 24 * 30
PERCENT, NUMBER = "percent", "number"
KEYS = {"sizes", "count", "mode", "interval_minutes", "starts"}


@dataclass(frozen=True)
class Wave:
    """`share` of the audience, or `count` people; `starts_at` as the campaign's own zone has it."""

    number: int
    share: Fraction | None
    count: int | None
    starts_at: datetime


def plan(definition: dict[str, Any], run: Run) -> list[Wave]:
    """The waves of a run, in order from 0; one with everybody where the campaign has none."""
    waves = definition.get("waves") or {}
    if not waves:
        return [Wave(0, Fraction(1), None, run.due_at)]
    count = count_of(waves)
    sizes: list[int] = waves.get("sizes") or []
    is_number = bool(sizes) and waves.get("mode") == NUMBER
    return [
        Wave(
            number=at,
            share=None if is_number else Fraction(sizes[at], 100) if sizes else Fraction(1, count),
            count=sizes[at] if is_number else None,
            starts_at=run.due_at + offset,
        )
        for at, offset in enumerate(offsets(waves, run.due_at))
    ]


def count_of(waves: dict[str, Any]) -> int:
    return len(waves.get("sizes") or waves.get("starts") or ()) or int(waves.get("count") or 0)


def offsets(waves: dict[str, Any], begins: datetime) -> list[timedelta]:
    """How much later than the run each wave starts."""
    if starts := waves.get("starts"):
        return [max(datetime.fromisoformat(start) - begins, timedelta(0)) for start in starts]
    step = timedelta(minutes=waves.get("interval_minutes") or 0)
    return [step * at for at in range(count_of(waves))]


def clean(given: Any) -> dict[str, Any]:
    """The JSON as it is stored: of the right shape. Raises Invalid with a pointer per fault."""
    if not isinstance(given, dict):
        raise Invalid(Problem("bad_waves", _("This must be an object."), "/waves"))
    if problems := list(_misshapen(given)):
        raise Invalid(problems)
    return {key: value for key, value in given.items() if value not in (None, [])}


def _misshapen(given: dict[str, Any]) -> Iterator[Problem]:
    for key in sorted(set(map(str, given)) - KEYS):
        yield Problem("unknown", _("This is not known here."), f"/waves/{key[:40]}")
    if given.get("mode", PERCENT) not in (PERCENT, NUMBER):
        detail = _("Choose one of: %(choices)s.") % {"choices": f"{PERCENT}, {NUMBER}"}
        yield Problem("bad_mode", detail, "/waves/mode")
    numbers = {"count": given.get("count"), "interval_minutes": given.get("interval_minutes")}
    for key, value in numbers.items():
        if value is not None and not _is_number(value, LONGEST_MINUTES):
            yield Problem(f"bad_{key}", _("This must be a whole number above 0."), f"/waves/{key}")
    sizes = given.get("sizes") or []
    if not isinstance(sizes, list) or not all(_is_number(size, 10**9) for size in sizes):
        yield Problem("bad_sizes", _("Every wave's size must be a whole number above 0."), "/waves/sizes")
    starts = given.get("starts") or []
    if not isinstance(starts, list) or not all(_is_moment(start) for start in starts):
        detail = _("Every wave's start must be a date and time with its offset from UTC.")
        yield Problem("bad_starts", detail, "/waves/starts")


def _is_number(value: Any, most: int) -> bool:
    return type(value) is int and 1 <= value <= most


def _is_moment(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).utcoffset() is not None
    except ValueError:
        return False


def faults(
    waves: dict[str, Any], *, begins: datetime | None, now: datetime, recurs: bool, per_person: bool
) -> Iterator[tuple[str, str]]:
    """(code, sentence) of what makes these waves impossible (2.67 and 2.68 of the catalogue)."""
    count, sizes, starts = count_of(waves), waves.get("sizes") or [], waves.get("starts") or []
    if not FEWEST <= count <= MOST:
        numbers = {"fewest": FEWEST, "most": MOST, "count": count}
        yield "waves_count", _("There must be %(fewest)s to %(most)s waves; these are %(count)s.") % numbers
    if sizes and waves.get("mode", PERCENT) == PERCENT and sum(sizes) != 100:
        detail = _("The waves make %(total)s %% together; it must be 100.")
        yield "waves_percent", detail % {"total": sum(sizes)}
    if not starts:
        if timedelta(minutes=waves.get("interval_minutes") or 0) < CLOSEST:
            yield "waves_too_close", _("Waves must start at least 30 minutes apart.")
        return
    if recurs or per_person:
        detail = _("Fixed starts fit a campaign that runs once in one time zone. Choose an interval.")
        yield "waves_fixed", detail
    if sizes and len(sizes) != len(starts):
        yield "waves_differ", _("There must be as many starts as sizes.")
    moments = [datetime.fromisoformat(start) for start in starts]
    if any(later - earlier < CLOSEST for earlier, later in pairwise(moments)):
        yield "waves_too_close", _("Waves must start at least 30 minutes apart.")
    if min(moments) < (begins or now):
        detail = _("A wave starts before the campaign does.") if begins else _("A wave starts in the past.")
        yield "waves_past", detail
