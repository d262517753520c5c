"""The people of an audience, page by page: all of them, or those whom a reason keeps from a channel.

A page costs what the page costs: the number to go on from is pushed down to the primary key.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from audiences import evaluate
from audiences.models import Audience, Profile
from audiences.query import Query


@dataclass(frozen=True)
class People:
    """`after` is what the next page goes on from; None on the last."""

    profiles: list[Profile]
    after: int | None


def page(
    audience: Audience, *, channel: str = "email", reason: str | None = None, after: int = 0, size: int = 50
) -> People:
    """By number. With a `reason`, only those it keeps from marketing on the channel."""
    wanted = evaluate.targets(
        evaluate.definition(audience),
        workspace_id=audience.workspace_id,
        channel=channel,
        category="marketing",
    )
    query = Query("SELECT profile_id FROM (") + wanted + Query(") t WHERE profile_id > %s ", (after,))
    if reason is not None:
        query += Query("AND reason = %s ", (reason,))
    query += Query("ORDER BY profile_id LIMIT %s", (size + 1,))
    with connection.cursor() as cursor:
        cursor.execute(query.sql, query.params)
        ids = [row[0] for row in cursor.fetchall()]
    found = Profile.objects.filter(workspace=audience.workspace_id).in_bulk(ids[:size])
    shown = [found[pk] for pk in ids[:size] if pk in found]
    return People(shown, ids[size - 1] if len(ids) > size else None)
