"""{"field": …, "op": …, "value": …} as a line of a form."""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext as _

from audiences.forms.lines.parts import (
    YES_NO,
    Given,
    Input,
    Options,
    first,
    label_of,
    lines_of,
    typed,
    written,
)
from audiences.forms.lines.vocabulary import Vocabulary
from audiences.rules.fields import (
    BOOLEAN,
    CHOICE,
    DATE,
    DATE_TIME,
    DAYS,
    EMPTY,
    LISTS,
    NUMBER,
    OPERATORS,
    Field,
)
from audiences.rules.phrases import PHRASES

MOST_BOXES = 30  # choices shown as boxes to tick; more are written one per line
# What the browser's own inputs show as it was given; anything else stands in a plain one.
PATTERNS = {DATE: r"\d{4}-\d\d-\d\d", DATE_TIME: r"\d{4}-\d\d-\d\dT\d\d:\d\d"}
WIDGETS = {DATE: "date", DATE_TIME: "datetime-local"}


class OfField:
    """{"field": …, "op": …, "value": …}"""

    def subjects(self, known: Vocabulary) -> list[tuple[Any, Options]]:
        columns = [(f"field:{one.key}", one.label) for one in known.fields.values() if one.column]
        rest = [(f"field:{one.key}", one.label) for one in known.fields.values() if not one.column]
        return [(_("Profile"), columns), (_("Attributes"), rest)]

    def reads(self, what: str) -> bool:
        return what.startswith("field:")

    def read(self, raw: dict[str, Any], known: Vocabulary) -> Given | None:
        key = raw.get("field")
        if not isinstance(key, str) or key not in known.fields:
            return None
        given = {"what": [f"field:{key}"], "op": [str(raw.get("op", ""))]}
        if "value" in raw:
            value = raw["value"]
            given["value"] = [written(one) for one in (value if isinstance(value, list) else [value])]
        return given

    def write(self, given: Given, known: Vocabulary) -> Any:
        key, op = first(given, "what").removeprefix("field:"), first(given, "op")
        condition: dict[str, Any] = {"field": key, "op": op}
        if op in EMPTY:
            return condition
        field = known.fields.get(key)
        kind = NUMBER if op in DAYS else field.type if field else ""
        texts = given.get("value", [])
        if op in LISTS:
            value: Any = [typed(kind, text) for text in lines_of(texts)]
        elif op == "between":
            value = [typed(kind, text) for text in texts]
        else:
            value = typed(kind, first(given, "value"))
        return {**condition, "value": value}

    def settle(self, given: Given, known: Vocabulary) -> None:
        field = known.fields.get(first(given, "what").removeprefix("field:"))
        if field and first(given, "op") not in OPERATORS[field.type]:
            given["op"] = [OPERATORS[field.type][0]]
        op, texts = first(given, "op"), given.get("value", [])
        if op not in LISTS and any("\n" in text for text in texts):
            given["value"] = lines_of(texts)
        if op not in LISTS and op != "between":
            given["value"] = given.get("value", [])[:1]
        if field and field.type == BOOLEAN and first(given, "value") not in ("true", "false"):
            given["value"] = ["true"]

    def inputs(self, given: Given, known: Vocabulary) -> list[Input]:
        field = known.fields.get(first(given, "what").removeprefix("field:"))
        if field is None:
            return []
        op = first(given, "op")
        choices = [(name, label_of(PHRASES[name])) for name in OPERATORS[field.type]]
        shown = [Input("op", _("Condition"), "select", [op], choices, place="op", shows=True)]
        return shown + self._values(field, op, given.get("value", []), known)

    def _values(self, field: Field, op: str, texts: list[str], known: Vocabulary) -> list[Input]:
        if op in EMPTY:
            return []
        choices = known.choices.get(field.key, []) if field.type == CHOICE else []
        if op in LISTS:
            return [_list(lines_of(texts), choices)]
        one, other = [*texts, "", ""][:2]
        if op in DAYS:
            return [Input("value", _("Days"), "number", [one])]
        if op == "between":
            return [_box(field, _("From"), one), _box(field, _("To"), other)]
        if choices:
            options = [("", _("Choose …")), *((choice, choice) for choice in choices)]
            return [Input("value", _("Value"), "select", [one], options)]
        return [_box(field, _("Value"), one)]


def _list(values: list[str], choices: list[str]) -> Input:
    """Boxes to tick stand in the order of the rule, then in that of the attribute."""
    if choices and len(choices) <= MOST_BOXES:
        options = [(one, one) for one in dict.fromkeys([*values, *choices])]
        return Input("value", _("Values"), "checks", values, options)
    return Input("value", _("Values"), "lines", ["\n".join(values)], hint=_("One per line"))


def _box(field: Field, label: str, text: str) -> Input:
    """One value, in the input that fits its type and can show what was given."""
    if field.type == BOOLEAN:
        return Input("value", label, "select", [text], YES_NO)
    if field.type == NUMBER:
        return Input("value", label, "number", [text])
    if field.type in PATTERNS and (not text or re.fullmatch(PATTERNS[field.type], text)):
        return Input("value", label, WIDGETS[field.type], [text])
    return Input("value", label, "text", [text])
