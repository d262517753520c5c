"""Signed tokens for links in messages: short, one kind of link cannot stand in for another.

A token is base64url(payload + MAC). The MAC is keyed blake2b over the purpose and the payload, 16 bytes
(128 bits). The first key signs; the kept older keys still verify, so links outlive a key rotation.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from functools import cache

from django.conf import settings

MAC_BYTES = 16
LONGEST = 200
URLSAFE = bytes.maketrans(b"+/", b"-_")


@cache
def _derived(secret: str) -> bytes:
    return hashlib.sha256(b"carillon link token" + secret.encode()).digest()


@cache
def _begun(secret: str, purpose: str) -> hashlib.blake2b:
    """With the key taken in already, to be copied for each payload."""
    return hashlib.blake2b(digest_size=MAC_BYTES, key=_derived(secret), person=purpose.encode()[:16])


def _mac(secret: str, purpose: str, payload: bytes) -> bytes:
    made = _begun(secret, purpose).copy()
    made.update(payload)
    return made.digest()


def sign(purpose: str, payload: bytes) -> str:
    return _as_text(signed(purpose, payload))


def sign_each(purposes: Sequence[str], payload: bytes) -> list[str]:
    """A token of the same for each purpose."""
    secret = settings.SECRET_KEY
    return [_as_text(payload + _mac(secret, purpose, payload)) for purpose in purposes]


def _as_text(octets: bytes) -> str:
    return binascii.b2a_base64(octets, newline=False).translate(URLSAFE).rstrip(b"=").decode()


def signed(purpose: str, payload: bytes) -> bytes:
    """The payload with its MAC behind it, not yet written as text."""
    return payload + _mac(settings.SECRET_KEY, purpose, payload)


def read(purpose: str, token: str, *, longest: int = LONGEST) -> bytes | None:
    """The payload of a token for this purpose, or None. Punctuation that mail readers add is forgiven."""
    token = token.rstrip(".>)=,;")
    if len(token) > longest:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    payload, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    if _as_text(raw) != token:
        return None  # the unused last bits were set: not a token we wrote
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        if hmac.compare_digest(mac, _mac(secret, purpose, payload)):
            return payload
    return None
