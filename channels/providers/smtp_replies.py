"""What an SMTP server says: cut into replies within bounds, and what a refusal means.

Nothing here waits or writes. A server that answers in no known form, or without end, is Garbage: it is
trusted with nothing more, and what it said is held against nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from channels.messages import Fact, Fault, Outcome
from common.wording import worded as _

# RFC 5321 section 4.5.3.1.5 allows 512 octets in a line; some servers write more.
MAX_LINE, MAX_LINES, MAX_REPLY = 4_096, 128, 32_768
WHOLE = re.compile(rb"([2-5][0-9]{2}) ([^\r\n]{0,1000})\r?\Z")
ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\b")
FULL = re.compile(r"[45]\.2\.2\Z")  # RFC 3463 section 3.3
SIGN_IN_REFUSED = (530, 534, 535, 538)
# What servers say of a mailbox that is not there, for those that give no enhanced code.
NOBODY = re.compile(
    r"user unknown|unknown user|no such (user|mailbox|recipient|address|person)|unknown recipient"
    r"|(user|mailbox|recipient|address|account)( .{0,80})? (does not|doesn.t) exist"
    r"|mailbox (not found|unavailable|disabled)|(user|recipient|account) not found"
    r"|account .{0,40}disabled|invalid (recipient|mailbox)",
    re.IGNORECASE,
)
POLICY = re.compile(
    r"spam|block|black ?list|deny|denied|policy|polic|reputation|dmarc|spf|dkim|relay|banned|rbl|listed"
    r"|authenticat",
    re.IGNORECASE,
)


class Garbage(Exception):
    """What came is not SMTP."""


class Reply(NamedTuple):
    """`text` is what stood behind the codes, its lines joined by line feeds."""

    code: int
    text: str


class Reader:
    """Cuts what arrives into replies; keeps at most one reply that is not whole yet."""

    def __init__(self) -> None:
        self.rest = b""
        self.lines: list[str] = []
        self.code = b""
        self.size = 0

    @property
    def is_between(self) -> bool:
        """Whether nothing of a next reply is here."""
        return not self.rest and not self.lines

    def feed(self, octets: bytes) -> Iterator[Reply]:
        """The replies that are whole now. Raises Garbage, behind those that came before it."""
        *lines, self.rest = (self.rest + octets).split(b"\n")
        is_endless, self.rest = len(self.rest) > MAX_LINE, self.rest[: MAX_LINE + 1]
        for line in lines:
            reply = None if self.lines else _whole(line)
            if reply is not None or (reply := self._line(line.rstrip(b"\r"))) is not None:
                yield reply
        if is_endless:
            raise Garbage(_("The server sends a line without end."))

    def _line(self, line: bytes) -> Reply | None:
        code, mark = line[:3], line[3:4]
        self.size += len(line)
        is_odd = len(line) > MAX_LINE or self.size > MAX_REPLY or len(self.lines) >= MAX_LINES
        if is_odd or not code.isdigit() or not b"2" <= code[:1] <= b"5" or mark not in (b" ", b"-", b""):
            raise Garbage(_("The server gives an answer that is not SMTP."))
        if self.lines and code != self.code:
            raise Garbage(_("The server gives one answer with several codes."))
        self.code = code
        self.lines.append(line[4:].decode("utf-8", "replace"))
        if mark == b"-":
            return None
        text = self.lines[0] if len(self.lines) == 1 else "\n".join(self.lines)
        self.lines, self.size = [], 0
        return Reply(int(code), text)


@lru_cache(maxsize=64)  # what a server says of an envelope it says again and again
def _whole(line: bytes) -> Reply | None:
    """The reply that this line is by itself, if it is one."""
    found = WHOLE.match(line)
    return Reply(int(found[1]), found[2].decode("utf-8", "replace")) if found else None


def printable(text: str) -> str:
    """On one line, at most 500 characters."""
    if text.isprintable() and len(text) <= 500:
        return text.strip()
    return " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())[:500]


def code_of(reply: Reply) -> str:
    """The code with its enhanced one (RFC 3463) behind it, where there is one: `550 5.1.1`."""
    enhanced = ENHANCED.match(reply.text)
    return f"{reply.code} {enhanced.group(1)}" if enhanced else str(reply.code)


def outcome_of(reply: Reply, permanent: Fact, temporary: Fact = Fact.LATER) -> Outcome:
    """A refusal as an outcome: what 5xx and 4xx mean in this phase. Anything else is out of place."""
    code, detail = code_of(reply), printable(reply.text)
    if reply.code in SIGN_IN_REFUSED:
        return Outcome(Fact.MISCONFIGURED, code, detail)
    if 400 <= reply.code < 500:
        return Outcome(temporary, code, detail, fault=Fault.MAILBOX if FULL.search(code) else None)
    if 500 <= reply.code < 600:
        fault = fault_of(code, detail) if permanent is Fact.REFUSED else None
        return Outcome(permanent, code, detail, fault=fault)
    return Outcome(Fact.UNREACHABLE, code, detail)


def fault_of(code: str, detail: str) -> Fault | None:
    """Whose fault a permanent refusal is, as far as the server says so (RFC 3463 sections 3.2 to 3.8).

    Policy (x.7.x) is always ours: a blocked IP address or a failed DMARC check says nothing of a person.
    """
    basic, _space, enhanced = code.partition(" ")
    if enhanced:
        _class, subject, what = enhanced.split(".")
        if subject == "7":
            return Fault.SENDER
        if subject == "6" or enhanced in ("5.2.3", "5.3.4"):
            return Fault.CONTENT
        if subject == "1":
            return Fault.SENDER if what in ("7", "8") else Fault.ADDRESS  # 7, 8: the sender's address
        if FULL.search(enhanced):
            return Fault.MAILBOX
        return Fault.ADDRESS if enhanced == "5.2.1" else None
    if POLICY.search(detail):
        return Fault.SENDER
    return Fault.ADDRESS if basic in ("550", "551", "553") and NOBODY.search(detail) else None
