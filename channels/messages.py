"""What travels between a campaign and a provider: plain, frozen values.

Content (what an author wrote) is compiled and rendered into Rendered (what one person gets); a provider
answers with an Outcome. A provider states facts and decides nothing: what "refused" means for the person or
the run is the delivery step's affair.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Fact(StrEnum):
    """What the other side said about one message."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # permanently, for this message or recipient
    LATER = "later"  # not now; try again
    UNCERTAIN = "uncertain"  # the line broke after the body was handed over
    UNREACHABLE = "unreachable"  # the provider could not be reached; nothing was handed over
    MISCONFIGURED = "misconfigured"  # sign-in, sender or TLS refused: nobody's message can leave


@dataclass(frozen=True, slots=True)
class Content:
    """What an author wrote, in the template language. All parts may hold `{{ profile.name }}`."""

    subject: str = ""
    preheader: str = ""
    html: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message for one address, ready to be handed over. `key` is stable across retries."""

    key: str
    recipient: str
    sender_name: str
    sender_email: str
    reply_to: str
    subject: str
    html: str
    text: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`code` is the provider's own (`550`, `550 5.1.1`), `detail` its words, at most 500 characters."""

    fact: Fact
    code: str = ""
    detail: str = ""
    provider_id: str = ""
