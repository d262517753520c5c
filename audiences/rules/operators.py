"""What each operator asks of a value, as SQL. A value stands in a column or under a key of a JSON object.

Values of the wrong type count as missing. JSON is compared as JSON and dates as texts, so that nothing in
the data can make a query fail; each expression is the one that `audiences/indexes.py` builds an index on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from audiences.query import Query
from audiences.rules.fields import BOOLEAN, CONTRARY, DATE, DATE_TIME, LIST, NUMBER, Field
from audiences.rules.reading import MAX_TEXT, Value

# JSON sorts null < texts < numbers < truth values < lists < objects; these stand at both ends of the numbers.
LOWEST, ABOVE = "'-1e1000'::jsonb", "'false'::jsonb"
# Days that exist; casting such a text cannot fail.
YEARS_DAY = r"((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
LEAP_YEAR = r"(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
DAY = rf"^(?!0000)(\d{{4}}-{YEARS_DAY}|{LEAP_YEAR}-02-29)"
IS_DATE = rf"{DAY}$"
IS_MOMENT = rf"{DAY}T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$"


@dataclass(frozen=True)
class Operand:
    """`text` and `json` are the same value in two forms; a column has no `json`."""

    type: str
    text: Query
    json: Query | None = None


def of_field(field: Field) -> Operand:
    if field.column:
        return Operand(field.type, Query(field.column))
    return of_json("p.attributes", field.key, field.type)


def of_json(column: str, key: str, type: str) -> Operand:
    return Operand(type, Query(f"({column} ->> %s)", (key,)), Query(f"({column} -> %s)", (key,)))


def ask(field: Field, op: str, values: tuple[Value, ...], zone: str) -> Query:
    """What a rule asks of a field of `p`.

    Of an attribute without an index the planner knows nothing; it then takes a few conditions for nobody at
    all and works out a person's events again for each one. Inside COALESCE it takes them for half the people.
    """
    asked = compare(of_field(field), op, values, zone)
    return asked if field.is_indexed else Query(f"COALESCE({asked.sql}, FALSE)", asked.params)


def compare(operand: Operand, op: str, values: tuple[Value, ...], zone: str) -> Query:
    """`values` as `Reader` left them: two for between, any number for a list, days for those from today."""
    if op in CONTRARY:
        return compare(operand, CONTRARY[op], values, zone).opposite()
    if op == "is_empty":
        return _empty(operand)
    return BY_TYPE.get(operand.type, _text)(operand, op, values, zone)


def sortable(operand: Operand) -> Query:
    """The value for ORDER BY; NULL where it is missing or of the wrong type."""
    if operand.json is None:
        return operand.text
    if operand.type == NUMBER:
        return Query(
            f"(CASE WHEN jsonb_typeof{operand.json.sql} = 'number' THEN {operand.json.sql} END)",
            operand.json.params * 2,
        )
    left = plain_text(operand)
    if operand.type in (DATE, DATE_TIME):
        guard = _guarded(operand)
        return Query(f"(CASE WHEN {guard.sql} THEN {left.sql} END)", guard.params + left.params)
    return left


def plain_text(operand: Operand) -> Query:
    """Compared letter by letter, as dates in figures are to be, whatever the database's own order is."""
    return Query(f'({operand.text.sql} COLLATE "C")', operand.text.params)


def whole_text(operand: Operand) -> Query:
    """The text, for an equal one. An index takes no long texts and a rule asks for none over MAX_TEXT, so it
    is cut one letter above that; nothing else becomes equal by it.
    """
    if operand.json is None:
        return operand.text
    return Query(f"left({operand.text.sql}, {MAX_TEXT + 1})", operand.text.params)


def lowered(operand: Operand) -> Query:
    whole = whole_text(operand)
    return Query(f"lower({whole.sql})", whole.params)


# ---- texts -------------------------------------------------------------------------------------------


