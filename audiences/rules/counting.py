"""How often something happened, shared by the kinds of condition that count: events and engagement.

    "op": "at_least", "count": 2, "days": 30

Without `count` it is once, without `days` ever. Nothing of the future counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from audiences.query import EVERYBODY, Query
from audiences.rules.operators import since
from audiences.rules.phrases import COUNTS
from audiences.rules.reading import MAX_DAYS, Reader

MAX_COUNT = 1_000_000


@dataclass(frozen=True)
class Count:
    op: str  # at_least, at_most, exactly
    number: int
    days: int | None

    @property
    def is_never(self) -> bool:
        return self.op in ("at_most", "exactly") and self.number == 0


def read(raw: dict[str, Any], reader: Reader, pointer: str) -> Count | None:
    op = reader.choice(raw.get("op"), COUNTS, "rule_unknown_operator", f"{pointer}/op")
    number = reader.whole(raw.get("count", 1), 0, MAX_COUNT, "rule_bad_count", f"{pointer}/count")
    days, before = raw.get("days"), len(reader.problems)
    if days is not None:
        days = reader.days(days, MAX_DAYS, f"{pointer}/days")
    if op == "at_least" and number == 0:
        detail = _("“at least 0 times” is everybody. Give 1 or more.")
        reader.fault("rule_bad_count", detail, f"{pointer}/count")
    if op is None or number is None or len(reader.problems) > before:
        return None
    return Count(op, number, days)


def window(count: Count, zone: str) -> Query:
    """A condition on `e.at`."""
    if count.days is None:
        return Query("e.at <= now()")
    return Query("e.at >= ") + since(count.days, zone) + Query(" AND e.at <= now()")


def happened(count: Count, rows: Query, counted: str = "count(*)") -> Query:
    """`rows` is `FROM … e WHERE …` with e.profile_id; `counted` what is counted of one person's rows.

    Either form can be planned as a semi-join or an anti-join, and within “any of” as one look per person.
    """
    if count.op == "exactly" and count.number:
        return _exists(rows, f"{counted} = {count.number:d}")
    if count.op == "at_least":
        return _at_least(count.number, rows, counted)
    return _at_least(count.number + 1, rows, counted).opposite()


def _at_least(number: int, rows: Query, counted: str) -> Query:
    if number == 0:
        return EVERYBODY
    if number == 1:
        found = Query("EXISTS (SELECT 1 ") + rows + Query(" AND e.profile_id = p.id)")
        return Query(found.sql, found.params, f"NOT {found.sql}")
    return _exists(rows, f"{counted} >= {number:d}")


def _exists(rows: Query, having: str) -> Query:
    """`having` holds a number of ours and nothing that was given as text."""
    begin = f"EXISTS (SELECT 1 FROM (SELECT e.profile_id {rows.sql}"
    end = f" GROUP BY e.profile_id HAVING {having}) often WHERE often.profile_id = p.id)"
    return Query(begin + end, rows.params, f"NOT {begin}{end}", (begin, end))
