"""Reads single values out of a rule's JSON and keeps every fault with its place in the tree.

Each method returns None after it noted a fault. What comes out is safe to bind.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from audiences.rules.fields import BOOLEAN, DATE, DATE_TIME, NUMBER
from audiences.rules.scope import Scope
from common.errors import Invalid, Problem

MAX_LIST, MAX_TEXT, MAX_DAYS = 1000, 500, 36_500
Value = str | float | bool | date | datetime
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?")


def echo(given: Any) -> str:
    """As much of what was given as a message may repeat, and nothing that cannot be shown."""
    if isinstance(given, str):
        return "".join(letter if letter.isprintable() else "�" for letter in given[:80])
    if isinstance(given, list | dict):
        return "[…]" if isinstance(given, list) else "{…}"
    return str(given) if not isinstance(given, int) or abs(given) < 10**20 else "…"


class Reader:
    """`scope` says what there is to speak of; `count` is the number of nodes read so far."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.problems: list[Problem] = []
        self.count = 0

    def fault(self, code: str, detail: str, pointer: str) -> None:
        self.problems.append(Problem(code, detail, pointer))

    def finish(self) -> None:
        if self.problems:
            raise Invalid(self.problems)

    def knows_keys(self, raw: dict[str, Any], allowed: Iterable[str], pointer: str) -> bool:
        unknown = set(raw) - set(allowed)
        if unknown:
            detail = _("This condition has no “%(key)s”; it has: %(known)s.")
            words = {"key": echo(min(map(str, unknown))), "known": ", ".join(allowed)}
            self.fault("rule_unknown_key", detail % words, pointer)
        return not unknown

    def choice(self, given: Any, choices: Iterable[str], code: str, pointer: str) -> str | None:
        known = list(choices)
        if isinstance(given, str) and given in known:
            return given
        detail = _("“%(given)s” cannot stand here. Give one of: %(choices)s.")
        words = {"given": echo(given), "choices": ", ".join(known)}
        self.fault(code, detail % words, pointer)
        return None

    def whole(self, given: Any, least: int, most: int, code: str, pointer: str) -> int | None:
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        if is_number and least <= given <= most and given == int(given):
            return int(given)
        detail = _("Give a whole number from %(least)s to %(most)s.") % {"least": least, "most": most}
        self.fault(code, detail, pointer)
        return None

    def days(self, given: Any, most: int, pointer: str) -> int | None:
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        if is_number and 0 <= given <= most and given == given // 1:
            return int(given)
        self.fault("rule_bad_days", _("Give whole days from 0 to %(most)s.") % {"most": most}, pointer)
        return None

    def value(self, type: str, given: Any, pointer: str) -> Value | None:
        if type == BOOLEAN:
            if isinstance(given, bool):
                return given
            self.fault("rule_bad_value", _("Give true or false."), pointer)
            return None
        if type == NUMBER:
            return self.number(given, pointer)
        text = self.text(given, pointer)
        if text is None or type not in (DATE, DATE_TIME):
            return text
        return self.date(text, pointer) if type == DATE else self.moment(text, pointer)

    def values(self, type: str, given: Any, pointer: str) -> tuple[Value, ...] | None:
        """A list of 1 to MAX_LIST values. One that is too long is refused without being read."""
        if not isinstance(given, list) or not 0 < len(given) <= MAX_LIST:
            detail = _("Give a list of 1 to %(most)s values.") % {"most": MAX_LIST}
            self.fault("rule_too_large", detail, pointer)
            return None
        before = len(self.problems)
        found = [self.value(type, item, f"{pointer}/{place}") for place, item in enumerate(given)]
        return tuple(one for one in found if one is not None) if len(self.problems) == before else None

    def range(self, type: str, given: Any, pointer: str) -> tuple[Value, ...] | None:
        if not isinstance(given, list) or len(given) != 2:
            self.fault("rule_bad_range", _("“between” needs a list of two values."), pointer)
            return None
        found = self.values(type, given, pointer)
        if found and found[0] > found[1]:  # type: ignore[operator]
            self.fault("rule_bad_range", _("The first value must not be above the second."), pointer)
            return None
        return found

    def number(self, given: Any, pointer: str) -> float | None:
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        if is_number and abs(given) < 1e15 and math.isfinite(given):
            return float(given)
        self.fault("rule_bad_number", _("Give a number of ordinary size."), pointer)
        return None

    def text(self, given: Any, pointer: str) -> str | None:
        if not isinstance(given, str) or len(given) > MAX_TEXT:
            detail = _("Give a text of at most %(most)s characters.") % {"most": MAX_TEXT}
            self.fault("rule_bad_value", detail, pointer)
            return None
        if "\0" in given or any("\ud800" <= letter <= "\udfff" for letter in given):
            self.fault("bad_unicode", _("The text holds a character that cannot be stored."), pointer)
            return None
        return given

    def date(self, given: str, pointer: str) -> date | None:
        try:
            return date.fromisoformat(given)
        except ValueError:
            self.fault("rule_bad_date", _("Give a date such as 2026-11-23."), pointer)
            return None

    def moment(self, given: str, pointer: str) -> datetime | None:
        """In UTC; one without a zone is the workspace's time."""
        try:
            if not (given.isascii() and MOMENT.fullmatch(given)):
                raise ValueError(given)
            moment = datetime.fromisoformat(given)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=ZoneInfo(self.scope.zone))
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            detail = _("Give a date and time such as 2026-11-23T18:00 or 2026-11-23T10:00:00Z.")
            self.fault("rule_bad_datetime", detail, pointer)
            return None
