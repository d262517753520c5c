"""The kinds of condition, each one file with the same names inside, found by the key that its JSON has.

A new kind is one file and one line here.
"""

from __future__ import annotations

from typing import Any, Protocol

from audiences.query import Query
from audiences.rules import audience, consent, engagement, event, field, reachable
from audiences.rules.reading import Reader
from audiences.rules.scope import Scope


class Kind(Protocol):
    KEYS: tuple[str, ...]

    def read(self, raw: dict[str, Any], reader: Reader, pointer: str) -> Any:
        """The condition, checked and typed; None after noting its faults."""

    def sql(self, asked: Any, scope: Scope) -> Query:
        """TRUE for whom `p` it is met; unknown counts as not met."""

    def words(self, asked: Any, scope: Scope) -> str:
        """As a part of a sentence."""


KINDS: dict[str, Kind] = {
    "field": field,
    "audience": audience,
    "event": event,
    "engagement": engagement,
    "consent": consent,
    "reachable": reachable,
}
