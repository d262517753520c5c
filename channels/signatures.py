"""Signatures on what comes in from providers, each checked on the raw body, in constant time.

Each function returns a Proof, or raises NotGenuine. A Proof holds facts: when it was signed, whether that is
too long ago, and a key by which the same request is known again. What to do about them is the endpoint's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit, urlunsplit

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from channels.messages import Arrival
from common.errors import CarillonError
from common.text import whole_number
from common.wording import worded as _

MAX_AGE = timedelta(minutes=5)
AHEAD = timedelta(minutes=5)  # clocks differ
# Some try for most of a day, and do not say that they sign anew; what is repeated changes nothing.
RETRIED = timedelta(hours=25)
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


def standard_webhooks(arrival: Arrival, secret: str, *, prefix: str = "webhook") -> Proof:
    """The headers webhook-id, webhook-timestamp and webhook-signature (https://www.standardwebhooks.com), or
    the same under another prefix, as with Svix.
    """
    _known(secret)
    key, stamp = _header(arrival, f"{prefix}-id"), _header(arrival, f"{prefix}-timestamp")
    signed_at = _at_seconds(stamp)
    try:
        expected = Webhook(secret).sign(key, signed_at, _text(arrival.body))
    except (ValueError, EmptyWebhookSecretError) as error:
        raise _wrong() from error
    for signature in _header(arrival, f"{prefix}-signature").split(" ")[:20]:
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


def sendgrid(arrival: Arrival, public_key: str) -> Proof:
    """ECDSA over the time and the body, by a key of which we know the public half (DER in base64).

    https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
    """
    _known(public_key)
    given = _header(arrival, "x-twilio-email-event-webhook-signature")
    stamp = _header(arrival, "x-twilio-email-event-webhook-timestamp")
    signed_at = _at_seconds(stamp)
    try:
        key = serialization.load_der_public_key(base64.b64decode(public_key))
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise _wrong()
        signed = stamp.encode() + arrival.body
        key.verify(base64.b64decode(given.encode("utf-8", "replace")), signed, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise _wrong() from error
    return _dated(signed_at, _replay_key(given, arrival.body), arrival.at, RETRIED)


def mailgun(arrival: Arrival, secret: str) -> Proof:
    """HMAC-SHA256 over a time and a token that stand in the body; nothing else of it is signed. So a token is
    good for one event: `replay_key` has to be the event's id.

    https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
    """
    _known(secret)
    try:
        signed = json.loads(arrival.body)["signature"]
        stamp, token, given = (str(signed[name]) for name in ("timestamp", "token", "signature"))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise NotGenuine(_("The request is not signed.")) from error
    digest = hmac.new(secret.encode(), (stamp + token).encode("utf-8", "replace"), hashlib.sha256)
    _compare(digest.hexdigest(), given)
    return _dated(_at_seconds(stamp), f"token:{token}"[:128], arrival.at, RETRIED)


def mandrill(arrival: Arrival, secret: str) -> Proof:
    """HMAC-SHA1 over the address and the sorted form fields. The scheme carries no time.

    https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/#authenticating-webhook-requests
    """
    _known(secret)
    given = _header(arrival, "x-mandrill-signature")
    pairs = parse_qsl(_text(arrival.body), keep_blank_values=True)
    fields = "".join(name + value for name, value in sorted(dict(pairs).items()))
    digest = hmac.new(secret.encode(), (arrival.url + fields).encode("utf-8", "replace"), hashlib.sha1)
    _compare(base64.b64encode(digest.digest()).decode(), given)
    return Proof(replay_key=_replay_key(given, arrival.body))


def unisender_go(arrival: Arrival, secret: str) -> Proof:
    """MD5 over the body, in which the key stands in the place of the sum. The scheme carries no time.

    https://godocs.unisender.ru/web-api-ref#callback-format
    """
    _known(secret)
    try:
        given = json.loads(arrival.body)["auth"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise NotGenuine(_("The request is not signed.")) from error
    if not (isinstance(given, str) and len(given) == 32 and given.isascii()):
        raise _wrong()
    signed = arrival.body.replace(given.encode(), secret.encode())
    _compare(hashlib.md5(signed).hexdigest(), given)  # noqa: S324  theirs
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


def _at_seconds(stamp: str) -> datetime:
    seconds = whole_number(stamp, 10**10 - 1)
    if seconds is None:
        raise _wrong()
    return datetime.fromtimestamp(seconds, UTC)


def _dated(signed_at: datetime, key: str, now: datetime, most: timedelta = MAX_AGE) -> Proof:
    is_stale = not now - most <= signed_at <= now + AHEAD
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
