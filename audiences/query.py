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
    """

    sql: str
    params: tuple[Any, ...] = ()
    unmet: str = ""

    def __add__(self, other: Query) -> Query:
        return Query(self.sql + other.sql, self.params + other.params)

    def opposite(self) -> Query:
        """TRUE where this is FALSE or unknown."""
        return Query(self.unmet or f"({self.sql}) IS NOT TRUE", self.params, self.sql)


EVERYBODY, NOBODY = Query("TRUE", (), "FALSE"), Query("FALSE", (), "TRUE")


def all_of(parts: Iterable[Query]) -> Query:
    return _joined(list(parts), " AND ", " OR ", EVERYBODY)


def any_of(parts: Iterable[Query]) -> Query:
    return _joined(list(parts), " OR ", " AND ", EVERYBODY)


def _joined(parts: list[Query], joiner: str, opposite: str, empty: Query) -> Query:
    """Only being TRUE counts, and AND and OR keep that apart from FALSE and unknown, however nested."""
    if not parts:
        return empty
    if len(parts) == 1:
        return parts[0]
    met = "(" + joiner.join(part.sql for part in parts) + ")"
    unmet = "(" + opposite.join(part.opposite().sql for part in parts) + ")"
    return Query(met, tuple(value for part in parts for value in part.params), unmet)
