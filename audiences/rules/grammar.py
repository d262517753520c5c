"""Reads a rule, checks every node and names each fault by its place in the tree.

    {"all": [{"field": "city", "op": "is", "value": "Taipei"}, {"any": [...]}, {"none": [...]}]}

The empty rule means everybody. What comes out is typed; `compile.py` and `describe.py` trust it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from audiences.rules.fields import BOOLEAN, DATE, DAYS, NUMBER, OPERATORS, Field
from common.errors import Invalid, Problem

GROUPS = ("all", "any", "none")
MAX_DEPTH, MAX_NODES, MAX_LIST, MAX_TEXT = 8, 200, 1000, 500
VALUELESS = ("is_empty", "is_not_empty")
Value = str | float | bool | date


@dataclass(frozen=True)
class Condition:
    """`values` holds no value for is_empty, two for between, any number for one_of, else one.

    For in_last, in_next and anniversary the value is a number of days.
    """

    field: Field
    op: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Group:
    kind: str  # all, any, none
    nodes: tuple[Condition | Group, ...]


EVERYBODY = Group("all", ())


def parse(rule: Any, fields: dict[str, Field]) -> Group:
    """Raises Invalid with every fault found; pointers are JSON pointers such as /all/0/value."""
    if not isinstance(rule, dict):
        raise Invalid(Problem("rule_not_object", _("A rule is an object such as {“all”: […]}."), ""))
    if not rule:
        return EVERYBODY
    reader = _Reader(fields)
    node = reader.node(rule, "", 1)
    if reader.problems:
        raise Invalid(reader.problems)
    assert node is not None
    return node if isinstance(node, Group) else Group("all", (node,))


class _Reader:
    def __init__(self, fields: dict[str, Field]) -> None:
        self.fields = fields
        self.problems: list[Problem] = []
        self.count = 0

    def fault(self, code: str, detail: str, pointer: str) -> None:
        self.problems.append(Problem(code, detail, pointer))

    def node(self, raw: Any, pointer: str, depth: int) -> Condition | Group | None:
        self.count += 1
        if self.count > MAX_NODES or depth > MAX_DEPTH:
            detail = _("A rule may hold %(nodes)s conditions in %(depth)s levels.")
            raise Invalid(
                Problem("rule_too_large", detail % {"nodes": MAX_NODES, "depth": MAX_DEPTH}, pointer)
            )
        if not isinstance(raw, dict):
            self.fault("rule_not_object", _("Here stands no condition and no group."), pointer)
            return None
        groups = [key for key in raw if key in GROUPS]
        if groups:
            return self.group(raw, groups[0], pointer, depth)
        return self.condition(raw, pointer)

    def group(self, raw: dict[str, Any], kind: str, pointer: str, depth: int) -> Group | None:
        if len(raw) != 1 or not isinstance(raw[kind], list):
            detail = _("A group has exactly one of all, any, none, with a list of conditions.")
            self.fault("rule_bad_group", detail, pointer)
            return None
        nodes = [
            self.node(item, f"{pointer}/{kind}/{place}", depth + 1) for place, item in enumerate(raw[kind])
        ]
        return Group(kind, tuple(node for node in nodes if node is not None))

    def condition(self, raw: dict[str, Any], pointer: str) -> Condition | None:
        if unknown := set(raw) - {"field", "op", "value"}:
            detail = _("A condition has field, op and value, not “%(key)s”.")
            self.fault("rule_unknown_key", detail % {"key": str(min(map(str, unknown)))[:80]}, pointer)
            return None
        name, op = raw.get("field"), raw.get("op")
        field = self.fields.get(name) if isinstance(name, str) else None
        if field is None:
            detail = _("There is no field “%(name)s”.") % {"name": str(name)[:80]}
            self.fault("rule_unknown_field", detail, f"{pointer}/field")
            return None
        if op not in OPERATORS[field.type]:
            detail = _("“%(name)s” can be asked: %(operators)s.")
            operators = ", ".join(OPERATORS[field.type])
            self.fault(
                "rule_unknown_operator", detail % {"name": name, "operators": operators}, f"{pointer}/op"
            )
            return None
        values = self.values(field, str(op), raw, f"{pointer}/value")
        return None if values is None else Condition(field, str(op), values)

    def values(self, field: Field, op: str, raw: dict[str, Any], pointer: str) -> tuple[Value, ...] | None:
        if op in VALUELESS:
            return ()
        given = raw.get("value")
        if op in DAYS:
            return self.days(given, DAYS[op], pointer)
        if op == "between" and not (isinstance(given, list) and len(given) == 2):
            self.fault("rule_bad_range", _("“between” needs a list of two values."), pointer)
            return None
        if op == "one_of":
            if not isinstance(given, list) or not 0 < len(given) <= MAX_LIST:
                detail = _("“one of” needs a list of 1 to %(most)s values.") % {"most": MAX_LIST}
                self.fault("rule_too_large", detail, pointer)
                return None
        elif op != "between":
            given = [given]
        assert isinstance(given, list)
        values = [self.value(field, item, pointer) for item in given]
        if any(value is None for value in values):
            return None
        checked = tuple(value for value in values if value is not None)
        if op == "between" and checked[0] > checked[1]:  # type: ignore[operator]
            self.fault("rule_bad_range", _("The first value must not be above the second."), pointer)
            return None
        return checked

    def value(self, field: Field, given: Any, pointer: str) -> Value | None:
        if field.type == BOOLEAN:
            if isinstance(given, bool):
                return given
            self.fault("rule_bad_value", _("Give true or false."), pointer)
            return None
        if field.type == NUMBER:
            return self.number(given, pointer)
        if not isinstance(given, str) or len(given) > MAX_TEXT:
            detail = _("Give a text of at most %(most)s characters.") % {"most": MAX_TEXT}
            self.fault("rule_bad_value", detail, pointer)
            return None
        if "\0" in given or any("\ud800" <= letter <= "\udfff" for letter in given):
            self.fault("bad_unicode", _("The text holds a character that cannot be stored."), pointer)
            return None
        return self.date(given, pointer) if field.type == DATE else given

    def number(self, given: Any, pointer: str) -> float | None:
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        if is_number and abs(given) < 1e15 and math.isfinite(given):
            return float(given)
        self.fault("rule_bad_number", _("Give a number of ordinary size."), pointer)
        return None

    def days(self, given: Any, most: int, pointer: str) -> tuple[Value, ...] | None:
        is_whole = isinstance(given, int | float) and not isinstance(given, bool) and given == given // 1
        if is_whole and 0 <= given <= most:
            return (float(given),)
        self.fault("rule_bad_days", _("Give whole days from 0 to %(most)s.") % {"most": most}, pointer)
        return None

    def date(self, given: str, pointer: str) -> date | None:
        try:
            return date.fromisoformat(given)
        except ValueError:
            self.fault("rule_bad_date", _("Give a date such as 2026-11-23."), pointer)
            return None
