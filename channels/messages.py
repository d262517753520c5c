"""What travels between a campaign and a provider: plain, frozen values.

Content (what an author wrote) is compiled and rendered into Rendered (what one person gets); a provider
answers with an Outcome. A provider states facts and decides nothing: what "refused" means for the person or
the run is the delivery step's affair.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple


class Fact(StrEnum):
    """What the other side said about one message."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # permanently, for this message or recipient
    LATER = "later"  # not now; try again
    UNCERTAIN = "uncertain"  # the line broke after the body was handed over
    UNREACHABLE = "unreachable"  # the provider could not be reached; nothing was handed over
    MISCONFIGURED = "misconfigured"  # sign-in, sender or TLS refused: nobody's message can leave


class Fault(StrEnum):
    """What a refusal is about, where the other side says so. Nothing else is held against a person."""

    ADDRESS = "address"  # no such mailbox, number or device
    MAILBOX = "mailbox"  # the address as well, but for now: full, or its domain is not found
    OPTED_OUT = "opted_out"  # the person told the provider or the carrier to stop
    CONTENT = "content"  # this message, whoever gets it
    SENDER = "sender"  # us: our name, our reputation, our rights there


class Happened(StrEnum):
    """What a receipt says became of a message, in the order in which it may go forward."""

    SENT = "sent"  # handed on to the carrier or the next server
    DELAYED = "delayed"  # not yet; the provider keeps trying
    FAILED = "failed"  # given up; `fault` says whether the address is to blame
    DELIVERED = "delivered"
    OPENED = "opened"
    CLICKED = "clicked"
    UNSUBSCRIBED = "unsubscribed"
    COMPLAINED = "complained"


@dataclass(frozen=True, slots=True)
class Content:
    """What an author wrote, in the template language. All parts may hold `{{ profile.name }}`.

    Which of them a channel has, and what may stand in `extra`, says the table in `contents.py`. A title is
    the `subject`, a body the `text`. What was stored before a part was invented is read as before.

    | channel     | parts                          | extra                                              |
    |-------------|--------------------------------|----------------------------------------------------|
    | email       | subject, preheader, html, text | attachments (see `attachments.py`)                 |
    | sms         | text                           |                                                    |
    | push        | subject, text, url, image      | buttons, data, silent, background                  |
    | webpush     | subject, text, url, image      | icon, buttons, data, silent                        |
    | line        | text                           | messages (LINE message objects), silent            |
    | whatsapp    | image                          | template, language, header, body, buttons          |
    | webhook     | text (a JSON object)           |                                                    |
    | direct_mail |                                | filename, timestamp, columns, sort_by, header,     |
    |             |                                | footer                                             |
    | inapp       | subject, text, url, image      | buttons, data, days                                |
    """

    subject: str = ""
    preheader: str = ""
    html: str = ""
    text: str = ""
    url: str = ""
    image: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Attachment:
    """A file that travels with mails. One object serves a whole batch: its bytes are held once, and written
    as base64 once. `kind` is its media type.
    """

    name: str
    kind: str
    octets: bytes = field(repr=False)

    @cached_property
    def base64(self) -> str:
        """In lines of 76 characters that end with CRLF (RFC 2045 section 6.8)."""
        return base64.encodebytes(self.octets).decode("ascii").replace("\n", "\r\n")

    def named(self, name: str) -> Attachment:
        return self if name == self.name else Attachment(name, self.kind, self.octets)


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message for one address, ready to be handed over. `key` is stable across retries. Of a mail,
    `bodies` are HTML and text as they travel, in place of both (see `bodies.py`); `envelope_sender` is where
    bounces go, when that is not the sender, and `bcc` who gets a copy; `attachments` are the same objects
    for everybody of a batch.
    """

    key: str
    recipient: str
    sender_name: str
    sender_email: str
    reply_to: str
    subject: str
    html: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    image: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    bodies: bytes = b""
    envelope_sender: str = ""
    bcc: str = ""
    attachments: tuple[Attachment, ...] = ()


class Outcome(NamedTuple):
    """`code` is the provider's own (`550`, `550 5.1.1`), `detail` its words, at most 500 characters.

    `wait` is how many seconds the provider asked us to stay away, where it said so.
    """

    fact: Fact
    code: str = ""
    detail: str = ""
    provider_id: str = ""
    fault: Fault | None = None
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request at the receipts endpoint, as raw as it came. Names of headers are in lower case."""

    method: str
    url: str  # as the other side called it, with its query
    headers: Mapping[str, str]
    body: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider says later about one message.

    `event_id` is the same whenever the provider repeats itself. The message is found by `key` (our own
    `Rendered.key`, where the provider carries it back) or by `provider_id`.
    """

    event_id: str
    happened: Happened
    provider_id: str = ""
    key: str = ""
    code: str = ""
    detail: str = ""
    fault: Fault | None = None
    at: datetime | None = None  # the provider's clock


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person wrote back, or did: `asks` is `stop` or `start` where it says so without words, as by
    leaving a LINE account or following it.
    """

    event_id: str
    sender: str  # the person's address
    recipient: str  # ours
    text: str
    at: datetime | None = None
    asks: str = ""
