"""One signed name per message, for the links in it: run (4 bytes), action (1), ref (5), then the MAC.

Behind it a link bears its destination, signed too and the same in every message: whoever follows it gets
there though the database may be down. As long as that answers, what it holds counts.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.urls import reverse

from common import tokens

CLICK, OPEN, UNSUBSCRIBE, MIRROR, DESTINATION = "click", "open", "unsubscribe", "mirror", "destination"
LONGEST_SEALED = 1000  # characters of a destination that a link bears itself
# A worker looks the addresses up among these alone: all pages of the house are tens of megabytes of it.
PUBLIC = "campaigns.public_urls"
SEEDS = 1 << 39  # refs from here on name copies for a seed list: their links lead on and count nothing


class MessageKey(NamedTuple):
    """What names a message: the primary key of its row."""

    run_id: int
    action: int
    ref: int

    def __str__(self) -> str:
        return f"{self.run_id}.{self.action}.{self.ref}"


def sign(purpose: str, key: MessageKey) -> str:
    return tokens.sign(purpose, _packed(key))


def _packed(key: MessageKey) -> bytes:
    return key.run_id.to_bytes(4, "big") + bytes([key.action]) + key.ref.to_bytes(5, "big")


def read(purpose: str, token: str) -> MessageKey | None:
    payload = tokens.read(purpose, token)
    if payload is None or len(payload) != 10:
        return None
    return MessageKey(int.from_bytes(payload[:4], "big"), payload[4], int.from_bytes(payload[5:], "big"))


def seal(url: str) -> str:
    """A destination to stand in a link; empty for one that is so long that no mail program would take it."""
    return tokens.sign(DESTINATION, url.encode()) if len(url) <= LONGEST_SEALED else ""


def unseal(sealed: str) -> str | None:
    url = tokens.read(DESTINATION, sealed, longest=6 * LONGEST_SEALED)
    return url.decode() if url else None


@lru_cache(maxsize=16)
def _around(house: str, name: str) -> tuple[str, str]:
    """What stands before and behind the token in an address of ours: looked up once, not for each message."""
    path = reverse(name, PUBLIC, ["token", 0] if name == CLICK else ["token"])
    before, _token, behind = path.partition("token")
    return house + before, behind


class Urls(NamedTuple):
    """What nearly every message bears: how its links begin, its picture, the way to leave."""

    click_base: str
    open_url: str
    unsubscribe_url: str


def urls_of(key: MessageKey) -> Urls:
    """The same as from the functions below, worked out together."""
    house, names = settings.LINKS_URL, (CLICK, OPEN, UNSUBSCRIBE)
    signed = zip(names, tokens.sign_each(names, _packed(key)), strict=True)
    click, opened, leave = [token.join(_around(house, name)) for name, token in signed]
    return Urls(click[:-1], opened, leave)


def _url(name: str, key: MessageKey) -> str:
    before, behind = _around(settings.LINKS_URL, name)
    return f"{before}{sign(name, key)}{behind}"


def click_base(key: MessageKey) -> str:
    """A link's number is written behind it."""
    return _url(CLICK, key)[:-1]


def open_url(key: MessageKey) -> str:
    return _url(OPEN, key)


def unsubscribe_url(key: MessageKey) -> str:
    return _url(UNSUBSCRIBE, key)


def mirror_url(key: MessageKey) -> str:
    return _url(MIRROR, key)
