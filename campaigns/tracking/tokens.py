"""One signed name per message, for the links in it: run (4 bytes), action (1), ref (5), then the MAC."""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings
from django.urls import reverse

from common import tokens

CLICK, OPEN, UNSUBSCRIBE = "click", "open", "unsubscribe"


class MessageKey(NamedTuple):
    """What names a message: the primary key of its row."""

    run_id: int
    action: int
    ref: int

    def __str__(self) -> str:
        return f"{self.run_id}.{self.action}.{self.ref}"


def sign(purpose: str, key: MessageKey) -> str:
    payload = key.run_id.to_bytes(4, "big") + bytes([key.action]) + key.ref.to_bytes(5, "big")
    return tokens.sign(purpose, payload)


def read(purpose: str, token: str) -> MessageKey | None:
    payload = tokens.read(purpose, token)
    if payload is None or len(payload) != 10:
        return None
    return MessageKey(int.from_bytes(payload[:4], "big"), payload[4], int.from_bytes(payload[5:], "big"))


def click_base(key: MessageKey) -> str:
    """A link's number is written behind it."""
    return settings.PUBLIC_URL + reverse("tracking:click", args=[sign(CLICK, key), 0])[:-1]


def open_url(key: MessageKey) -> str:
    return settings.PUBLIC_URL + reverse("tracking:open", args=[sign(OPEN, key)])


def unsubscribe_url(key: MessageKey) -> str:
    return settings.PUBLIC_URL + reverse("tracking:unsubscribe", args=[sign(UNSUBSCRIBE, key)])
