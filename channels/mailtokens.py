"""Access tokens for a mailbox whose server takes no passwords: OAuth 2.0 (RFC 6749), as Microsoft 365 and
Google document it for IMAP.

By client credentials (section 4.4) the application itself reads the mailbox, by a refresh token (section 6)
in the name of who once allowed it. Tokens are kept by the process until they end.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from channels import http
from common.wording import worded as _

CLIENT, REFRESH = "client", "refresh"
EARLY, SHORTEST = 60.0, 30.0  # seconds: a token is not used any more shortly before its end
LONGEST_TOKEN = 16_000  # characters
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_kept: dict[str, tuple[str, float]] = {}


class Refused(Exception):
    """There is no token; why, in words that may be shown."""


@dataclass(frozen=True)
class Grant:
    kind: str  # CLIENT or REFRESH
    token_url: str
    client_id: str
    client_secret: str
    refresh_token: str
    scope: str

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(one for one in (self.client_secret, self.refresh_token) if len(one) > 3)


@dataclass(frozen=True)
class Token:
    """`refresh_token` is set where the server gave another in place of the one that was used."""

    value: str
    refresh_token: str = ""


def token_for(grant: Grant, *, anew: bool = False) -> Token:
    """The kept one, or one that is asked for now; `anew` when the kept one was refused. Raises Refused."""
    place = hashlib.sha256(json.dumps(vars(grant)).encode()).hexdigest()
    known, ends_at = _kept.get(place, ("", 0.0))
    if known and ends_at > time.monotonic() and not anew:
        return Token(known)
    answer = _asked(grant)
    body = _body(answer)
    value, seconds = body.get("access_token"), body.get("expires_in", 3600)
    if answer.status != 200 or not _is_token(value):
        words = body.get("error_description") or body.get("error") or f"HTTP {answer.status}"
        raise Refused(_hidden(http.said(str(words)), grant))
    lasts = float(seconds) if isinstance(seconds, int | str) and str(seconds).isdigit() else 0.0
    _kept[place] = (str(value), time.monotonic() + max(lasts - EARLY, SHORTEST))
    newer = body.get("refresh_token")
    changed = grant.kind == REFRESH and _is_token(newer) and newer != grant.refresh_token
    return Token(str(value), str(newer) if changed else "")


def _asked(grant: Grant) -> http.Answer:
    given = {"client_id": grant.client_id, "client_secret": grant.client_secret, "scope": grant.scope}
    if grant.kind == REFRESH:
        given |= {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}
    else:
        given["grant_type"] = "client_credentials"
    form = urlencode({name: value for name, value in given.items() if value})

    async def exchange() -> http.Answer:
        client = http.Client()
        try:
            return await client.exchange(http.Request("POST", grant.token_url, FORM, form.encode()))
        finally:
            await client.close()

    try:
        return asyncio.run(exchange())
    except http.Failure as failure:
        raise Refused(_hidden(failure.detail, grant)) from failure


def _body(answer: http.Answer) -> Mapping[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_token(value: Any) -> bool:
    """RFC 6750, section 2.1: nothing that could end the line it is sent in."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TOKEN:
        return False
    return value.isascii() and value.isprintable()


def _hidden(words: str, grant: Grant) -> str:
    for secret in grant.secrets:
        words = words.replace(secret, "•••")
    return _("No access token: %(why)s") % {"why": words}
