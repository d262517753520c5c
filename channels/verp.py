"""Addresses that name a message: where its bounces go, and where a mail takes its reader off the list.

`bounces@news.example.com` becomes `bounces+TOKEN@news.example.com`. The token holds the message's key and a
MAC, so nobody can make up a bounce for somebody else's message. It is base32: mail servers may change the
case of letters. A local part has 64 characters (RFC 5321 section 4.5.3.1.1); the token takes at most 48.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from common import tokens

BOUNCE, LEAVE = "bounce", "leave"
MOST_LOCAL = 15  # characters before the +
SIGNS, FILLER = "0123456789.", "f"  # half an octet each: the dot is 10, what fills up is 15
KEY = re.compile(r"[0-9.]{1,28}\Z")
FOUND = re.compile(r"\+([a-z2-7]{27,56})@", re.IGNORECASE)


class Named(NamedTuple):
    """`purpose` is BOUNCE or LEAVE, `key` the message's own."""

    purpose: str
    key: str


@lru_cache(maxsize=64)  # one message asks for the same more than once
def token(purpose: str, key: str) -> str:
    """Empty for a key that is no run's message: a sample's."""
    if not KEY.match(key):
        return ""
    packed = bytes.fromhex(key.replace(".", "a") + FILLER * (len(key) % 2))
    return base64.b32encode(tokens.signed(purpose, packed)).decode().rstrip("=").lower()


def address(base: str, purpose: str, key: str) -> str:
    local, _at, domain = base.rpartition("@")
    signed = token(purpose, key)
    return f"{local}+{signed}@{domain}" if signed else base


def read(text: str) -> Named | None:
    """What a token says that we signed."""
    text = text.strip().upper()
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        return None
    signed = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    for purpose in (BOUNCE, LEAVE):
        packed = tokens.read(purpose, signed)
        if packed is not None:
            signs = [half for octet in packed for half in (octet >> 4, octet & 15)]
            return Named(purpose, "".join(SIGNS[sign] for sign in signs if sign < len(SIGNS)))
    return None


def first_of(addresses: Iterable[str]) -> Named | None:
    """The first that was signed, in any of these texts that hold addresses."""
    for text in addresses:
        for found in FOUND.finditer(text[:2000]):
            if (named := read(found.group(1))) is not None:
                return named
    return None
