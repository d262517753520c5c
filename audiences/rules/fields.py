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
DATE_TIME, LIST, CHOICE = "datetime", "list", "choice"

COLUMNS: dict[str, tuple[str, Any]] = {
    "email": (TEXT, _("Email")),
    "phone": (TEXT, _("Phone")),
    "external_id": (TEXT, _("External id")),
    "locale": (TEXT, _("Language")),
    "time_zone": (TEXT, _("Time zone")),
    "is_test": (BOOLEAN, _("Test profile")),
    "created_at": (DATE_TIME, _("Created")),
    "changed_at": (DATE_TIME, _("Changed")),
}
# An attribute of these types is asked as the text it is stored as.
AS_TEXT = {"email": TEXT, "phone": TEXT}

EMPTY = ("is_empty", "is_not_empty")
FROM_TODAY = ("in_last", "in_next", "anniversary")
OPERATORS: dict[str, tuple[str, ...]] = {
    TEXT: (
        *("is", "is_not", "one_of", "not_one_of"),
        *("contains", "not_contains", "starts_with", "ends_with", *EMPTY),
    ),
    NUMBER: ("is", "is_not", "one_of", "not_one_of", "less_than", "greater_than", "between", *EMPTY),
    BOOLEAN: ("is", *EMPTY),
    DATE: ("is", "is_not", "before", "after", "between", *FROM_TODAY, *EMPTY),
    DATE_TIME: ("before", "after", "between", *FROM_TODAY, *EMPTY),
    LIST: ("has_any", "has_all", "has_none", *EMPTY),
    CHOICE: ("is", "is_not", "one_of", "not_one_of", *EMPTY),
}
# Operators that count whole days from today, and the most days each may count.
DAYS: dict[str, int] = {"in_last": 36_500, "in_next": 36_500, "anniversary": 365}
# Operators whose value is a list of any length.
LISTS = ("one_of", "not_one_of", "has_any", "has_all", "has_none")
# Operators that say the contrary of another: met by whoever does not meet that one, also for want of a value.
CONTRARY = {
    "is_not": "is",
    "not_one_of": "one_of",
    "not_contains": "contains",
    "has_none": "has_any",
    "is_not_empty": "is_empty",
}


@dataclass(frozen=True)
class Field:
    """`column` is the SQL of a column of `p`; None for an attribute, which is read by its bound key.

    `is_indexed`: the planner knows how its values are spread. `is_converting`: people hold values of two
    types just now, so that nobody may ask for it.
    """

    key: str
    type: str
    label: Any
    column: str | None
    is_indexed: bool = True
    is_converting: bool = False


def fields_of(workspace: Workspace) -> dict[str, Field]:
    """Every field of the workspace by its key, columns first. Attributes cannot hide a column."""
    known = {key: Field(key, kind, label, f"p.{key}") for key, (kind, label) in COLUMNS.items()}
    for definition in AttributeDefinition.objects.filter(workspace=workspace):
        label = definition.label or definition.key
        is_indexed = definition.index_state == AttributeDefinition.Index.READY
        kind = AS_TEXT.get(definition.type, definition.type)
        found = Field(definition.key, kind, label, None, is_indexed, definition.is_converting)
        known.setdefault(definition.key, found)
    return known
