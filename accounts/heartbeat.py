"""When each part of the product was last seen: the clock writes its own line, workers theirs in the sweeps.

Shown at the foot of every page and by the doctor. A lane has one line, and one more for each host that works
in it (`bulk@host`). `drift` is how far a part's clock is ahead of the database's, in seconds.
"""

from __future__ import annotations

import socket
from datetime import datetime, timedelta

from django.db import connection

from accounts.models import Heartbeat

CLOCK = "clock"
SILENT = 30  # seconds without a sign of life after which a part is told as away
FORGOTTEN = timedelta(days=1)
WRITE = """
INSERT INTO accounts_heartbeat (part, seen_at, drift)
SELECT part, %(now)s, extract(epoch FROM %(now)s - clock_timestamp()) FROM unnest(%(parts)s::text[]) part
ON CONFLICT (part) DO UPDATE SET seen_at = excluded.seen_at, drift = excluded.drift
"""


def beat(part: str, *, now: datetime) -> None:
    """`now` must be fresh: the clock is judged by it."""
    parts = [part, f"{part}@{socket.gethostname()}"[:40]]
    with connection.cursor() as cursor:
        cursor.execute(WRITE, {"parts": sorted(parts), "now": now})


def parts(*, now: datetime) -> dict[str, int]:
    """Seconds since each part was seen. A part that never was is missing, and so is a host after a day."""
    rows = Heartbeat.objects.exclude(part__contains="@", seen_at__lt=now - FORGOTTEN).order_by("part")
    return {row.part: int((now - row.seen_at).total_seconds()) for row in rows}


def drifts(*, now: datetime) -> dict[str, float]:
    """By how many seconds the clock of each part seen lately is ahead of the database's."""
    rows = Heartbeat.objects.filter(seen_at__gt=now - FORGOTTEN).exclude(drift=None)
    return {row.part: row.drift or 0.0 for row in rows.order_by("part")}
