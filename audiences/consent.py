"""What a person allows. Withdrawing always wins, at once, for every run."""

from __future__ import annotations

from datetime import datetime

from audiences.models import Consent


def withdraw(*, profile_id: int, channel: str, source: str, now: datetime) -> bool:
    """Records that the person wants no more marketing on the channel. True when that is news."""
    _row, created = Consent.objects.get_or_create(
        profile_id=profile_id,
        channel=channel,
        defaults={"state": Consent.State.NO, "source": source, "at": now},
    )
    if created:
        return True
    return bool(
        Consent.objects.filter(profile_id=profile_id, channel=channel)
        .exclude(state=Consent.State.NO)
        .update(state=Consent.State.NO, source=source, at=now)
    )