def _literal(text: Value) -> str:
    """For LIKE: the wildcards stand for themselves."""
    return str(text).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _text(operand: Operand, op: str, values: tuple[Value, ...], zone: str) -> Query:
    if op == "is":
        return whole_text(operand) + Query(" = %s", (values[0],))
    if op == "one_of":
        return whole_text(operand) + Query(" = ANY(%s)", (list(values),))
    if op == "starts_with":
        return lowered(operand) + Query(" LIKE lower(%s)", (f"{_literal(values[0])}%",))
    pattern = "%{}%" if op == "contains" else "%{}"
    return operand.text + Query(" ILIKE %s", (pattern.format(_literal(values[0])),))


# ---- numbers, truth values, lists ----------------------------------------------------------------------


def _json(value: Value) -> str:
    is_whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if is_whole else value)  # type: ignore[arg-type]


def _number(operand: Operand, op: str, values: tuple[Value, ...], zone: str) -> Query:
    left, given = operand.json, [_json(value) for value in values]
    assert left
    if op == "one_of":
        return left + Query(" = ANY(%s::jsonb[])", (given,))
    if op == "between":
        return left + Query(" BETWEEN %s::jsonb AND %s::jsonb", tuple(given))
    if op == "is":
        return left + Query(" = %s::jsonb", tuple(given))
    if op == "less_than":
        return Query(
            f"({left.sql} < %s::jsonb AND {left.sql} >= {LOWEST})", (*left.params, *given, *left.params)
        )
    return Query(f"({left.sql} > %s::jsonb AND {left.sql} < {ABOVE})", (*left.params, *given, *left.params))


def _boolean(operand: Operand, op: str, values: tuple[Value, ...], zone: str) -> Query:
    if operand.json is None:
        return operand.text + Query(" = %s", values)
    return operand.json + Query(" = %s::jsonb", (_json(values[0]),))


def _list(operand: Operand, op: str, values: tuple[Value, ...], zone: str) -> Query:
    left = operand.json
    assert left
    sign = "?&" if op == "has_all" else "?|"
    sql = f"({left.sql} {sign} %s::text[] AND jsonb_typeof{left.sql} = 'array')"
    return Query(sql, (*left.params, list(values), *left.params))


# ---- dates and moments -----------------------------------------------------------------------------------

# Today is the workspace's day, by the database's clock: one moment for everybody a statement judges.
TODAY = "(now() AT TIME ZONE %s)::date"
# Born on 29 February, one celebrates on the 28th of a common year.
COMING = """(SELECT CASE WHEN is_leap_day THEN '02-29' ELSE to_char(today + n, 'MM-DD') END
    FROM (SELECT (now() AT TIME ZONE %s)::date AS today) t, generate_series(0, %s) n,
         (VALUES (FALSE), (TRUE)) v (is_leap_day)
    WHERE NOT is_leap_day
       OR to_char(today + n, 'MM-DD') = '02-28' AND to_char(today + n + 1, 'MM-DD') = '03-01')"""


def _guarded(operand: Operand) -> Query:
    pattern = IS_DATE if operand.type == DATE else IS_MOMENT
    return operand.text + Query(" ~ %s", (pattern,))


def _date(operand: Operand, op: str, values: tuple[Value, ...], zone: str) -> Query:
    left = plain_text(operand)
    if op == "is":
        return left + Query(" = %s", (values[0].isoformat(),))  # type: ignore[union-attr]
    if op == "anniversary":
        return _yearly(operand, Query(f"substr({operand.text.sql}, 6)", operand.text.params), values, zone)
    return _within(operand, left + _span(op, values, zone))


def _within(operand: Operand, asked: Query) -> Query:
    guard = _guarded(operand)
    return Query(f"({asked.sql} AND {guard.sql})", asked.params + guard.params)


