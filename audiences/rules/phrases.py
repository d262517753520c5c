"""The words of operators and values, in the reader's language."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audiences.rules.reading import Value
from common.wording import listed

PHRASES: dict[str, Any] = {
    "is": gettext_lazy("%(field)s is %(value)s"),
    "is_not": gettext_lazy("%(field)s is not %(value)s"),
    "one_of": gettext_lazy("%(field)s is one of %(value)s"),
    "not_one_of": gettext_lazy("%(field)s is none of %(value)s"),
    "contains": gettext_lazy("%(field)s contains %(value)s"),
    "not_contains": gettext_lazy("%(field)s does not contain %(value)s"),
    "starts_with": gettext_lazy("%(field)s starts with %(value)s"),
    "ends_with": gettext_lazy("%(field)s ends with %(value)s"),
    "less_than": gettext_lazy("%(field)s is less than %(value)s"),
    "greater_than": gettext_lazy("%(field)s is greater than %(value)s"),
    "before": gettext_lazy("%(field)s is before %(value)s"),
    "after": gettext_lazy("%(field)s is after %(value)s"),
    "between": gettext_lazy("%(field)s is between %(low)s and %(high)s"),
    "in_last": gettext_lazy("%(field)s is in the last %(value)s days"),
    "in_next": gettext_lazy("%(field)s is in the next %(value)s days"),
    "anniversary": gettext_lazy("%(field)s has its anniversary within %(value)s days"),
    "has_any": gettext_lazy("%(field)s has any of %(value)s"),
    "has_all": gettext_lazy("%(field)s has all of %(value)s"),
    "has_none": gettext_lazy("%(field)s has none of %(value)s"),
    "is_empty": gettext_lazy("%(field)s is empty"),
    "is_not_empty": gettext_lazy("%(field)s is not empty"),
}
SHOWN = 10  # values of a long list that a sentence names


def phrase(field: str, op: str, values: tuple[Value, ...], zone: str) -> str:
    shown = [word(value, zone) for value in values[:SHOWN]]
    several = listed(shown)
    if len(values) > SHOWN:
        more = ngettext("%(listed)s and %(num)s more", "%(listed)s and %(num)s more", len(values) - SHOWN)
        several = more % {"listed": several, "num": len(values) - SHOWN}
    words = {
        "field": field,
        "value": several,
        "low": shown[0] if shown else "",
        "high": shown[-1] if shown else "",
    }
    return str(PHRASES[op] % words)


def word(value: Value, zone: str) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int | float):
        return str(number_format(int(value) if value == int(value) else value))
    if isinstance(value, str):
        return _("“%(text)s”") % {"text": value}
    if isinstance(value, datetime):
        return str(date_format(value.astimezone(ZoneInfo(zone)), "DATETIME_FORMAT"))
    return str(date_format(value, "DATE_FORMAT"))


def within(days: int | None) -> str:
    """“in the last 30 days”, or “ever”."""
    if days is None:
        return _("ever")
    if days == 0:
        return _("today")
    return ngettext("in the last %(num)s day", "in the last %(num)s days", days) % {"num": days}


COUNTS: dict[str, Any] = {
    "at_least": gettext_lazy("at least %(times)s"),
    "at_most": gettext_lazy("at most %(times)s"),
    "exactly": gettext_lazy("exactly %(times)s"),
}


def times(op: str, count: int) -> str:
    """“at least 2 times”."""
    number = ngettext("%(num)s time", "%(num)s times", count) % {"num": count}
    return str(COUNTS[op] % {"times": number})
