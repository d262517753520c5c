"""A Rendered message as the bytes that travel: multipart/alternative, quoted-printable, CRLF line ends;
with files in a multipart/mixed around it.

The bytes are written here and not by `email.message.EmailMessage`: under Python 3.11.7 its modern policy lets
an encoded-word in a subject become a header of its own (CVE-2024-6923), and it takes milliseconds. Here a
control character never reaches a header, and text that looks like an encoded-word is itself encoded.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from urllib.parse import quote

from channels.dkim import Signer
from channels.messages import Attachment, Rendered

OWN_HEADERS = {
    "from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id", "mime-version",
    "return-path", "received",
}  # fmt: skip
HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}\Z")
ADDRESS = re.compile(r"[!-;=?A-~]+@[!-;=?A-~]+\Z")  # printable ASCII without space, < and >
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
PLAIN = re.compile(r"(?!\.)[ -<>-~]{1,75}\Z")  # stands in quoted-printable as it is
UNBROKEN = re.compile(r"[!-<>-~]{1,2000}\Z")  # the same without blanks, as long as an address in a link
DOTS = re.compile(r"^\.+", re.MULTILINE)
LONG = re.compile(r"^([^\n]{74,75})(=20|=09)$", re.MULTILINE)
KEY = re.compile(r"[A-Za-z0-9._+-]{1,120}\Z")
INNER, OUTER = "=_carillon", "=_carillon-files"  # never in quoted-printable or base64
KIND = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,80}\Z")
_PART = "Content-Type: text/{}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
BEFORE_TEXT = f"--{INNER}\r\n{_PART.format('plain')}"
BEFORE_HTML = f"\r\n--{INNER}\r\n{_PART.format('html')}"
BEHIND_BODIES = f"\r\n--{INNER}--\r\n"
MAX_LINE = 900  # RFC 5322 section 2.1.1 allows 998 characters


def build(message: Rendered, *, now: datetime, signer: Signer | None = None) -> bytes:
    """Signed when a signer is given. No line begins with a dot, so there is none for SMTP to double (RFC 5321
    section 4.5.2). Raises ValueError when an address or a header cannot stand in it.
    """
    lines = [*_headers(message, now)]
    if message.attachments:
        lines += [f'Content-Type: multipart/mixed; boundary="{OUTER}"', "", f"--{OUTER}"]
    lines += [f'Content-Type: multipart/alternative; boundary="{INNER}"', "", ""]
    bodies = message.bodies or alternatives(quoted_printable(message.text), quoted_printable(message.html))
    octets = "\r\n".join(lines).encode("ascii") + bodies
    if message.attachments:
        octets += "\r\n".join(_files(message.attachments)).encode("ascii")
    return signer.sign(octets, now=now) if signer else octets


def alternatives(text: str, html: str) -> bytes:
    """The bodies as they travel, of what is quoted-printable already."""
    return f"{BEFORE_TEXT}{text}{BEFORE_HTML}{html}{BEHIND_BODIES}".encode("ascii")


def _files(attachments: Sequence[Attachment]) -> Iterator[str]:
    yield ""
    for one in attachments:
        yield f"--{OUTER}"
        yield from _file_headers(one)
        yield ""
        yield one.base64.removesuffix("\r\n")
    yield f"--{OUTER}--"
    yield ""


def _file_headers(one: Attachment) -> Iterator[str]:
    """A name beyond ASCII is written as RFC 2231 has it, in pieces that keep lines short."""
    kind = one.kind if KIND.match(one.kind) else "application/octet-stream"
    yield f"Content-Type: {kind}"
    yield "Content-Transfer-Encoding: base64"
    plain = CONTROLS.sub(" ", one.name).strip()[:200] or "file"
    ascii_name = re.sub(r"[^ !#-\[\]-~]", "_", plain)
    yield "Content-Disposition: attachment;"
    if ascii_name == plain and len(plain) < 60:
        yield f' filename="{plain}"'
        return
    octets = plain.encode("utf-8", "replace")
    pieces = [octets[at : at + 18] for at in range(0, len(octets), 18)]
    for number, piece in enumerate(pieces):
        start = "utf-8''" if number == 0 else ""
        end = ";" if number < len(pieces) - 1 else ""
        yield f" filename*{number}*={start}{quote(piece, safe='')}{end}"


def message_id(message: Rendered) -> str:
    """The same for every try of one message, so that a second copy can be recognised."""
    key = message.key
    if not KEY.match(key):
        key = hashlib.sha256(key.encode()).hexdigest()[:40]
    return f"<{key}@{checked_address(message.sender_email).rpartition('@')[2]}>"


def _headers(message: Rendered, now: datetime) -> Iterator[str]:
    yield _from(message.sender_name, message.sender_email)
    yield f"To: <{checked_address(message.recipient)}>"
    if message.reply_to:
        yield f"Reply-To: <{checked_address(message.reply_to)}>"
    yield _folded("Subject", header_text(message.subject))
    yield f"Date: {_date(int(now.timestamp()))}"
    yield f"Message-ID: {message_id(message)}"
    yield "MIME-Version: 1.0"
    for name, value in message.headers.items():
        yield _folded(_checked_name(name), header_text(value))


@lru_cache(maxsize=256)
def _checked_name(name: str) -> str:
    if not HEADER_NAME.match(name) or name.lower() in OWN_HEADERS or name.lower().startswith("content-"):
        raise ValueError(f"{name[:80]!r} cannot be set as a header")
    return name


@lru_cache(maxsize=256)
def _from(name: str, address: str) -> str:
    return _folded("From", _mailbox(name, address))


@lru_cache(maxsize=16)
def _date(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC))


def checked_address(value: str) -> str:
    """As it may stand in a header or a command. Raises ValueError."""
    if len(value) > 320 or not ADDRESS.match(value):
        raise ValueError(f"{value[:80]!r} cannot stand in an address header")
    return value


def _mailbox(name: str, address: str) -> str:
    plain = " ".join(CONTROLS.sub(" ", name).split())
    if not plain:
        return f"<{checked_address(address)}>"
    shown = header_text(plain)
    if shown == plain:
        shown = '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{shown} <{checked_address(address)}>"


def header_text(value: str) -> str:
    """Text as a header may hold it: as it is where that is safe, else as encoded-words (RFC 2047)."""
    text = (value if value.isprintable() else CONTROLS.sub(" ", value)).strip()
    is_short = len(text) < MAX_LINE or max(map(len, text.split(" "))) < MAX_LINE
    if is_short and text.isascii() and "=?" not in text:
        return text
    return " ".join(_encoded_words(text))


def _encoded_words(text: str) -> Iterator[str]:
    piece = text.encode("utf-8", "replace")
    if len(piece) <= 42:
        yield _word(piece)
        return
    piece = b""
    for character in text:
        octets = character.encode()
        if len(piece) + len(octets) > 42:  # 42 octets become 56 characters: a word stays under 75
            yield _word(piece)
            piece = b""
        piece += octets
    yield _word(piece)


def _word(octets: bytes) -> str:
    return "=?utf-8?b?" + binascii.b2a_base64(octets, newline=False).decode() + "?="


def _folded(name: str, value: str) -> str:
    """One header, broken at spaces so that lines stay under 78 characters where that is possible."""
    if len(name) + len(value) < 76:
        return f"{name}: {value}"
    line, lines = f"{name}:", []
    for word in value.split(" "):
        if len(line) + 1 + len(word) > 77 and line != f"{name}:" and word:
            lines.append(line)
            line = ""
        line = f"{line} {word}"
    return "\r\n".join([*lines, line])


def encoded_piece(text: str) -> str:
    """A piece of a body as quoted-printable that can stand between others: it begins and ends a line."""
    return encoded_octets(text).decode("ascii")


def encoded_octets(text: str) -> bytes:
    """The same as it travels."""
    if text.isascii():
        if PLAIN.match(text):
            return text.encode() + b"=\r\n"
        if not text:
            return b""
        if UNBROKEN.match(text):
            octets = text.encode()
            rows = [octets[at : at + 75] for at in range(0, len(octets), 75)]
            if not any(row.startswith(b".") for row in rows):
                return b"=\r\n".join([*rows, b""])
    if text.isprintable() and text[0] != "." and len(octets := text.encode()) <= 24:  # surely one line
        return binascii.b2a_qp(octets + b"=", istext=True)[: -len(b"3D")] + b"\r\n"
    octets = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    # The sign behind it makes the encoder leave room for a soft line break, and see no blanks at an end.
    encoded = binascii.b2a_qp(octets + b"=", istext=True)[: -len(b"3D")]
    return _tidy(encoded.decode("ascii")).replace("\n", "\r\n").encode("ascii") + b"\r\n"


def _tidy(encoded: str) -> str:
    """Dots that begin a line are written out, and a blank that was written out at a line's end, which
    `b2a_qp` does without counting, moves to the next line where it made its own too long.
    """
    if encoded[:1] == "." or "\n." in encoded:
        encoded = DOTS.sub(_written_out, encoded)
    return LONG.sub(r"\1=\n\2", encoded) if "\n" in encoded else encoded


def _written_out(dots: re.Match[str]) -> str:
    rows = range(0, len(dots.group()), 24)
    return "".join("=2E" * len(dots.group()[at : at + 24]) + "=\n" for at in rows)


def quoted_printable(text: str) -> str:
    """UTF-8, quoted-printable, CRLF. Stray CR and LF become line ends, so no bare one can travel."""
    octets = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    encoded = binascii.b2a_qp(octets, istext=True).decode("ascii").replace("\r\n", "\n")
    return _tidy(encoded).replace("\n", "\r\n")
