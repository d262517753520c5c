"""A checked rule as a sentence in the reader's language: “City is Taipei and (Tier is gold or …)”."""

from __future__ import annotations

from typing import Any

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from accounts.models import Workspace
from audiences.rules.fields import fields_of
from audiences.rules.grammar import Condition, Group, Value, parse

PHRASES: dict[str, Any] = {
    "is": gettext_lazy("%(field)s is %(value)s"),
    "is_not": gettext_lazy("%(field)s is not %(value)s"),
    "one_of": gettext_lazy("%(field)s is one of %(value)s"),
    "contains": gettext_lazy("%(field)s contains %(value)s"),
    "starts_with": gettext_lazy("%(field)s starts with %(value)s"),
    "less_than": gettext_lazy("%(field)s is less than %(value)s"),
    "greater_than": gettext_lazy("%(field)s is greater than %(value)s"),
    "before": gettext_lazy("%(field)s is before %(value)s"),
    "after": gettext_lazy("%(field)s is after %(value)s"),
    "between": gettext_lazy("%(field)s is between %(low)s and %(high)s"),
    "in_last": gettext_lazy("%(field)s is in the last %(value)s days"),
    "in_next": gettext_lazy("%(field)s is in the next %(value)s days"),
    "anniversary": gettext_lazy("%(field)s has its anniversary within %(value)s days"),
    "is_empty": gettext_lazy("%(field)s is empty"),
    "is_not_empty": gettext_lazy("%(field)s is not empty"),
}


def sentence(rule: Any, workspace: Workspace) -> str:
    """Raises Invalid as `grammar.parse` does."""
    group = parse(rule, fields_of(workspace))
    if not group.nodes:
        return _("Everybody in the workspace")
    return _group(group, outermost=True)


def _group(group: Group, *, outermost: bool = False) -> str:
    parts = [_group(node) if isinstance(node, Group) else _condition(node) for node in group.nodes]
    joiner = (
        pgettext("between conditions", " and ")
        if group.kind == "all"
        else pgettext("between conditions", " or ")
    )
    text = joiner.join(parts)
    if group.kind == "none":
        return _("none of these: %(conditions)s") % {"conditions": text}
    return text if outermost or len(parts) == 1 else _("(%(conditions)s)") % {"conditions": text}


def _condition(condition: Condition) -> str:
    shown = [_value(value) for value in condition.values]
    words = {"field": condition.field.label, "value": _(", ").join(shown)}
    if condition.op == "between":
        words |= {"low": shown[0], "high": shown[1]}
    return str(PHRASES[condition.op] % words)


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, float):
        return number_format(int(value) if value.is_integer() else value)
    if isinstance(value, str):
        return _("“%(text)s”") % {"text": value}
    return date_format(value, "DATE_FORMAT")
