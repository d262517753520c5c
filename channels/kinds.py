"""Kinds of channel: what an address is, and how it is cleaned to the one form that is stored and compared."""

from __future__ import annotations

import unicodedata

import phonenumbers
from django.utils.translation import gettext as _
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
