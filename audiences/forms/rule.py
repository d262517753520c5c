"""A rule as a browser sends it: rows of field, operator, value, or JSON."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Workspace
from audiences.rules.describe import PHRASES
from audiences.rules.fields import BOOLEAN, DAYS, NUMBER, OPERATORS, Field, fields_of

ROWS = 5
LISTS = ("one_of", "between")


class RuleForm(forms.Form):
    """Some rows joined by all, any or none. What is nested deeper is written as JSON."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    match = forms.ChoiceField(
        label=gettext_lazy("People who match"),
        choices=[
            ("all", gettext_lazy("all of these")),
            ("any", gettext_lazy("any of these")),
            ("none", gettext_lazy("none of these")),
        ],
    )
    json = forms.CharField(
        label=gettext_lazy("Rule as JSON"),
        required=False,
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "spellcheck": "false"}),
        help_text=gettext_lazy("When something stands here, it counts instead of the rows."),
    )

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known = fields_of(workspace)
        operators = {operator: None for known in OPERATORS.values() for operator in known}
        blank = {"field": "", "value": ""}
        for row in range(ROWS):
            self.fields[f"field_{row}"] = forms.ChoiceField(
                label=_("Field %(number)s") % {"number": row + 1},
                required=False,
                choices=[("", "—"), *[(key, field.label) for key, field in self.known.items()]],
            )
            self.fields[f"op_{row}"] = forms.ChoiceField(
                label=_("Condition %(number)s") % {"number": row + 1},
                required=False,
                choices=[
                    (operator, str(PHRASES[operator] % {**blank, "low": "…", "high": "…"}).strip())
                    for operator in operators
                ],
            )
            self.fields[f"value_{row}"] = forms.CharField(
                label=_("Value %(number)s") % {"number": row + 1}, required=False, max_length=2000
            )

    def rows(self) -> list[tuple[Any, Any, Any]]:
        return [(self[f"field_{row}"], self[f"op_{row}"], self[f"value_{row}"]) for row in range(ROWS)]

    def rule(self) -> Any:
        """The rule as given; its meaning is checked by the rule language, not here."""
        if written := self.cleaned_data["json"].strip():
            return self._parsed(written)
        conditions = []
        for row in range(ROWS):
            field = self.known.get(self.cleaned_data.get(f"field_{row}", ""))
            if field:
                conditions.append(self._condition(field, row))
        return {self.cleaned_data["match"]: conditions} if conditions else {}

    def _parsed(self, written: str) -> Any:
        try:
            return json.loads(written)
        except (ValueError, RecursionError):
            self.add_error("json", _("This is not JSON. Check quotation marks, commas and brackets."))
            return None

    def _condition(self, field: Field, row: int) -> dict[str, Any]:
        operator = self.cleaned_data.get(f"op_{row}", "")
        value = self.cleaned_data.get(f"value_{row}", "")
        kind = NUMBER if operator in DAYS else field.type
        given: Any = [_typed(kind, part.strip()) for part in value.split(",")]
        if operator not in LISTS:
            given = _typed(kind, value)
        return {"field": field.key, "op": operator, "value": given}


def initial_of(rule: Any) -> dict[str, Any]:
    """A saved rule as the form shows it: in rows where it is one short group, else as JSON."""
    kind, nodes = next(iter(rule.items()), ("all", []))
    if kind == "field":
        kind, nodes = "all", [rule]
    if len(nodes) > ROWS or any("field" not in node for node in nodes):
        return {"json": json.dumps(rule, indent=2, ensure_ascii=False)}
    first = {"match": kind}
    for row, node in enumerate(nodes):
        value = node.get("value", "")
        given = value if isinstance(value, list) else [value]
        if any(isinstance(one, str) and ("," in one or one != one.strip()) for one in given):
            return {"json": json.dumps(rule, indent=2, ensure_ascii=False)}
        first |= {f"field_{row}": node["field"], f"op_{row}": node["op"]}
        first[f"value_{row}"] = ", ".join(_written(one) for one in given)
    return first


def _written(value: Any) -> str:
    """As a person types it; `_typed` reads it back."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _typed(kind: str, text: str) -> Any:
    """What the person typed as that type; what does not fit stays text and is refused by the rule."""
    if kind == NUMBER:
        try:
            return float(text)
        except ValueError:
            return text
    if kind == BOOLEAN:
        return {
            "yes": True,
            "true": True,
            "是": True,
            "1": True,
            "no": False,
            "false": False,
            "否": False,
            "0": False,
        }.get(text.lower(), text)
    return text
