"""The last look before a message leaves: whom we may no longer write to, for one batch in one query.

It asks what the fan-out asked (`audiences/reachability.py`), over the address the message would go to.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

from audiences.query import Query
from audiences.reachability import WAYS, verdict
from common import prepared

# Who was erased since has no address any more, whatever a message still holds.
PEOPLE = """
FROM (SELECT %s::bigint AS workspace_id) w
CROSS JOIN ROWS FROM (unnest(%s::bigint[]), json_array_elements_text(%s::json)) WITH ORDINALITY
    AS t(profile_id, address, place)
"""
ERASED = """CASE WHEN t.profile_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM audiences_profile p WHERE p.id = t.profile_id) THEN %s ELSE """


def blocked(
    workspace_id: int,
    people: Sequence[tuple[int | None, str]],
    *,
    channel: str,
    category: str,
    to_complainers: bool = False,
) -> dict[int, str]:
    """The places in `people` (profile id, address) that are blocked, each with its reason's code."""
    # As texts, which cost a tenth of what lists cost to hand over.
    profiles = ",".join("NULL" if profile is None else str(profile) for profile, _ in people)
    addresses = json.dumps([address for _, address in people])
    query = _question(channel, category, to_complainers)
    query += Query(PEOPLE, (workspace_id, f"{{{profiles}}}", addresses))
    with prepared.cursor() as cursor:
        cursor.execute(query.sql, query.params)
        return {place - 1: code for place, code in cursor.fetchall() if code is not None}


@lru_cache(maxsize=64)  # the same for every window
def _question(channel: str, category: str, to_complainers: bool) -> Query:
    of = {"workspace": "w.workspace_id", "profile": "t.profile_id", "address": "t.address"}
    query = Query(f"SELECT t.place, {ERASED}", (WAYS[channel].no_address,))
    query += verdict(**of, channel=channel, category=category, to_complainers=to_complainers)
    return query + Query(" END")
