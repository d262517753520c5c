"""Reads the mailbox the demo's mail server fills: newest first, found by address, one message whole.

A message's name is its file's name without the ending; nothing else of the path is ever taken from
a request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from django.conf import settings

NAME = re.compile(r"\d{20}-\d{4}")
ADDRESS_LINE = b"Delivered-To:"
HEAD_SIZE = 16 * 1024
BASE = '<base target="_top">'
HEAD = re.compile(r"<head(\s[^>]*)?>", re.IGNORECASE)


@dataclass(frozen=True)
class Letter:
    name: str
    received_at: datetime
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")

    @property
    def sender(self) -> str:
        return str(self.message["From"] or "")

    @property
    def recipient(self) -> str:
        return str(self.message["Delivered-To"] or "")

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, str(value)) for name, value in self.message.items()]

    @property
    def text(self) -> str:
        return body(self.message, "plain")

    @property
    def html(self) -> str:
        """The HTML part, its links opening in the whole window: a landing page must not sit in a frame."""
        html = body(self.message, "html")
        if found := HEAD.search(html):
            return html[: found.end()] + BASE + html[found.end() :]
        return f"<!doctype html>{BASE}{html}" if html else ""


def directory() -> Path:
    return Path(settings.VAR) / "mailbox"


def names(search: str = "") -> list[str]:
    """The names of all messages, newest first; with `search`, of those delivered to such an address."""
    found = sorted((path.stem for path in directory().glob("*.eml")), reverse=True)
    wanted = search.strip().lower().encode()
    return [name for name in found if wanted in address_line(name)] if wanted else found


def address_line(name: str) -> bytes:
    with path_of(name).open("rb") as file:
        return file.readline().removeprefix(ADDRESS_LINE).lower()


def heads(names: list[str]) -> Iterator[Letter]:
    """The messages with their headers only, for a list."""
    for name in names:
        with path_of(name).open("rb") as file:
            yield letter(name, file.read(HEAD_SIZE), headers_only=True)


def whole(name: str) -> Letter:
    """Raises FileNotFoundError for a name that is none of ours."""
    if not NAME.fullmatch(name):
        raise FileNotFoundError(name)
    return letter(name, path_of(name).read_bytes())


def path_of(name: str) -> Path:
    return directory() / f"{name}.eml"


def letter(name: str, content: bytes, *, headers_only: bool = False) -> Letter:
    message = BytesParser(policy=policy.default).parsebytes(content, headersonly=headers_only)
    return Letter(name, datetime.fromtimestamp(int(name.partition("-")[0]) / 1e9, UTC), message)


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, ValueError):  # a charset nobody knows; the demo shows what it can
        return bytes(part.get_payload(decode=True) or b"").decode(errors="replace")
