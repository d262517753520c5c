"""Kinds of channel: what an address is, and how it is cleaned to the one form that is stored and compared."""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import phonenumbers
from cryptography.hazmat.primitives.asymmetric import ec
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from email_validator import EmailNotValidError, validate_email

from channels.destinations import check_url
from common.errors import Invalid, Problem

STANDARD = str.maketrans("-_", "+/")


def clean_email(value: str) -> str:
    """Lower case, NFKC, the domain in its ASCII form, so that one address has one spelling.

    Raises Invalid `bad_email`. Nothing is asked of the network.
    """
    text = unicodedata.normalize("NFKC", value).strip().rstrip(".")
    try:
        # `test_environment` lets names under .test pass (RFC 6761), which installations try things out with.
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except EmailNotValidError as error:
        raise _bad_email(value) from error
    if "." not in found.domain or found.ascii_email is None:
        raise _bad_email(value)
    return found.ascii_email.lower()


def _bad_email(value: str) -> Invalid:
    detail = _("“%(value)s” is not an email address. Write it like ana@example.com.")
    return Invalid(Problem("bad_email", detail % {"value": value[:80]}))


def clean_phone(value: str, country: str | None = None) -> str:
    """E.164, such as +886912345678. Raises Invalid `bad_phone`.

    The number must name its country, unless `country` (ISO 3166, such as TW) says whose numbers are meant.
    """
    text = unicodedata.normalize("NFKC", value).strip()
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        detail = _("“%(value)s” is not a phone number. Write it with its country, like +886 912 345 678.")
        raise Invalid(Problem("bad_phone", detail % {"value": value[:80]}))
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def clean_sms_sender(value: str) -> str:
    """A number with its country, a short code of 3 to 8 digits, or a name of up to 11 letters and digits.

    Raises Invalid `bad_sender`. Nobody can answer a name.
    """
    text = unicodedata.normalize("NFKC", value).strip()
    if re.fullmatch(r"[0-9]{3,8}", text):
        return text
    if re.fullmatch(r"(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9 &_.-]{0,10}", text):
        return text
    try:
        return clean_phone(text)
    except Invalid as error:
        detail = _(
            "“%(value)s” cannot send. Write a number like +886 912 345 678, a short code of 3 to 8 digits, "
            "or a name of at most 11 letters and digits."
        )
        raise Invalid(Problem("bad_sender", detail % {"value": value[:80]})) from error


def clean_receiver(value: str) -> str:
    """Whom a webhook is about: a name the receiving system knows, at most 200 printable characters.

    Raises Invalid `bad_receiver`.
    """
    text = unicodedata.normalize("NFKC", value).strip()
    if not 0 < len(text) <= 200 or not text.isprintable():
        detail = _("Give at most 200 characters that can be printed, on one line.")
        raise Invalid(Problem("bad_receiver", detail))
    return text


def clean_line_user(value: str) -> str:
    """A LINE user id: U and 32 hexadecimal digits; each LINE provider's channels know a person by another.

    Raises Invalid `bad_line_id`.
    """
    text = unicodedata.normalize("NFKC", value).strip()
    if not re.fullmatch(r"U[0-9a-f]{32}", text):
        detail = _("“%(value)s” is not a LINE user id: U and 32 digits or letters from a to f.")
        raise Invalid(Problem("bad_line_id", detail % {"value": text[:80]}))
    return text


PLATFORMS = {
    "fcm": re.compile(r"[A-Za-z0-9_:-]{20,480}"),  # Firebase documents no form; these are what it gives out
    "apns": re.compile(r"[0-9a-f]{64,400}"),
    "apnssandbox": re.compile(r"[0-9a-f]{64,400}"),  # tokens of apps that are run from Xcode
}


def clean_push_token(value: str) -> str:
    """The platform and the device's token, such as `fcm:…`, `apns:…` or `apnssandbox:…`.

    Raises Invalid `bad_push_token`.
    """
    platform, _colon, token = value.strip().partition(":")
    platform = platform.lower()
    token = token.strip("<> ").replace(" ", "").lower() if platform.startswith("apns") else token
    if platform not in PLATFORMS or not PLATFORMS[platform].fullmatch(token):
        detail = _("“%(value)s” is not a device’s token. Write the platform before it, like fcm:… or apns:….")
        raise Invalid(Problem("bad_push_token", detail % {"value": value[:40]}))
    return f"{platform}:{token}"


def clean_subscription(value: str) -> str:
    """A browser's PushSubscription as JSON, with its https endpoint and both keys (RFC 8291, section 2).

    Stored with sorted names and without its expiry, so that one subscription has one spelling. Raises
    Invalid `bad_subscription`.
    """
    try:
        given: Any = json.loads(value) if len(value) <= 4000 else None
        keys = given["keys"]
        point, secret = _octets(keys["p256dh"]), _octets(keys["auth"])
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        endpoint = check_url(given["endpoint"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, Invalid) as error:
        raise _bad_subscription() from error
    if len(point) != 65 or len(secret) != 16 or len(endpoint) > 1500:
        raise _bad_subscription()
    kept = {"auth": _base64url(secret), "p256dh": _base64url(point)}
    return json.dumps({"endpoint": endpoint, "keys": kept}, separators=(",", ":"), sort_keys=True)


def _bad_subscription() -> Invalid:
    detail = _("This is not a browser’s push subscription: JSON with “endpoint” and “keys”.")
    return Invalid(Problem("bad_subscription", detail))


def _octets(text: str) -> bytes:
    """Base64 in either alphabet, with or without its end."""
    return base64.b64decode(
        text.rstrip("=").translate(STANDARD) + "=" * (-len(text.rstrip("=")) % 4), validate=True
    )


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@dataclass(frozen=True)
class Kind:
    """`clean` brings an address into the form that is stored, or raises Invalid."""

    key: str
    label: object
    clean: Callable[[str], str]


KINDS = {
    kind.key: kind
    for kind in (
        Kind("email", gettext_lazy("Email"), clean_email),
        Kind("sms", gettext_lazy("SMS"), clean_phone),
        Kind("push", gettext_lazy("Mobile push"), clean_push_token),
        Kind("webpush", gettext_lazy("Web push"), clean_subscription),
        Kind("line", gettext_lazy("LINE"), clean_line_user),
        Kind("whatsapp", gettext_lazy("WhatsApp"), clean_phone),
        Kind("direct_mail", gettext_lazy("Direct mail"), clean_receiver),
        Kind("inapp", gettext_lazy("In-app inbox"), clean_receiver),
        Kind("webhook", gettext_lazy("Webhook"), clean_receiver),
    )
}
