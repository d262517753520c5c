"""Signatures on what comes in from providers, each checked on the raw body, in constant time.

Each function returns a Proof, or raises NotGenuine. A Proof holds facts: when it was signed, whether that is
too long ago, and a key by which the same request is known again. What to do about them is the endpoint's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit, urlunsplit

import jwt
from django.utils.translation import gettext as _
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from channels.messages import Arrival
from common.errors import CarillonError

MAX_AGE = timedelta(minutes=5)
AHEAD = timedelta(minutes=5)  # clocks differ
STANDARD_PORTS = {"https": 443, "http": 80}


class NotGenuine(CarillonError):
    """The request carries no signature, or one that is not theirs."""

    status = 401
    code = "bad_signature"


@dataclass(frozen=True)
class Proof:
    """`signed_at` is None where the scheme carries no time; then nothing can be called stale."""

    replay_key: str
    signed_at: datetime | None = None
    is_stale: bool = False


def twilio(arrival: Arrival, secret: str) -> Proof:
    """X-Twilio-Signature: HMAC-SHA1 over the address and the sorted form fields, or the body's hash.

    https://www.twilio.com/docs/usage/webhooks/webhooks-security. The address is tried with and without the
    standard port, as Twilio's own libraries do. The scheme carries no time.
    """
    _known(secret)
    given = _header(arrival, "x-twilio-signature")
    fields = ""
    query = dict(parse_qsl(urlsplit(arrival.url).query))
    if "bodySHA256" in query:
        _compare(hashlib.sha256(arrival.body).hexdigest(), query["bodySHA256"].lower())
    else:
        pairs = parse_qsl(_text(arrival.body), keep_blank_values=True)
        fields = "".join(name + value for name, value in sorted(set(pairs)))
    for url in _with_and_without_port(arrival.url):
        digest = hmac.new(secret.encode(), (url + fields).encode(), hashlib.sha1).digest()
        if hmac.compare_digest(base64.b64encode(digest), given.encode("utf-8", "replace")):
            return Proof(replay_key=_replay_key(given, arrival.body))
    raise _wrong()


def vonage(arrival: Arrival, secret: str, *, api_key: str = "") -> Proof:
    """A JWT (HS256) in Authorization whose `payload_hash` is the SHA-256 of the body.

    https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks
    """
    _known(secret)
    scheme, _space, token = _header(arrival, "authorization").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _wrong()
    try:
        claims: dict[str, Any] = jwt.decode(
            token.strip(),
            secret,
            algorithms=["HS256"],
            options={"require": ["iat", "jti", "payload_hash"], "verify_iat": False, "verify_exp": False,
                     "verify_nbf": False, "verify_aud": False, "verify_iss": False},
        )  # fmt: skip
        signed_at = datetime.fromtimestamp(float(claims["iat"]), UTC)
    except (jwt.PyJWTError, ValueError, OverflowError, TypeError, OSError) as error:
        raise _wrong() from error
    _compare(hashlib.sha256(arrival.body).hexdigest(), str(claims["payload_hash"]).lower())
    if api_key and claims.get("api_key") != api_key:
        raise _wrong()
    return _dated(signed_at, str(claims["jti"])[:200], arrival.at)


def standard_webhooks(arrival: Arrival, secret: str) -> Proof:
    """The headers webhook-id, webhook-timestamp and webhook-signature (https://www.standardwebhooks.com)."""
    _known(secret)
    key, stamp = _header(arrival, "webhook-id"), _header(arrival, "webhook-timestamp")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 10):
        raise _wrong()
    signed_at = datetime.fromtimestamp(int(stamp), UTC)
    try:
        expected = Webhook(secret).sign(key, signed_at, _text(arrival.body))
    except (ValueError, EmptyWebhookSecretError) as error:
        raise _wrong() from error
    for signature in _header(arrival, "webhook-signature").split(" ")[:20]:
        if hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            return _dated(signed_at, key[:200], arrival.at)
    raise _wrong()


def body_hmac(arrival: Arrival, secret: str, *, header: str) -> Proof:
    """HMAC-SHA256 of the body in hexadecimal or base64, after `sha256=` where the header begins with that."""
    _known(secret)
    given = _header(arrival, header).removeprefix("sha256=").strip()
    digest = hmac.new(secret.encode(), arrival.body, hashlib.sha256).digest()
    known = (digest.hex(), base64.b64encode(digest).decode())
    text = given.lower() if len(given) == len(known[0]) else given
    if not any(hmac.compare_digest(one.encode(), text.encode("utf-8", "replace")) for one in known):
        raise _wrong()
    return Proof(replay_key=_replay_key("", arrival.body))


def basic(arrival: Arrival, *, username: str, password: str) -> Proof:
    """HTTP Basic. It says who speaks, and nothing about the body."""
    _known(password)
    scheme, _space, given = _header(arrival, "authorization").partition(" ")
    expected = base64.b64encode(f"{username}:{password}".encode()).decode()
    if scheme.lower() != "basic":
        raise _wrong()
    _compare(expected, given.strip())
    return Proof(replay_key=_replay_key("", arrival.body))


def shared_token(arrival: Arrival, secret: str, *, header: str = "", query: str = "") -> Proof:
    """A word that only they know, in a header or in the address."""
    _known(secret)
    if header:
        given = _header(arrival, header)
    else:
        given = dict(parse_qsl(urlsplit(arrival.url).query)).get(query, "")
    _compare(secret, given)
    return Proof(replay_key=_replay_key("", arrival.body))


def is_same(expected: str, given: str) -> bool:
    """In constant time; nothing is the same as an empty secret."""
    return bool(expected) and hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


# ---- inside -------------------------------------------------------------------------------------
def _header(arrival: Arrival, name: str) -> str:
    headers: Mapping[str, str] = arrival.headers
    value = headers.get(name.lower(), "")
    if not value:
        raise NotGenuine(_("The request is not signed: the header “%(name)s” is missing.") % {"name": name})
    return value


def _known(secret: str) -> None:
    """An empty secret proves nothing: anybody could sign with it."""
    if not secret:
        raise NotGenuine(_("No secret is stored with which the request could be checked."))


def _wrong() -> NotGenuine:
    return NotGenuine(_("The request’s signature is not right."))


def _compare(expected: str, given: str) -> None:
    if not is_same(expected, given):
        raise _wrong()


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise _wrong() from error


def _dated(signed_at: datetime, key: str, now: datetime) -> Proof:
    is_stale = not now - MAX_AGE <= signed_at <= now + AHEAD
    return Proof(replay_key=key, signed_at=signed_at, is_stale=is_stale)


def _replay_key(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()


def _with_and_without_port(url: str) -> list[str]:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    bare = host if host.endswith("]") or ":" not in host else host.rpartition(":")[0]
    port = parts.port or STANDARD_PORTS.get(parts.scheme, 443)
    return [url, *(_at(parts, netloc) for netloc in (bare, f"{bare}:{port}") if netloc != host)]


def _at(parts: SplitResult, netloc: str) -> str:
    return urlunsplit(parts._replace(netloc=netloc))
