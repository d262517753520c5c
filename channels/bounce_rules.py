"""What a bounce means: the catalogue of kinds, and the kind of a status code and a server's words.

A hard bounce takes an address out of use at once, soft ones after several; what is ignored says nothing of
the person: our reputation, our message, a passing trouble.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from channels.messages import Fault

HARD, SOFT, IGNORED, ADMIN = "hard", "soft", "ignored", "admin"


@dataclass(frozen=True)
class Kind:
    number: int
    label: object
    weight: str


KINDS = {
    kind.number: kind
    for kind in (
        Kind(1, _("Undetermined"), IGNORED),
        Kind(10, _("Invalid recipient"), HARD),
        Kind(15, _("Recipient refused"), HARD),
        Kind(20, _("Soft bounce"), SOFT),
        Kind(21, _("DNS failure"), SOFT),
        Kind(22, _("Mailbox full"), SOFT),
        Kind(23, _("Too large"), IGNORED),
        Kind(24, _("Timeout"), IGNORED),
        Kind(25, _("Administrative failure"), ADMIN),
        Kind(30, _("No recipient"), IGNORED),
        Kind(40, _("Generic bounce"), IGNORED),
        Kind(50, _("Mail block"), IGNORED),
        Kind(51, _("Spam block"), IGNORED),
        Kind(52, _("Spam content"), IGNORED),
        Kind(54, _("Relaying denied"), SOFT),
        Kind(60, _("Automatic reply"), IGNORED),
        Kind(70, _("Transient failure"), IGNORED),
        Kind(100, _("Challenge-response"), SOFT),
    )
}
# By subject and detail of an enhanced status code (RFC 3463), whatever its class.
BY_DETAIL = {
    "1.0": 10, "1.1": 10, "1.2": 21, "1.3": 10, "1.4": 10, "1.6": 10, "1.10": 10,
    "2.0": 20, "2.1": 15, "2.2": 22, "2.3": 23, "2.4": 20,
    "3.4": 23, "4.1": 24, "4.3": 21, "4.4": 21, "4.6": 25, "4.7": 24, "5.3": 30, "6.0": 52,
}  # fmt: skip
BY_SUBJECT = {"3": 25, "4": 24, "5": 25, "6": 40, "7": 50}
# Words decide between kinds that share a code; the first that is found.
WORDS = (
    (54, r"relay(ing)? (access )?(denied|not (permitted|allowed))|not permitted to relay|unable to relay"),
    (51, r"spamhaus|spamcop|barracuda|(black|block) ?list|\brbl\b|dnsbl|listed (in|by|on|at)"),
    (52, r"spam|junk|unsolicited|bulk mail|content (rejected|filter)"),
    (100, r"challenge|confirm that you|sender verification|whitelist request"),
    (22, r"(mailbox|quota|inbox|storage|user) .{0,40}(full|exceeded|over)|over ?quota|quota exceeded"),
    (
        10,
        r"user unknown|unknown user|no such (user|mailbox|recipient|address|person)|unknown recipient"
        r"|(user|mailbox|recipient|address|account)( .{0,80})? (does not|doesn.t) exist"
        r"|invalid (recipient|mailbox)"
        r"|(user|recipient|account|mailbox) not found|address rejected: .{0,40}unknown",
    ),
    (15, r"(account|mailbox|user|address).{0,40}(disabled|suspended|inactive|deactivated|no longer)"),
    (21, r"(host|domain|name server|mx).{0,40}not found|no mx|unrouteable|name service error|nxdomain"),
    (23, r"(message|mail).{0,30}(too (large|big)|exceeds)"),
    (50, r"policy|blocked|reputation|denied|dmarc|\bspf\b|dkim|authenticat"),
    (24, r"timed? ?out|connection refused|lost connection"),
)  # fmt: skip
FIRST_OF_ALL = (54, 51, 52, 100)  # these stand behind 5.7.1 and 550 alike
ENHANCED = re.compile(r"\b([245])\.(\d{1,3}\.\d{1,3})\b")


def fault_of(code: str, words: str) -> Fault | None:
    """Whose fault a message is that was given up. What policy refused (x.7.x) is held against nobody."""
    kind, found = kind_of(code, words), ENHANCED.search(code) or ENHANCED.search(words)
    if kind.weight == HARD:
        return Fault.ADDRESS
    is_policy = found is not None and found.group(2).startswith("7.")
    return Fault.MAILBOX if kind.weight == SOFT and not is_policy else None


def kind_of(code: str, words: str) -> Kind:
    """`code` may hold a basic code and an enhanced one; `words` is what the server said."""
    found = ENHANCED.search(code) or ENHANCED.search(words)
    detail = found.group(2) if found else ""
    known = BY_DETAIL.get(detail)
    by_words = [number for number, pattern in WORDS if re.search(pattern, words[:2000], re.IGNORECASE)]
    if detail.startswith("7."):
        return KINDS[next((one for one in by_words if one in FIRST_OF_ALL), 50)]
    if known is not None and known != 20:
        is_passing = found is not None and found.group(1) == "4" and KINDS[known].weight == HARD
        return KINDS[70 if is_passing else known]
    is_temporary = code.startswith("4") or (found is not None and found.group(1) == "4")
    if by_words and not (is_temporary and KINDS[by_words[0]].weight == HARD):
        return KINDS[by_words[0]]
    if known is not None:
        return KINDS[known]
    if is_temporary:
        return KINDS[70]
    subject = detail.partition(".")[0]
    return KINDS[BY_SUBJECT.get(subject, 40 if detail or code.startswith("5") else 1)]
