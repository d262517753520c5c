"""Whether PostgreSQL keeps what it said it has committed, also when its power is cut.

What was handed to a provider must be in the ledger by then: a server that forgets it lets people be written
to twice.
"""

from __future__ import annotations

from django.db import connection

KEEPING = ("fsync", "full_page_writes", "synchronous_commit")


def forgetful() -> list[str]:
    """The names of those settings of the server that are off."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM pg_settings WHERE name = ANY(%s) AND setting = 'off' ORDER BY name",
            [list(KEEPING)],
        )
        return [name for (name,) in cursor.fetchall()]
