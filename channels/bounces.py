"""Reads a mail that came to a bounce address: what it says happened to a message of ours.

Delivery reports (RFC 3464) are read by the standard library, complaints as feedback reports (RFC 5965), what
no standard covers by flufl.bounce. Which message it is about, only a token of ours says (see `verp.py`): in
the address it came to, or in the headers of the message it returns. Automatic replies mean nothing.
"""

from __future__ import annotations

import email
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime

from flufl.bounce import all_failures

from channels import verp
from channels.bounce_rules import Kind, fault_of, kind_of
from channels.messages import Fault, Happened, Receipt
from channels.providers.smtp_replies import printable

MOST_OCTETS, MOST_PARTS = 10_000_000, 200
REACHED = ("to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "cc")
ACTIONS = {"failed": Happened.FAILED, "delayed": Happened.DELAYED, "delivered": Happened.DELIVERED}
COMPLAINTS = {"abuse", "fraud"}
AUTOMATIC = re.compile(
    r"out of (the )?office|automatic reply|auto(matic)?[- ]?(reply|response)|on vacation|away from"
    r"|自動回覆|不在辦公室|休假", re.IGNORECASE,
)  # fmt: skip

SERVER = re.compile(r"mailer-?daemon|postmaster|mail delivery (sub)?system|microsoftexchange", re.IGNORECASE)
UNDELIVERED = re.compile(
    r"undeliver|delivery (status|fail|error|problem|incomplete|has failed)|returned (mail|to sender)"
    r"|failure notice|(mail|message) (could )?not (be )?delivered|mail delivery fail|mail system error"
    r"|無法傳[遞送]|未(能)?送達|退信|傳遞(狀態|失敗)",
    re.IGNORECASE,
)
WARNING = re.compile(r"delayed|still trying|will (keep|continue|be) (trying|retr)|no action is", re.I)
GIVEN_UP = re.compile(r"giv(e|en|ing) (it )?up|permanent|could not be delivered|fatal error", re.IGNORECASE)


@dataclass(frozen=True)
class Returned:
    """`kind` is there for a bounce."""

    receipt: Receipt
    kind: Kind | None = None


def read(octets: bytes, *, recipient: str = "", now: datetime) -> Returned | None:
    """None for what names no message of ours, or says nothing of one. `recipient` is the address it came to,
    where whoever handed it in knows. Never raises: it comes from anywhere.
    """
    if len(octets) > MOST_OCTETS:
        return None
    mail = email.message_from_bytes(octets, policy=policy.compat32)
    parts = list(_walk(mail))
    named = verp.first_of(_addresses(mail, parts, recipient)) or _by_header(parts)
    if named is None:
        return None
    if named.purpose == verp.LEAVE:
        return _returned(named.key, Happened.UNSUBSCRIBED, mail, now)
    if (feedback := _first(parts, "message/feedback-report")) is not None:
        is_complaint = _fields(feedback).get("feedback-type", "abuse").lower() in COMPLAINTS
        return _returned(named.key, Happened.COMPLAINED, mail, now) if is_complaint else None
    status = _first(parts, "message/delivery-status")
    if status is not None and (found := _by_status(status, named.key, mail, now)) is not None:
        return found
    if _is_automatic(mail) or _first(parts, "message/disposition-notification") is not None:
        return None
    return _by_guess(mail, named.key, now)


def _by_status(status: Message, key: str, mail: Message, now: datetime) -> Returned | None:
    """Each message goes to one person, so the first block about a recipient is theirs."""
    for block in _blocks(status):
        action = block.get("action", "").lower().split(" ")[0]
        if action in ACTIONS:
            words = block.get("diagnostic-code", "").partition(";")[2].strip() or block.get("status", "")
            return _bounced(ACTIONS[action], block.get("status", ""), words, key, mail, now)
    return None


def _by_guess(mail: Message, key: str, now: datetime) -> Returned | None:
    try:
        temporary, permanent = all_failures(mail)
    except Exception:  # it parses what anybody wrote, and its parsers raise anything
        return None
    if not temporary and not permanent and not _is_from_a_server(mail):
        return None
    words = " ".join(_texts(mail))[:4000]
    is_warning = bool(WARNING.search(f"{_subject(mail)} {words}")) and not GIVEN_UP.search(words)
    is_over = bool(permanent or not temporary) and not is_warning
    return _bounced(Happened.FAILED if is_over else Happened.DELAYED, "", words, key, mail, now)


def _bounced(happened: Happened, code: str, words: str, key: str, mail: Message, now: datetime) -> Returned:
    code, kind = printable(code)[:20], None
    if happened is not Happened.DELIVERED:
        kind = kind_of(code, words)
    fault = fault_of(code, words) if happened is Happened.FAILED else None
    return _returned(key, happened, mail, now, code=code, detail=printable(words), fault=fault, kind=kind)


def _returned(
    key: str,
    happened: Happened,
    mail: Message,
    now: datetime,
    *,
    code: str = "",
    detail: str = "",
    fault: Fault | None = None,
    kind: Kind | None = None,
) -> Returned:
    """Named by its own Message-ID, so that the same mail read twice is one event."""
    same = f"{_header(mail, 'message-id')}|{key}|{happened}|{code}"
    event = "mail-" + hashlib.sha256(same.encode("utf-8", "replace")).hexdigest()[:32]
    return Returned(
        Receipt(event, happened, key=key, code=code, detail=detail, fault=fault, at=_date(mail, now)), kind
    )


# ---- parts of a mail ----------------------------------------------------------------------------
def _walk(mail: Message) -> Iterator[Message]:
    for number, part in enumerate(mail.walk()):
        if number >= MOST_PARTS:
            return
        yield part


def _first(parts: list[Message], kind: str) -> Message | None:
    return next((part for part in parts if part.get_content_type() == kind), None)


def _addresses(mail: Message, parts: list[Message], recipient: str) -> Iterator[str]:
    """Where a signed address may stand: where it came to, then what it returns."""
    yield recipient
    for name in REACHED:
        yield from (str(value) for value in mail.get_all(name, []))
    for part in parts[1:]:
        for name in ("return-path", "original-mail-from"):
            yield from (str(value) for value in part.get_all(name, []))
        if part.get_content_type() in ("message/feedback-report", "text/rfc822-headers"):
            yield _text(part)


def _by_header(parts: list[Message]) -> verp.Named | None:
    """Our own header on a message that is returned whole, or of which the headers are."""
    for part in parts[1:]:
        for value in part.get_all("x-carillon-message", []):
            if (named := verp.read(str(value))) is not None:
                return named
        if part.get_content_type() == "text/rfc822-headers":
            found = re.search(
                r"^x-carillon-message:\s*([a-z2-7]+)", _text(part), re.IGNORECASE | re.MULTILINE
            )
            if found and (named := verp.read(found.group(1))) is not None:
                return named
    return None


def _blocks(status: Message) -> Iterator[dict[str, str]]:
    """The groups of fields of a delivery report; the parser makes each a message of its own."""
    inner = status.get_payload()
    for block in inner if isinstance(inner, list) else []:
        if isinstance(block, Message):
            yield {name.lower(): str(value) for name, value in block.items()}


def _fields(report: Message) -> dict[str, str]:
    return {
        name.lower(): str(value).strip() for name, value in email.message_from_string(_text(report)).items()
    }


def _texts(mail: Message) -> Iterator[str]:
    for part in _walk(mail):
        if part.get_content_maintype() == "text":
            yield _text(part)


def _text(part: Message) -> str:
    inner = part.get_payload()
    if isinstance(inner, list):
        return "\n".join(one.as_string() for one in inner[:5] if isinstance(one, Message))
    raw = part.get_payload(decode=True)
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else ""


def _is_from_a_server(mail: Message) -> bool:
    """What a mail server writes in its own words: sent by nobody (RFC 5321 section 4.5.5), or in its name."""
    sender = f"{_header(mail, 'from')} {_header(mail, 'sender')}"
    is_nobody = _header(mail, "return-path").strip() == "<>" or bool(SERVER.search(sender))
    return is_nobody and bool(UNDELIVERED.search(_subject(mail)))


def _is_automatic(mail: Message) -> bool:
    """RFC 3834, and what came before it. Exim marks its reports in the same way, but says who failed."""
    if "x-failed-recipients" in mail:
        return False
    auto = _header(mail, "auto-submitted").lower()
    precedence = _header(mail, "precedence").lower()
    is_marked = auto.startswith("auto-replied") or precedence == "auto_reply" or "x-autoreply" in mail
    return is_marked or bool(AUTOMATIC.search(_subject(mail)))


def _header(mail: Message, name: str) -> str:
    return str(mail.get(name, ""))[:1000]


def _subject(mail: Message) -> str:
    """In its own letters (RFC 2047), as far as they can be told."""
    raw = _header(mail, "subject")
    try:
        return str(make_header(decode_header(raw)))
    except (LookupError, ValueError, HeaderParseError):
        return raw


def _date(mail: Message, now: datetime) -> datetime:
    try:
        at = parsedate_to_datetime(_header(mail, "date"))
    except (TypeError, ValueError, IndexError, OverflowError):
        return now
    return at if at.tzinfo else now
