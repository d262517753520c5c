"""Client credentials for an access token that lasts an hour (RFC 6749 section 4.4).

An access token names its credential and the secret it was given for, and is signed by us: revoking the
credential, or letting the secret end, ends its tokens at the same moment. Nothing is stored.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta

from accounts import credentials
from accounts.models import ApiCredential
from common import tokens

PURPOSE, MARK = "access", "cat_"
LIFETIME = timedelta(hours=1)
PREFIX_BYTES, TIME_BYTES, SECRET_BYTES = 6, 5, 16


def grant(client_id: str, client_secret: str, *, now: datetime) -> str | None:
    """An access token; None when the two do not name a live credential."""
    credential = credentials.find(f"{client_id}.{client_secret}", now=now)
    if credential is None:
        return None
    secret_hash = credentials.hash_of(client_secret)
    ends = int((now + LIFETIME).timestamp())
    named = bytes.fromhex(credential.prefix.removeprefix("car_"))
    payload = named + ends.to_bytes(TIME_BYTES, "big") + bytes.fromhex(secret_hash)[:SECRET_BYTES]
    return MARK + tokens.sign(PURPOSE, payload)


def find(token: str, *, now: datetime) -> ApiCredential | None:
    """The live credential an access token stands for."""
    payload = tokens.read(PURPOSE, token.removeprefix(MARK)) if token.startswith(MARK) else None
    if payload is None or len(payload) != PREFIX_BYTES + TIME_BYTES + SECRET_BYTES:
        return None
    named, rest = payload[:PREFIX_BYTES], payload[PREFIX_BYTES:]
    ends = datetime.fromtimestamp(int.from_bytes(rest[:TIME_BYTES], "big"), tz=UTC)
    credential = credentials.by_prefix("car_" + named.hex(), now=now) if ends > now else None
    if credential is None:
        return None
    secret = rest[TIME_BYTES:].hex()
    live = credentials.hashes(credential, now=now)
    if not any(hmac.compare_digest(one[: 2 * SECRET_BYTES], secret) for one in live):
        return None
    credentials.note_use(credential, now=now)
    return credential
