"""The one lock of all who write a workspace's people in bulk: imports, bulk calls, conversions."""

from __future__ import annotations

from django.db import connection

LOCK_SPACE = 0x0A0E  # first key of the two-key advisory lock; the second is the workspace


def lock_people(workspace_id: int) -> None:
    """Until the transaction ends nobody else writes people of the workspace in bulk.

    Two imports, or an import and a bulk call, would else take the same rows in different order and wait for
    each other for ever. One person is changed without it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, workspace_id])
