"""The last look before a message leaves: whom we may no longer write to, for one batch in one query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection

from audiences.reachability import NO_CONSENT, SUPPRESSED

SQL = """
SELECT t.place,
       EXISTS (SELECT 1 FROM audiences_suppression s
               WHERE s.workspace_id = %(workspace)s AND s.channel = %(channel)s AND s.address = t.address),
       EXISTS (SELECT 1 FROM audiences_consent c
               WHERE c.profile_id = t.profile_id AND c.channel = %(channel)s AND c.state = 'no')
FROM unnest(%(profiles)s::bigint[], %(addresses)s::text[]) WITH ORDINALITY AS t(profile_id, address, place)
"""


def blocked(
    workspace_id: int, people: Sequence[tuple[int | None, str]], *, channel: str, category: str
) -> dict[int, str]:
    """The places in `people` (profile id, address) that are blocked, each with its reason's code."""
    values: dict[str, Any] = {
        "workspace": workspace_id,
        "channel": channel,
        "profiles": [profile for profile, _ in people],
        "addresses": [address for _, address in people],
    }
    with connection.cursor() as cursor:
        cursor.execute(SQL, values)
        rows = cursor.fetchall()
    found = {}
    for place, is_suppressed, has_opted_out in rows:
        if is_suppressed:
            found[place - 1] = SUPPRESSED
        elif has_opted_out and category == "marketing":
            found[place - 1] = NO_CONSENT
    return found
