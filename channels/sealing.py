"""Seals a provider's secret for the database: AES-256-GCM, bound to its row.

A sealed value is version (1 byte), key id (4), nonce (12), ciphertext with tag. The row's number is part of
what is authenticated, so a sealed value copied to another row does not open. SEALING_KEY seals; the kept
older keys in SEALING_KEY_FALLBACKS still open, until `reseal` has moved every row to the present one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction

from accounts.models import Workspace
from channels.models import Credential
from common.errors import CarillonError
from common.wording import worded as _

VERSION, KEY_ID, NONCE = b"\x01", 4, 12


class SealBroken(CarillonError):
    """The secret was sealed with a key that is not kept, or was changed, or belongs to another row."""

    status = 409
    code = "credential_unreadable"


@cache
def _key(secret: str) -> tuple[bytes, AESGCM]:
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=b"carillon provider credential").derive(
        secret.encode()
    )
    return hashlib.sha256(b"key id" + derived).digest()[:KEY_ID], AESGCM(derived)


def _bound_to(row: int) -> bytes:
    return b"channels.credential:%d" % row


def seal(secret: str, *, row: int) -> bytes:
    key_id, cipher = _key(settings.SEALING_KEY)
    nonce = os.urandom(NONCE)
    return VERSION + key_id + nonce + cipher.encrypt(nonce, secret.encode(), _bound_to(row))


def unseal(sealed: bytes | memoryview, *, row: int) -> str:
    """Raises SealBroken, which says nothing about the content."""
    sealed = bytes(sealed)  # PostgreSQL hands out a memoryview
    start = len(VERSION)
    key_id, nonce = sealed[start : start + KEY_ID], sealed[start + KEY_ID : start + KEY_ID + NONCE]
    for secret in (settings.SEALING_KEY, *settings.SEALING_KEY_FALLBACKS):
        known_id, cipher = _key(secret)
        if sealed[:start] == VERSION and known_id == key_id:
            try:
                return cipher.decrypt(nonce, sealed[start + KEY_ID + NONCE :], _bound_to(row)).decode()
            except InvalidTag:
                break
    raise SealBroken(_("The stored password cannot be read. Enter it again."))


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
@dataclass(frozen=True)
class Resealed:
    """Counts of one batch: sealed anew, under the present key already, and unreadable with every key kept."""

    sealed: int
    current: int
    unreadable: tuple[int, ...]


def reseal(batch: int = 500) -> Iterator[Resealed]:
    """Seals every secret under SEALING_KEY, a transaction per batch; it can be broken off and run again."""
    after = 0
    while True:
        with transaction.atomic():
            rows = list(Credential.objects.select_for_update().filter(pk__gt=after).order_by("pk")[:batch])
            if not rows:
                return
            old = [row for row in rows if row.sealed and not is_current(row.sealed)]
            broken = tuple(row.pk for row in old if not _reseal(row))
        after = rows[-1].pk
        yield Resealed(len(old) - len(broken), len(rows) - len(old), broken)


def is_current(sealed: bytes | memoryview) -> bool:
    """Whether the present key sealed it."""
    return bytes(sealed)[: len(VERSION) + KEY_ID] == VERSION + _key(settings.SEALING_KEY)[0]


def _reseal(row: Credential) -> bool:
    try:
        row.sealed = seal(unseal(row.sealed, row=row.pk), row=row.pk)
    except SealBroken:
        return False
    row.save(update_fields=["sealed"])
    return True


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
    kept = {_key(secret)[0].hex() for secret in (settings.SEALING_KEY, *settings.SEALING_KEY_FALLBACKS)}
    if key_id(sealed) not in kept:
        return Seal.KEY_MISSING
    try:
        unseal(sealed, row=row.pk)
    except SealBroken:
        return Seal.BROKEN
    return Seal.CURRENT if is_current(sealed) else Seal.OLDER


def key_id(sealed: bytes | memoryview) -> str:
    """Which key sealed it, in hexadecimal; it says nothing about the key itself."""
    return bytes(sealed)[len(VERSION) : len(VERSION) + KEY_ID].hex()
