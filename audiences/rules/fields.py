"""The fields a rule may ask about, and what each type may be asked.

A field is a column of the profile or an attribute the workspace defined. Names come from these lists only:
a rule never names a column of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from audiences.models import AttributeDefinition

TEXT, NUMBER, BOOLEAN, DATE = "text", "number", "boolean", "date"

COLUMNS: dict[str, tuple[str, Any]] = {
    "email": (TEXT, _("Email")),
    "phone": (TEXT, _("Phone")),
    "locale": (TEXT, _("Language")),
    "time_zone": (TEXT, _("Time zone")),
    "is_test": (BOOLEAN, _("Test profile")),
}

OPERATORS: dict[str, tuple[str, ...]] = {
    TEXT: ("is", "is_not", "one_of", "contains", "starts_with", "is_empty", "is_not_empty"),
    NUMBER: ("is", "is_not", "one_of", "less_than", "greater_than", "between", "is_empty", "is_not_empty"),
    BOOLEAN: ("is", "is_empty", "is_not_empty"),
    DATE: (
        "is",
        "before",
        "after",
        "between",
        "in_last",
        "in_next",
        "anniversary",
        "is_empty",
        "is_not_empty",
    ),
}
# Operators that count whole days from today, and the most days each may count.
DAYS: dict[str, int] = {"in_last": 36_500, "in_next": 36_500, "anniversary": 365}


@dataclass(frozen=True)
class Field:
    """`column` is the SQL of a column of `p`; None for an attribute, which is read by its bound key."""

    key: str
    type: str
    label: Any
    column: str | None


def fields_of(workspace: Workspace) -> dict[str, Field]:
    """Every field of the workspace by its key, columns first. Attributes cannot hide a column."""
    known = {key: Field(key, kind, label, f"p.{key}") for key, (kind, label) in COLUMNS.items()}
    for definition in AttributeDefinition.objects.filter(workspace=workspace):
        known.setdefault(definition.key, Field(definition.key, definition.type, definition.key, None))
    return known
