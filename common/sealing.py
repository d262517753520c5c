"""Seals a secret for the database: AES-256-GCM, bound to its row.

A sealed value is version (1 byte), key id (4), nonce (12), ciphertext with tag. What it is bound to is part
of what is authenticated, so a sealed value copied to another row does not open. SEALING_KEY seals; the kept
older keys in SEALING_KEY_FALLBACKS still open, until `manage.py reseal_credentials` has moved every row to
the present one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

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


def seal(secret: str, *, bound_to: bytes) -> bytes:
    key_id, cipher = _key(settings.SEALING_KEY)
    nonce = os.urandom(NONCE)
    return VERSION + key_id + nonce + cipher.encrypt(nonce, secret.encode(), bound_to)


def unseal(sealed: bytes | memoryview, *, bound_to: bytes) -> str:
    """Raises SealBroken, which says nothing about the content."""
    sealed = bytes(sealed)  # PostgreSQL hands out a memoryview
    start = len(VERSION)
    known, nonce = sealed[start : start + KEY_ID], sealed[start + KEY_ID : start + KEY_ID + NONCE]
    for secret in (settings.SEALING_KEY, *settings.SEALING_KEY_FALLBACKS):
        key, cipher = _key(secret)
        if sealed[:start] == VERSION and key == known:
            try:
                return cipher.decrypt(nonce, sealed[start + KEY_ID + NONCE :], bound_to).decode()
            except InvalidTag:
                break
    raise SealBroken(_("The stored password cannot be read. Enter it again."))


def is_current(sealed: bytes | memoryview) -> bool:
    """Whether the present key sealed it."""
    return bytes(sealed)[: len(VERSION) + KEY_ID] == VERSION + _key(settings.SEALING_KEY)[0]


def is_kept(sealed: bytes | memoryview) -> bool:
    """Whether the key that sealed it is still here."""
    kept = {_key(secret)[0].hex() for secret in (settings.SEALING_KEY, *settings.SEALING_KEY_FALLBACKS)}
    return key_id(sealed) in kept


@dataclass(frozen=True)
class Resealed:
    """Counts of some rows: sealed anew, under the present key already; and which no kept key opens."""

    sealed: int
    current: int
    unreadable: tuple[Any, ...]


def reseal(rows: Sequence[Any], *, bound_to: Callable[[int], bytes]) -> Resealed:
    """Seals anew the `sealed` of every row that an older key has sealed, and saves it. Lock them first."""
    old = [row for row in rows if row.sealed and not is_current(row.sealed)]
    broken = []
    for row in old:
        try:
            plain = unseal(row.sealed, bound_to=bound_to(row.pk))
        except SealBroken:
            broken.append(row)
            continue
        row.sealed = seal(plain, bound_to=bound_to(row.pk))
        row.save(update_fields=["sealed"])
    return Resealed(len(old) - len(broken), len(rows) - len(old), tuple(broken))


def key_id(sealed: bytes | memoryview) -> str:
    """Which key sealed it, in hexadecimal; it says nothing about the key itself."""
    return bytes(sealed)[len(VERSION) : len(VERSION) + KEY_ID].hex()
