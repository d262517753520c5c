"""Kinds of channel: what an address is, and how it is cleaned to the one form that is stored and compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import phonenumbers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from email_validator import EmailNotValidError, validate_email

from common.errors import Invalid, Problem


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


def clean_phone(value: str) -> str:
    """E.164, such as +886912345678; the number must name its country. Raises Invalid `bad_phone`."""
    text = unicodedata.normalize("NFKC", value).strip()
    try:
        number = phonenumbers.parse(text, None)
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
        Kind("webhook", gettext_lazy("Webhook"), clean_receiver),
    )
}
