"""A checked rule becomes one SQL condition over `p`, the profiles table. Every value and attribute key
is bound; nothing a person wrote becomes SQL.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from accounts.models import Workspace
from audiences.query import Query
from audiences.rules.fields import BOOLEAN, DATE, DAYS, NUMBER, Field, fields_of
from audiences.rules.grammar import Condition, Group, Value, parse


def compile_rule(rule: Any, workspace: Workspace) -> Query:
    """Raises Invalid as `grammar.parse` does."""
    return _group(parse(rule, fields_of(workspace)), workspace.time_zone)


def _group(group: Group, zone: str) -> Query:
    parts = [
        _group(node, zone) if isinstance(node, Group) else _condition(node, zone) for node in group.nodes
    ]
    if not parts:
        return Query("TRUE")
    joiner = " AND " if group.kind == "all" else " OR "
    sql = "(" + joiner.join(part.sql for part in parts) + ")"
    params = tuple(value for part in parts for value in part.params)
    # A condition about a missing value is unknown in SQL; here it counts as not met, also under "none".
    return Query(f"NOT COALESCE({sql}, FALSE)" if group.kind == "none" else f"COALESCE({sql}, FALSE)", params)


def _operand(field: Field) -> Query:
    """The field's value, typed. An attribute of another type than it was defined with counts as missing."""
    if field.column:
        return Query(field.column)
    text = "(p.attributes ->> %s)"
    kind = "jsonb_typeof(p.attributes -> %s)"
    if field.type == NUMBER:
        return Query(f"(CASE WHEN {kind} = 'number' THEN {text}::numeric END)", (field.key, field.key))
    if field.type == BOOLEAN:
        return Query(f"(CASE WHEN {kind} = 'boolean' THEN {text}::boolean END)", (field.key, field.key))
    if field.type == DATE:
        is_date = rf"{text} ~ '^\d{{4}}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$'"
        return Query(f"(CASE WHEN {is_date} THEN {text} END)", (field.key, field.key))
    return Query(text, (field.key,))


def _bound(value: Value) -> Any:
    # Dates are kept as ISO texts, which sort as the dates do; so no wrong date in the data can break a query.
    return value.isoformat() if isinstance(value, date) else value


def _literal(text: Value) -> str:
    """For LIKE: the wildcards stand for themselves."""
    return str(text).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


SIMPLE: dict[str, tuple[str, Callable[[Value], Any]]] = {
    "is": (" = %s", _bound),
    "less_than": (" < %s", _bound),
    "greater_than": (" > %s", _bound),
    "before": (" < %s", _bound),
    "after": (" > %s", _bound),
    "contains": (" ILIKE %s", lambda value: f"%{_literal(value)}%"),
    "starts_with": (" ILIKE %s", lambda value: f"{_literal(value)}%"),
}


# Today is the workspace's day, by the database's clock: one moment for everybody a statement judges.
TODAY = "(now() AT TIME ZONE %s)::date"
WINDOWS = {
    "in_last": f" BETWEEN to_char({TODAY} - %s, 'YYYY-MM-DD') AND to_char({TODAY}, 'YYYY-MM-DD')",
    "in_next": f" BETWEEN to_char({TODAY}, 'YYYY-MM-DD') AND to_char({TODAY} + %s, 'YYYY-MM-DD')",
}
# Born on 29 February, one celebrates on the 28th of a common year.
COMING = """(SELECT CASE WHEN is_leap_day THEN '02-29' ELSE to_char(today + n, 'MM-DD') END
    FROM (SELECT (now() AT TIME ZONE %s)::date AS today) t, generate_series(0, %s) n,
         (VALUES (FALSE), (TRUE)) v (is_leap_day)
    WHERE NOT is_leap_day
       OR to_char(today + n, 'MM-DD') = '02-28' AND to_char(today + n + 1, 'MM-DD') = '03-01')"""


def _days(left: Query, op: str, days: int, zone: str) -> Query:
    if op == "anniversary":
        return Query(f"substr({left.sql}, 6) IN {COMING}", (*left.params, zone, days))
    first, second = ((zone, days), (zone,)) if op == "in_last" else ((zone,), (zone, days))
    return left + Query(WINDOWS[op], (*first, *second))


def _condition(condition: Condition, zone: str) -> Query:
    left, values = _operand(condition.field), condition.values
    if condition.op in DAYS:
        return _days(left, condition.op, int(values[0]), zone)  # type: ignore[arg-type]
    if condition.op in SIMPLE:
        sql, bind = SIMPLE[condition.op]
        return left + Query(sql, (bind(values[0]),))
    if condition.op == "is_not":
        return left + Query(" IS DISTINCT FROM %s", (_bound(values[0]),))
    if condition.op == "one_of":
        return left + Query(" = ANY(%s)", ([_bound(value) for value in values],))
    if condition.op == "between":
        return left + Query(" BETWEEN %s AND %s", tuple(_bound(value) for value in values))
    empty = Query(f"COALESCE({left.sql}::text, '') = ''", left.params)
    return empty if condition.op == "is_empty" else Query(f"NOT ({empty.sql})", empty.params)
