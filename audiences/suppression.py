"""Addresses nobody writes to. They are kept by the address itself, so they outlive profiles and imports."""

from __future__ import annotations

from datetime import datetime

from audiences.models import Suppression


def suppress(*, workspace_id: int, channel: str, address: str, reason: str, now: datetime) -> None:
    """The first reason stays."""
    Suppression.objects.get_or_create(
        workspace_id=workspace_id, channel=channel, address=address, defaults={"reason": reason, "at": now}
    )
