"""What a rule means, said once more in plain Python: the yardstick of the matrix and of the random rules."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

MISSING = object()
# What may stand in the attributes, under a key of whatever type.
STORED: list[Any] = [
    MISSING,
    None,
    *(
        "",
        " ",
        "Taipei",
        "taipei",
        "Tai",
        "臺北市",
        "臺北",
        "50%_off",
        "50xxoff",
        "a\\b",
        "é",
        "E\u0301",
        "5",
        "true",
    ),
    *(0, 5, -1.5, 20.5, 21, 99_999_999_999_999, True, False),
    *(
        "2024-02-29",
        "2025-02-29",
        "2026-02-30",
        "2026-01-31",
        "2026-02-01",
        "20260131",
        "0000-01-01",
        "9999-12-31",
    ),
    *("2026-01-31T10:00:00Z", "2026-01-31T10:00:00+08:00", "2024-02-28T20:00:00Z", "2025-13-01T00:00:00Z"),
    *([], ["a"], ["a", "b"], ["b", "臺"], [1], {"a": 1}, {}),
]
# What may be asked for.
ASKED: dict[str, list[Any]] = {
    "text": ["Taipei", "TAI", "臺", "%", "_", "\\", "", "5", "é", "x' OR 1=1 --", "%s"],
    "choice": ["Taipei", "臺北市", "", "5"],
    "number": [0, 5, -1.5, 20.5, 21.0, 1e14, -1e14, 0.1],
    "boolean": [True, False],
    "date": ["2024-02-29", "2026-01-31", "2026-02-01", "0001-01-01", "9999-12-31"],
    "datetime": ["2026-01-31T10:00:00Z", "2026-01-31T18:00:00+08:00", "2026-01-31T10:00", "2024-02-29 00:00"],
    "list": ["a", "b", "臺", "zzz", "1", ""],
}
DAYS = [0, 1, 10, 365]


def around(now: datetime, zone: ZoneInfo) -> Iterable[str]:
    """Days and moments near today, as they are stored."""
    today = now.astimezone(zone).date()
    for days in (-366, -365, -11, -10, -2, -1, 0, 1, 2, 9, 10, 11, 365):
        day = today + timedelta(days=days)
        yield day.isoformat()
        start = datetime.combine(day, time(), zone).astimezone(UTC)
        for moment in (start, start - timedelta(seconds=1)):
            yield stored_moment(moment)
    for seconds in (-60, 60):
        yield stored_moment(now + timedelta(seconds=seconds))


def stored_moment(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat() + "Z"


def typed(kind: str, stored: Any) -> Any:
    """The stored value as its type; None when it is missing or of another type."""
    if stored is MISSING or stored is None:
        return None
    if kind in ("text", "choice"):
        return stored if isinstance(stored, str) else json.dumps(stored, ensure_ascii=False)
    if kind == "number":
        return stored if isinstance(stored, int | float) and not isinstance(stored, bool) else None
    if kind == "boolean":
        return stored if isinstance(stored, bool) else None
    if kind == "list":
        return stored if isinstance(stored, list) else None
    if not isinstance(stored, str) or len(stored) != (10 if kind == "date" else 20):
        return None
    try:
        if kind == "date":
            return date.fromisoformat(stored)
        return datetime.strptime(stored, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def asked(kind: str, given: Any, zone: ZoneInfo) -> Any:
    if kind == "date":
        return date.fromisoformat(given)
    if kind == "datetime":
        moment = datetime.fromisoformat(given)
        return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return given


def meets(kind: str, op: str, given: Any, stored: Any, now: datetime, zone: ZoneInfo) -> bool:
    value = typed(kind, stored)
    contrary = {"is_not": "is", "not_one_of": "one_of", "not_contains": "contains", "has_none": "has_any"}
    if op in contrary:
        return not meets(kind, contrary[op], given, stored, now, zone)
    if op in ("is_empty", "is_not_empty"):
        return (value is None or value in ("", [])) == (op == "is_empty")
    if value is None:
        return False
    if op in ("in_last", "in_next", "anniversary"):
        return from_today(value, op, given, now, zone)
    if op in ("one_of", "has_any", "has_all"):
        wanted = [asked(kind, one, zone) for one in given]
        if op == "one_of":
            return value in wanted
        return (any if op == "has_any" else all)(one in value for one in wanted)
    if op == "between":
        low, high = (asked(kind, one, zone) for one in given)
        return bool(low <= value <= high)
    wanted = asked(kind, given, zone)
    if op in ("contains", "starts_with", "ends_with"):
        text, part = value.lower(), wanted.lower()
        found = {
            "contains": part in text,
            "starts_with": text.startswith(part),
            "ends_with": text.endswith(part),
        }
        return found[op]
    if op == "is":
        return bool(value == wanted)
    return bool(value < wanted if op in ("less_than", "before") else value > wanted)


def from_today(value: Any, op: str, days: int, now: datetime, zone: ZoneInfo) -> bool:
    today = now.astimezone(zone).date()
    day = value.astimezone(zone).date() if isinstance(value, datetime) else value
    if op == "anniversary":
        coming = [today + timedelta(days=n) for n in range(days + 1)]
        if (day.month, day.day) == (2, 29):
            return any(leap_day(one) for one in coming)
        return any((one.month, one.day) == (day.month, day.day) for one in coming)
    if isinstance(value, datetime):
        if op == "in_last":
            return today - timedelta(days=days) <= day and value <= now
        return value >= now.replace(microsecond=0) and day <= today + timedelta(days=days)
    if op == "in_last":
        return today - timedelta(days=days) <= day <= today
    return today <= day <= today + timedelta(days=days)


def leap_day(day: date) -> bool:
    """A day on which those born on 29 February celebrate."""
    tomorrow = day + timedelta(days=1)
    return (day.month, day.day) == (2, 29) or ((day.month, day.day), (tomorrow.month, tomorrow.day)) == (
        (2, 28),
        (3, 1),
    )


def questions(kind: str, op: str, zone: ZoneInfo) -> list[Any]:
    """Values to ask with this operator; [None] for one without a value."""
    from audiences.rules.fields import DAYS as OF_DAYS
    from audiences.rules.fields import EMPTY, LISTS

    if op in EMPTY:
        return [None]
    if op in OF_DAYS:
        return DAYS
    known = ASKED[kind]
    if op in LISTS:
        return [known[:1], known[:2], known[2:], known, known[-1:]]
    if op == "between":
        pairs = [(one, other) for one in known for other in known]
        return [[one, other] for one, other in pairs if asked(kind, one, zone) <= asked(kind, other, zone)]
    return known
