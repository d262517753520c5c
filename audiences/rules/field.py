"""{"field": "city", "op": "is", "value": "Taipei"}: a column or an attribute of the profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from audiences.query import Query
from audiences.rules import operators
from audiences.rules.fields import DAYS, EMPTY, LISTS, OPERATORS, Field
from audiences.rules.phrases import phrase
from audiences.rules.reading import Reader, Value, echo
from audiences.rules.scope import Scope

KEYS: tuple[str, ...] = ("field", "op", "value")


@dataclass(frozen=True)
class OfField:
    """`values`: none for is_empty, two for between, any number for a list, else one; days are whole."""

    field: Field
    op: str
    values: tuple[Value, ...]


def read(raw: dict[str, Any], reader: Reader, pointer: str) -> OfField | None:
    name, op = raw.get("field"), raw.get("op")
    field = reader.scope.fields.get(name) if isinstance(name, str) else None
    if field is None:
        detail = _("There is no field “%(name)s”.") % {"name": echo(name)}
        reader.fault("rule_unknown_field", detail, f"{pointer}/field")
        return None
    if field.is_converting:
        reader.fault("attribute_converting", converting(field), f"{pointer}/field")
        return None
    if not isinstance(op, str) or op not in OPERATORS[field.type]:
        detail = _("“%(name)s” can be asked: %(operators)s.")
        words = {"name": name, "operators": ", ".join(OPERATORS[field.type])}
        reader.fault("rule_unknown_operator", detail % words, f"{pointer}/op")
        return None
    values = _values(field, op, raw.get("value"), reader, f"{pointer}/value")
    return None if values is None else OfField(field, op, values)


def converting(field: Field) -> str:
    return _("“%(name)s” is being converted. Wait until that is done.") % {"name": field.key}


def _values(field: Field, op: str, given: Any, reader: Reader, pointer: str) -> tuple[Value, ...] | None:
    if op in EMPTY:
        return ()
    if op in DAYS:
        days = reader.days(given, DAYS[op], pointer)
        return None if days is None else (days,)
    if op in LISTS:
        return reader.values(field.type, given, pointer)
    if op == "between":
        return reader.range(field.type, given, pointer)
    value = reader.value(field.type, given, pointer)
    return None if value is None else (value,)


def sql(asked: OfField, scope: Scope) -> Query:
    return operators.ask(asked.field, asked.op, asked.values, scope.zone)


def words(asked: OfField, scope: Scope) -> str:
    return phrase(str(asked.field.label), asked.op, asked.values, scope.zone)
