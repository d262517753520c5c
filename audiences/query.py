"""A piece of SQL with the values that belong to it. Pieces are joined; no value ever becomes text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Query:
    """SQL with %s places, and the values that go there.

    A condition may bring `unmet`: what is TRUE where the condition is not, over the same values in the same
    order. It lets “none of these” be planned as an anti-join instead of one look per person.

    A condition that counts rows `e` of each person may bring `halves`: the SQL up to where more can be asked
    of `e`, with all the values, and the rest. What else is asked of the person is then asked before counting.
    """

    sql: str
    params: tuple[Any, ...] = ()
    unmet: str = ""
    halves: tuple[str, str] | None = None

    def __add__(self, other: Query) -> Query:
        return Query(self.sql + other.sql, self.params + other.params)

    def opposite(self) -> Query:
        """TRUE where this is FALSE or unknown."""
        return Query(self.unmet or f"({self.sql}) IS NOT TRUE", self.params, self.sql)


EVERYBODY, NOBODY = Query("TRUE", (), "FALSE"), Query("FALSE", (), "TRUE")


def all_of(parts: Iterable[Query]) -> Query:
    found = list(parts)
    counting = next((part for part in found if part.halves), None)
    if counting is None or len(found) == 1:
        return _joined(found, " AND ", " OR ", EVERYBODY)
    others = [part for part in found if part is not counting]
    joined = _joined([counting, *others], " AND ", " OR ", EVERYBODY)
    return Query(_narrowed(counting, others), joined.params, joined.unmet)


def any_of(parts: Iterable[Query]) -> Query:
    return _joined(list(parts), " OR ", " AND ", EVERYBODY)


def _narrowed(counting: Query, others: list[Query]) -> str:
    """Counts only the rows of those who meet the others."""
    assert counting.halves
    begin, end = counting.halves
    asked = " AND ".join(other.sql for other in others)
    people = f"EXISTS (SELECT 1 FROM audiences_profile p WHERE p.id = e.profile_id AND {asked})"
    return f"{begin} AND {people}{end}"


def _joined(parts: list[Query], joiner: str, opposite: str, empty: Query) -> Query:
    """Only being TRUE counts, and AND and OR keep that apart from FALSE and unknown, however nested."""
    if not parts:
        return empty
    if len(parts) == 1:
        return parts[0]
    met = "(" + joiner.join(part.sql for part in parts) + ")"
    unmet = "(" + opposite.join(part.opposite().sql for part in parts) + ")"
    return Query(met, tuple(value for part in parts for value in part.params), unmet)
