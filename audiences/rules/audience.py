"""{"audience": 12, "op": "in"}: membership in another audience of the workspace, of whatever kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiences.query import Query
from audiences.rules.reading import Reader, echo
from audiences.rules.scope import Scope

KEYS: tuple[str, ...] = ("audience", "op")
OPERATORS: dict[str, Any] = {
    "in": gettext_lazy("is in the audience “%(name)s”"),
    "not_in": gettext_lazy("is not in the audience “%(name)s”"),
}


@dataclass(frozen=True)
class InAudience:
    definition: dict[str, Any]
    op: str  # in, not_in


def read(raw: dict[str, Any], reader: Reader, pointer: str) -> InAudience | None:
    definition = named(raw["audience"], reader, f"{pointer}/audience")
    op = reader.choice(raw.get("op"), OPERATORS, "rule_unknown_operator", f"{pointer}/op")
    return InAudience(definition, op) if definition and op else None


def named(number: Any, reader: Reader, pointer: str) -> dict[str, Any] | None:
    """The audience of that number; one of another workspace is as unknown as one that never was."""
    definition = reader.scope.audience(number)
    if definition is None:
        detail = _("There is no audience %(number)s in this workspace.") % {"number": echo(number)}
        reader.fault("rule_unknown_audience", detail, pointer)
    return definition


def sql(asked: InAudience, scope: Scope) -> Query:
    found = members(asked.definition, scope)
    return found if asked.op == "in" else found.opposite()


def members(definition: dict[str, Any], scope: Scope) -> Query:
    # An audience may be a rule, and a rule may name an audience: this is where the two meet.
    from audiences.membership import condition

    return condition(definition, scope)


def words(asked: InAudience, scope: Scope) -> str:
    return str(OPERATORS[asked.op] % {"name": asked.definition["name"]})
