"""{"reachable": "email", "op": "is"}: whether marketing on a channel would reach the person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy

from audiences import reachability
from audiences.query import Query
from audiences.rules.reading import Reader
from audiences.rules.scope import Scope

KEYS: tuple[str, ...] = ("reachable", "op")
OPERATORS: dict[str, Any] = {
    "is": gettext_lazy("can be reached by %(channel)s"),
    "is_not": gettext_lazy("cannot be reached by %(channel)s"),
}


@dataclass(frozen=True)
class Reachable:
    channel: str
    op: str


def read(raw: dict[str, Any], reader: Reader, pointer: str) -> Reachable | None:
    known = reachability.CHANNELS
    channel = reader.choice(raw["reachable"], known, "rule_unknown_channel", f"{pointer}/reachable")
    op = reader.choice(raw.get("op"), OPERATORS, "rule_unknown_operator", f"{pointer}/op")
    return Reachable(channel, op) if channel and op else None


def sql(asked: Reachable, scope: Scope) -> Query:
    reason = reachability.reason(asked.channel, "marketing", workspace=scope.workspace)
    met, unmet = f"({reason.sql}) IS NULL", f"({reason.sql}) IS NOT NULL"
    reached = Query(met, reason.params, unmet)
    return reached if asked.op == "is" else reached.opposite()


def words(asked: Reachable, scope: Scope) -> str:
    return str(OPERATORS[asked.op] % {"channel": reachability.WORDS[asked.channel]})
