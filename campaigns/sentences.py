"""The schedule in words: when it goes, and what a change of the clocks does to each send; and what a text
comes to as SMS.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from campaigns import recurrence, waves
from campaigns.recurrence import Rule
from campaigns.schedule import Slot, Timetable
from channels.segments import Segments
from common.wording import listed

WEEKDAY_NAMES: tuple[Any, ...] = (
    gettext_lazy("Monday"),
    gettext_lazy("Tuesday"),
    gettext_lazy("Wednesday"),
    gettext_lazy("Thursday"),
    gettext_lazy("Friday"),
    gettext_lazy("Saturday"),
    gettext_lazy("Sunday"),
)
NTHS: dict[int, Any] = {
    1: gettext_lazy("first"),
    2: gettext_lazy("second"),
    3: gettext_lazy("third"),
    4: gettext_lazy("fourth"),
    -1: gettext_lazy("last"),
}


@dataclass(frozen=True)
class Send:
    """One of the next sends: `at` in the campaign's zone; `note` when the clocks matter to it."""

    slot: Slot
    at: datetime
    text: str
    note: str


def told(moment: datetime) -> str:
    return formats.date_format(moment, pgettext("date", "D j M Y, H:i"))


def sends(table: Timetable, slots: Iterable[Slot]) -> list[Send]:
    found: list[Send] = []
    before: timedelta | None = None
    for slot in slots:
        at = (slot.moment.at if slot.moment else slot.due_at).astimezone(table.zone)
        found.append(Send(slot, at, told(at), _note(slot, at, before)))
        before = at.utcoffset()
    return found


def _note(slot: Slot, at: datetime, before: timedelta | None) -> str:
    clock = {"wanted": f"{slot.moment.wanted:%H:%M}" if slot.moment else "", "at": f"{at:%H:%M}"}
    change = slot.moment.change if slot.moment else ""
    if change == recurrence.GAP:
        return _("The clocks go forward over %(wanted)s that day: it goes once, at %(at)s.") % clock
    if change == recurrence.TWICE:
        return _("%(wanted)s comes twice that day: it goes once, the first time.") % clock
    now = at.utcoffset()
    if before is None or now is None or now == before:
        return ""
    shift = int(abs(now - before).total_seconds() // 60)
    named = {"at": f"{at:%H:%M}", "minutes": shift}
    if now > before:
        return _("The clocks went forward by %(minutes)s minutes; it stays at %(at)s there.") % named
    return _("The clocks went back by %(minutes)s minutes; it stays at %(at)s there.") % named


def sentence(table: Timetable) -> str:
    """When it goes, as one reads it out."""
    zone = _("everybody's own time zone") if table.per_person else table.zone.key
    if not table.is_recurring:
        if table.starts_at is None:
            return _("Once, when it is activated.")
        return _("Once, on %(at)s, %(zone)s.") % {
            "at": told(table.starts_at.astimezone(table.zone)),
            "zone": zone,
        }
    parts = [_joined([rule_sentence(rule) for rule in table.rules]), str(zone)]
    if table.starts_at:
        parts.append(_("from %(at)s") % {"at": told(table.starts_at.astimezone(table.zone))})
    if table.ends_at:
        parts.append(_("until %(at)s") % {"at": told(table.ends_at.astimezone(table.zone))})
    if table.occurrences:
        most = ngettext("%(count)s time at most", "%(count)s times at most", table.occurrences)
        parts.append(most % {"count": table.occurrences})
    clauses = pgettext("between the clauses of a sentence", ", ").join(parts)
    return _("%(clauses)s.") % {"clauses": clauses}


def rule_sentence(rule: Rule) -> str:
    named = {"at": f"{rule.at:%H:%M}", "days": _days(rule), "interval": rule.interval}
    if rule.every == "day":
        one, many = _("Every day at %(at)s"), _("Every %(interval)s days at %(at)s")
    elif rule.every == "week":
        one, many = _("Every %(days)s at %(at)s"), _("Every %(interval)s weeks on %(days)s at %(at)s")
        if not rule.weekdays:
            one, many = _("Every week at %(at)s"), _("Every %(interval)s weeks at %(at)s")
    else:
        one = _("Every month on %(days)s at %(at)s")
        many = _("Every %(interval)s months on %(days)s at %(at)s")
        if not named["days"]:
            one, many = _("Every month at %(at)s"), _("Every %(interval)s months at %(at)s")
    return (one if rule.interval == 1 else many) % named


def _days(rule: Rule) -> str:
    weekdays = _joined([str(WEEKDAY_NAMES[day]) for day in rule.weekdays])
    if rule.nth:
        return _("the %(nth)s %(weekdays)s") % {"nth": NTHS[rule.nth], "weekdays": weekdays}
    days = [_("the last day") if day == -1 else _("day %(number)s") % {"number": day} for day in rule.days]
    return _joined([*days, *([weekdays] if weekdays else [])])


def _joined(words: list[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return _("%(first)s and %(last)s") % {
        "first": listed(words[:-1]),
        "last": words[-1],
    }


def waves_sentence(given: dict[str, Any]) -> str:
    """Empty where everybody is written to at once."""
    if not given:
        return ""
    count, sizes = waves.count_of(given), given.get("sizes")
    if not sizes:
        shares = ngettext("%(count)s equal wave", "%(count)s equal waves", count) % {"count": count}
    elif given.get("mode") == waves.NUMBER:
        shares = _("Waves of %(sizes)s people") % {"sizes": listed(sizes)}
    else:
        shares = _("Waves of %(sizes)s %%") % {"sizes": listed(sizes)}
    if given.get("starts"):
        return _("%(shares)s, each at its own time") % {"shares": shares}
    minutes = given.get("interval_minutes") or 0
    return _("%(shares)s, %(minutes)s minutes apart") % {"shares": shares, "minutes": minutes}


def sms(found: Segments) -> str:
    """Such as “2 SMS · UCS-2 · 91 characters, 43 left · because of 早鳥”."""
    named = {"units": found.units, "left": found.left}
    parts = [
        ngettext("%(num)s SMS", "%(num)s SMS", found.count) % {"num": found.count},
        found.encoding,
        _("%(units)s characters, %(left)s left") % named,
    ]
    if found.widest:
        parts.append(_("because of %(characters)s") % {"characters": found.widest[:10]})
    return " · ".join(parts)
