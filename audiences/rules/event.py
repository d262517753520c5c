"""{"event": "purchase", "op": "at_least", "count": 2, "days": 30, "where": [{"property": …}]}.

What people did, as other systems told us.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from audiences.query import Query
from audiences.rules import counting, operators
from audiences.rules.counting import Count
from audiences.rules.fields import BOOLEAN, NUMBER, TEXT
from audiences.rules.phrases import phrase, times, within
from audiences.rules.reading import Reader, Value
from audiences.rules.scope import Scope

KEYS: tuple[str, ...] = ("event", "op", "count", "days", "where")
NAME = re.compile(r"[a-z][a-z0-9_.]{0,62}")
PROPERTY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
MAX_WHERE = 10
# A property has no definition; the type of the value it is compared with is its type.
PROPERTY_OPERATORS: dict[str, tuple[str, ...]] = {
    TEXT: ("is", "is_not", "contains", "not_contains", "starts_with", "ends_with"),
    NUMBER: ("is", "is_not", "less_than", "greater_than"),
    BOOLEAN: ("is",),
}


@dataclass(frozen=True)
class OfProperty:
    key: str
    type: str
    op: str
    value: Value


@dataclass(frozen=True)
class OfEvent:
    name: str
    count: Count
    where: tuple[OfProperty, ...]


def read(raw: dict[str, Any], reader: Reader, pointer: str) -> OfEvent | None:
    before, name = len(reader.problems), raw["event"]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        detail = _("An event's name has small letters, digits, _ and ., and is at most 63 long.")
        reader.fault("rule_bad_event", detail, f"{pointer}/event")
    count = counting.read(raw, reader, pointer)
    where = _where(raw.get("where", []), reader, f"{pointer}/where")
    if count is None or len(reader.problems) > before:
        return None
    return OfEvent(name, count, tuple(one for one in where if one))


def _where(raw: Any, reader: Reader, pointer: str) -> list[OfProperty | None]:
    if not isinstance(raw, list) or len(raw) > MAX_WHERE:
        detail = _("“where” is a list of at most %(most)s conditions.") % {"most": MAX_WHERE}
        reader.fault("rule_too_large", detail, pointer)
        return []
    return [_property(item, reader, f"{pointer}/{place}") for place, item in enumerate(raw)]


def _property(raw: Any, reader: Reader, pointer: str) -> OfProperty | None:
    if not isinstance(raw, dict):
        reader.fault("rule_not_object", _("Here stands no condition and no group."), pointer)
        return None
    if not reader.knows_keys(raw, ("property", "op", "value"), pointer):
        return None
    key, given = raw.get("property"), raw.get("value")
    if not isinstance(key, str) or not PROPERTY.fullmatch(key):
        detail = _("A property's name has letters, digits, _, - and ., and is at most 63 long.")
        reader.fault("rule_bad_property", detail, f"{pointer}/property")
        return None
    type = BOOLEAN if isinstance(given, bool) else NUMBER if isinstance(given, int | float) else TEXT
    value = reader.value(type, given, f"{pointer}/value")
    if value is None:
        return None
    op = reader.choice(raw.get("op"), PROPERTY_OPERATORS[type], "rule_unknown_operator", f"{pointer}/op")
    return OfProperty(key, type, op, value) if op else None


def sql(asked: OfEvent, scope: Scope) -> Query:
    rows = Query(
        "FROM audiences_profileevent e WHERE e.workspace_id = %s AND e.name = %s AND ",
        (scope.workspace.pk, asked.name),
    ) + counting.window(asked.count, scope.zone)
    for one in asked.where:
        operand = operators.of_json("e.properties", one.key, one.type)
        rows += Query(" AND ") + operators.compare(operand, one.op, (one.value,), scope.zone)
    return counting.happened(asked.count, rows)


def words(asked: OfEvent, scope: Scope) -> str:
    words = {"event": asked.name, "times": "", "when": within(asked.count.days)}
    if asked.count.is_never:
        text = _("did not do “%(event)s” %(when)s")
    else:
        text = _("did “%(event)s” %(times)s %(when)s")
        words["times"] = times(asked.count.op, asked.count.number)
    if not asked.where:
        return text % words
    conditions = [phrase(one.key, one.op, (one.value,), scope.zone) for one in asked.where]
    joined = pgettext("between conditions", " and ").join(conditions)
    return _("%(did)s, where %(conditions)s") % {"did": text % words, "conditions": joined}
