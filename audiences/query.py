"""A piece of SQL with the values that belong to it. Pieces are joined; no value ever becomes text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Query:
    """SQL with %s places, and the values that go there."""

    sql: str
    params: tuple[Any, ...] = ()

    def __add__(self, other: Query) -> Query:
        return Query(self.sql + other.sql, self.params + other.params)
