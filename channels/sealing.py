"""A provider's secrets in their rows, each sealed for its own (`common/sealing.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from django.db import transaction

from accounts.models import Workspace
from channels.models import Credential
from common import sealing
from common.sealing import Resealed, SealBroken, is_current, key_id

__all__ = [
    "Resealed",
    "Seal",
    "SealBroken",
    "is_current",
    "keep",
    "key_id",
    "reseal",
    "seal",
    "stands",
    "unseal",
]


def _bound_to(row: int) -> bytes:
    return b"channels.credential:%d" % row


def seal(secret: str, *, row: int) -> bytes:
    return sealing.seal(secret, bound_to=_bound_to(row))


def unseal(sealed: bytes | memoryview, *, row: int) -> str:
    """Raises SealBroken, which says nothing about the content."""
    return sealing.unseal(sealed, bound_to=_bound_to(row))


def keep(
    secret: str, *, workspace: Workspace, name: str, credential: Credential | None, now: datetime
) -> Credential:
    """Stores a secret in its row; a new row is made where there is none. Call it inside a transaction."""
    row = credential or Credential.objects.create(workspace=workspace, name=name, changed_at=now)
    row.sealed = seal(secret, row=row.pk)
    row.name, row.changed_at = name, now
    row.save(update_fields=["sealed", "name", "changed_at"])
    return row


# ---- rotation -----------------------------------------------------------------------------------
def reseal(batch: int = 500) -> Iterator[Resealed]:
    """Seals every secret under SEALING_KEY, a transaction per batch; it can be broken off and run again."""
    after = 0
    while True:
        with transaction.atomic():
            rows = list(Credential.objects.select_for_update().filter(pk__gt=after).order_by("pk")[:batch])
            if not rows:
                return
            done = sealing.reseal(rows, bound_to=_bound_to)
        after = rows[-1].pk
        yield done


# ---- what stands --------------------------------------------------------------------------------
class Seal(StrEnum):
    """How a stored secret stands with the keys that are kept."""

    CURRENT = "current"
    OLDER = "older"  # opens with a fallback: `reseal` moves it to the present key
    KEY_MISSING = "key_missing"  # sealed with a key that is not kept any more
    BROKEN = "broken"  # the key is here, but the value was changed or belongs to another row
    EMPTY = "empty"


def stands(row: Credential) -> Seal:
    sealed = bytes(row.sealed)
    if not sealed:
        return Seal.EMPTY
    if not sealing.is_kept(sealed):
        return Seal.KEY_MISSING
    try:
        unseal(sealed, row=row.pk)
    except SealBroken:
        return Seal.BROKEN
    return Seal.CURRENT if is_current(sealed) else Seal.OLDER
