"""Who is in an audience, and whom of them we may write to. Always one set-based query, never one per person.

An audience enters as its *definition*: the plain dict that a campaign's version freezes, so that a run
evaluates what was approved even when the audience has been edited since.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from django.db import connection

from accounts.models import Workspace
from audiences import explain as explanation
from audiences import membership, reachability
from audiences.explain import Explained
from audiences.models import Audience, AudienceSize, Profile
from audiences.query import Query


def definition(audience: Audience) -> dict[str, Any]:
    """Everything that says who is in it, as plain JSON. Raises Invalid when audiences name one another."""
    return membership.freeze(audience)


def _members(audience: dict[str, Any], workspace_id: int) -> Query:
    """FROM … WHERE … with the members as `p`."""
    condition = membership.members(audience, Workspace.objects.get(pk=workspace_id))
    people = Query("FROM audiences_profile p WHERE p.workspace_id = %s AND ", (workspace_id,))
    return people + condition + Query(" ")


def targets(audience: dict[str, Any], *, workspace_id: int, channel: str, category: str) -> Query:
    """Every member as (profile_id, address, reason); reason is NULL for those who will get the message.

    A caller that wants pages wraps it: the planner pushes `profile_id > %s` down to the primary key.
    """
    address = reachability.ADDRESSES[channel]
    reason = reachability.reason(channel, category)
    columns = f"SELECT p.id AS profile_id, COALESCE({address}, '') AS address, {reason.sql} AS reason "
    return Query(columns, reason.params) + _members(audience, workspace_id)


def count(audience: dict[str, Any], workspace_id: int) -> int:
    query = Query("SELECT count(*) ") + _members(audience, workspace_id)
    with connection.cursor() as cursor:
        cursor.execute(query.sql, query.params)
        return int(cursor.fetchone()[0])


def reach(audience: dict[str, Any], *, workspace_id: int, channel: str, category: str) -> dict[str, int]:
    """How many by reason of exclusion; the empty reason is who would get it."""
    query = targets(audience, workspace_id=workspace_id, channel=channel, category=category)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COALESCE(reason, ''), count(*) FROM ({query.sql}) t GROUP BY 1",
            query.params,
        )
        return {str(reason): int(people) for reason, people in cursor.fetchall()}


def sample(audience: dict[str, Any], workspace_id: int, limit: int = 5) -> list[Profile]:
    query = (
        Query("SELECT p.id ") + _members(audience, workspace_id) + Query("ORDER BY p.id LIMIT %s", (limit,))
    )
    with connection.cursor() as cursor:
        cursor.execute(query.sql, query.params)
        ids = [row[0] for row in cursor.fetchall()]
    return list(Profile.objects.filter(pk__in=ids).order_by("pk"))


def explain(audience: dict[str, Any], profile: Profile) -> Explained:
    """Why the person is in the audience, or not, condition by condition."""
    return explanation.explain(audience, profile)


def recount(audience: Audience, now: datetime) -> int:
    """Counts and remembers the size, shown in lists until the next time and kept with its reach."""
    whom, where = definition(audience), audience.workspace_id
    started = time.monotonic()
    people = count(whom, where)
    took = round(1000 * (time.monotonic() - started))
    reached = {
        channel: reach(whom, workspace_id=where, channel=channel, category="marketing")
        for channel in reachability.ADDRESSES
    }
    AudienceSize.objects.create(audience=audience, at=now, people=people, milliseconds=took, reach=reached)
    Audience.objects.filter(pk=audience.pk).update(counted=people, counted_at=now)
    return people
