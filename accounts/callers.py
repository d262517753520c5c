"""Which credential a call comes with: its own token, or an access token it got for it (`oauth.py`)."""

from __future__ import annotations

from datetime import datetime

from accounts import callrate, credentials, oauth
from accounts.models import ApiCredential
from common.errors import NotSignedIn, TooMany


def credential_of(authorization: str, *, now: datetime) -> ApiCredential | None:
    """By the Authorization header; None where it brings no bearer token.

    Raises NotSignedIn for a token that is none of ours or works no more, TooMany for who calls too often.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = token.strip()
    credential = credentials.find(token, now=now) or oauth.find(token, now=now)
    if credential is None:
        raise NotSignedIn("The credential is unknown, expired or revoked.")
    if wait := callrate.seconds_to_wait(credential, now=now):
        detail = f"This credential may call {credential.calls_per_minute} times a minute."
        raise TooMany(f"{detail} Come back in {wait} seconds.", retryAfter=wait)
    return credential