def _span(op: str, values: tuple[Value, ...], zone: str) -> Query:
    if op in ("in_last", "in_next"):
        first, last = (f"{TODAY} - %s", TODAY) if op == "in_last" else (TODAY, f"{TODAY} + %s")
        params = (zone, values[0], zone) if op == "in_last" else (zone, zone, values[0])
        return Query(f" BETWEEN to_char({first}, 'YYYY-MM-DD') AND to_char({last}, 'YYYY-MM-DD')", params)
    return _ordered(op, tuple(value.isoformat() for value in values if isinstance(value, date)))


def _ordered(op: str, given: tuple[Any, ...]) -> Query:
    signs = {"before": " < %s", "after": " > %s", "between": " BETWEEN %s AND %s"}
    return Query(signs[op], given)


def _yearly(operand: Operand, day: Query, values: tuple[Value, ...], zone: str) -> Query:
    asked = day + Query(f" IN {COMING}", (zone, values[0]))
    guard = _guarded(operand) if operand.json else Query("TRUE")
    return Query(f"(CASE WHEN {guard.sql} THEN {asked.sql} END)", guard.params + asked.params)


# Moments are UTC texts of one width, so they sort; a span of days is that of the workspace's zone.
START = f"(({TODAY} - %s)::timestamp AT TIME ZONE %s)"
LAST = f"((({TODAY} + %s + 1)::timestamp AT TIME ZONE %s) - interval '1 microsecond')"
AS_TEXT = "to_char(({}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"


def since(days: int, zone: str) -> Query:
    """The first moment of the day that lies so many days back."""
    return Query(START, (zone, days, zone))


def _moment(operand: Operand, op: str, values: tuple[Value, ...], zone: str) -> Query:
    if op == "anniversary":
        return _yearly(operand, _local_day(operand, zone), values, zone)
    if op in ("in_last", "in_next"):
        days = int(values[0])  # type: ignore[arg-type]
        ends = [since(days, zone), Query("now()")]
        if op == "in_next":
            ends = [Query("now()"), Query(LAST, (zone, days, zone))]
    else:
        ends = [Query("%s::timestamptz", (value,)) for value in values]
    if operand.json is None:
        return operand.text + _comparison(op, ends)
    if op not in ("in_last", "in_next"):
        ends = [Query("%s", (_written(value),)) for value in values]
    else:
        ends = [Query(AS_TEXT.format(end.sql), end.params) for end in ends]
    return _within(operand, plain_text(operand) + _comparison(op, ends))


def _comparison(op: str, ends: list[Query]) -> Query:
    if op in ("before", "after"):
        return Query(" < " if op == "before" else " > ") + ends[0]
    return Query(" BETWEEN ") + ends[0] + Query(" AND ") + ends[1]


def _written(value: Value) -> str:
    assert isinstance(value, datetime)
    return value.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat() + "Z"


def _local_day(operand: Operand, zone: str) -> Query:
    """Month and day in the workspace's zone."""
    sql = f"to_char({operand.text.sql}::timestamptz AT TIME ZONE %s, 'MM-DD')"
    return Query(sql, (*operand.text.params, zone))


def _empty(operand: Operand) -> Query:
    left = operand.json
    if left is None or operand.type not in (NUMBER, BOOLEAN, LIST, DATE, DATE_TIME):
        text = operand.text
        return Query(f"COALESCE({text.sql}::text, '') = ''", text.params)
    if operand.type in (DATE, DATE_TIME):
        return _guarded(operand).opposite()
    if operand.type == LIST:
        length = f"jsonb_array_length(CASE WHEN jsonb_typeof{left.sql} = 'array' THEN {left.sql} END)"
        return Query(f"COALESCE({length}, 0) = 0", left.params * 2)
    return Query(f"jsonb_typeof{left.sql} IS DISTINCT FROM %s", (*left.params, operand.type))


BY_TYPE: dict[str, Callable[[Operand, str, tuple[Value, ...], str], Query]] = {
    NUMBER: _number,
    BOOLEAN: _boolean,
    LIST: _list,
    DATE: _date,
    DATE_TIME: _moment,
}
