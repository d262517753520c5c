"""When each part of the product was last seen: written by the sweeps, shown at the foot of every page."""

from __future__ import annotations

from datetime import datetime

from accounts.models import Heartbeat


def beat(part: str, *, now: datetime) -> None:
    Heartbeat.objects.update_or_create(part=part, defaults={"seen_at": now})


def parts(*, now: datetime) -> dict[str, int]:
    """Seconds since each part was seen. A part that never was is missing."""
    return {row.part: int((now - row.seen_at).total_seconds()) for row in Heartbeat.objects.order_by("part")}
