"""Who is in an audience, and whom of them we may write to. Always one set-based query, never one per person.

An audience enters as its *definition*: the plain dict that a campaign's version freezes, so that a run
evaluates what was approved even when the audience has been edited since.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
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


def _members(audience: dict[str, Any], workspace: Workspace) -> Query:
    """FROM … WHERE … with the members as `p`."""
    condition = membership.members(audience, workspace)
    people = Query("FROM audiences_profile p WHERE p.workspace_id = %s AND ", (workspace.pk,))
    return people + Query("(") + condition + Query(") ")


def targets(audience: dict[str, Any], *, workspace_id: int, channel: str, category: str) -> Query:
    """Every member as (profile_id, address, reason); reason is NULL for those who will get the message.

    A caller that wants pages wraps it: the planner pushes `profile_id > %s` down to the primary key.
    """
    workspace = Workspace.objects.get(pk=workspace_id)
    columns = Query("p.id AS profile_id, ") + way(channel, category, workspace=workspace)
    return select(audience, workspace, columns)


def way(
    channel: str,
    category: str,
    mark: str = "",
    *,
    workspace: Workspace,
    configuration: int | None = None,
    to_complainers: bool = False,
) -> Query:
    """The columns `address` and `reason` of a member, each followed by the mark."""
    of: dict[str, Any] = {"workspace": workspace, "configuration": configuration}
    reason = reachability.reason(channel, category, **of, to_complainers=to_complainers)
    address = f"COALESCE({reachability.address(channel, **of)}, '') AS address{mark}"
    return Query(f"{address}, {reason.sql} AS reason{mark} ", reason.params)


def select(audience: dict[str, Any], workspace: Workspace, columns: Query) -> Query:
    """The columns, SQL over `p`, of every member. It ends inside a condition: more can be asked with AND."""
    return Query("SELECT ") + columns + Query(" ") + _members(audience, workspace)


def belongs(audience: dict[str, Any], workspace_id: int) -> Query:
    """A condition over `p`: the person is a member."""
    return membership.members(audience, Workspace.objects.get(pk=workspace_id))


def count(audience: dict[str, Any], workspace_id: int) -> int:
    query = Query("SELECT count(*) ") + _members(audience, Workspace.objects.get(pk=workspace_id))
    with connection.cursor() as cursor:
        cursor.execute(query.sql, query.params)
        return int(cursor.fetchone()[0])


def locales(audience: dict[str, Any], workspace_id: int) -> dict[str, int]:
    """How many members read which language, as their profiles say it."""
    query = (
        Query("SELECT p.locale, count(*) ")
        + _members(audience, Workspace.objects.get(pk=workspace_id))
        + Query("GROUP BY 1")
    )
    with connection.cursor() as cursor:
        cursor.execute(query.sql, query.params)
        return {str(locale): int(people) for locale, people in cursor.fetchall()}


def reach(audience: dict[str, Any], *, workspace_id: int, channel: str, category: str) -> dict[str, int]:
    """How many by reason of exclusion; the empty reason is who would get it."""
    return reaches(audience, workspace_id=workspace_id, channels=[channel], category=category)[channel]


def reaches(
    audience: dict[str, Any], *, workspace_id: int, channels: Sequence[str], category: str
) -> dict[str, dict[str, int]]:
    """`reach` of each channel. The audience is read once, however many channels are asked for."""
    workspace = Workspace.objects.get(pk=workspace_id)
    asked, places = Query("SELECT count(*)"), ", ".join(str(n + 2) for n in range(len(channels)))
    for channel in channels:
        reason = reachability.reason(channel, category, workspace=workspace)
        asked += Query(f", COALESCE({reason.sql}, '')", reason.params)
    asked += Query(" ") + _members(audience, workspace) + Query(f"GROUP BY {places}")
    found: dict[str, dict[str, int]] = {channel: {} for channel in channels}
    with connection.cursor() as cursor:
        cursor.execute(asked.sql, asked.params)
        for people, *reasons in cursor.fetchall():
            for channel, why in zip(channels, reasons, strict=True):
                found[channel][why] = found[channel].get(why, 0) + people
    return found


def sample(audience: dict[str, Any], workspace_id: int, limit: int = 5) -> list[Profile]:
    members = _members(audience, Workspace.objects.get(pk=workspace_id))
    query = Query("SELECT p.id ") + members + Query("ORDER BY p.id LIMIT %s", (limit,))
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
    channels = reachability.in_use(audience.workspace)
    reached = reaches(whom, workspace_id=where, channels=channels, category="marketing")
    AudienceSize.objects.create(audience=audience, at=now, people=people, milliseconds=took, reach=reached)
    Audience.objects.filter(pk=audience.pk).update(counted=people, counted_at=now)
    return people
