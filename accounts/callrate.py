"""How often a credential may call: counted for each minute, over all web processes, in one unlogged row.

Only a credential with a limit is counted at all. After a crash of the database the count begins anew.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from accounts.models import ApiCredential

COUNT = """
INSERT INTO accounts_callcount AS c (credential_id, minute, calls) VALUES (%s, date_trunc('minute', %s), 1)
ON CONFLICT (credential_id) DO UPDATE SET minute = excluded.minute,
    calls = CASE WHEN c.minute = excluded.minute THEN c.calls + 1 ELSE 1 END
RETURNING calls
"""


def seconds_to_wait(credential: ApiCredential, *, now: datetime) -> int:
    """Counts one call. 0: it may go on; else after how many seconds the next minute begins."""
    if credential.calls_per_minute is None:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [credential.pk, now])
        calls = int(cursor.fetchone()[0])
    return 60 - now.second if calls > credential.calls_per_minute else 0
