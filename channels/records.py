"""The DNS records a sending domain needs, and what is to be thought of those found.

DKIM (RFC 6376, 8463), SPF (RFC 7208), DMARC (RFC 7489), the MX of the bounce address, the tracking name.
Required are those without which the large mailbox providers refuse bulk mail.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from channels.lookup import Answer, Lookup
from channels.models import SendingDomain

GOOD, WARNING, MISSING, WRONG, UNKNOWN = "good", "warning", "missing", "wrong", "unknown"
SPF_LOOKUPS = 10  # RFC 7208 section 4.6.4
ASKING = re.compile(r"[+?~-]?(?:include:|a\b|mx\b|ptr\b|exists:)|redirect=")

LABELS = {
    "dkim_rsa": _("DKIM key (RSA)"),
    "dkim_ed25519": _("DKIM key (Ed25519)"),
    "spf": "SPF",
    "dmarc": "DMARC",
    "bounces": _("Bounces (MX)"),
    "tracking": _("Tracking links (CNAME)"),
}
# What is the case, and what to do about it.
REASONS = {
    "": (_("As it should be."), ""),
    "absent": (_("Not found."), _("Add this record. It can take an hour until every server knows it.")),
    "silent": (_("DNS did not answer."), _("Nothing has changed. Check again in a few minutes.")),
    "several": (_("There are several."), _("Keep one: receivers take several for none.")),
    "other_key": (_("Another key stands there."), _("Replace it by the value shown here.")),
    "revoked": (_("The key was withdrawn."), _("Its p= is empty. Replace it by the value shown here.")),
    "testing": (_("The key is marked as a test."), _("Take t=y out of the record.")),
    "not_included": (
        _("The record does not name the server that sends."),
        _("Add the missing part to the record you have; do not add a second record."),
    ),
    "open_to_all": (_("The record lets everybody send."), _("End it with ~all or -all.")),
    "no_end": (_("The record does not say what of all others."), _("End it with ~all or -all.")),
    "too_many_lookups": (
        _("The record needs more than ten further questions."),
        _("Receivers stop there. Replace an include by addresses, or take one out."),
    ),
    "no_policy": (_("The record has no valid p=."), _("Set p=none, p=quarantine or p=reject.")),
    "inherited": (_("Taken from the domain above."), ""),
    "elsewhere": (_("It points elsewhere."), _("Point it to the host shown here.")),
}


@dataclass(frozen=True)
class Record:
    """One record to copy. `name` is where it stands, in full; `value` as most DNS providers want it."""

    purpose: str
    kind: str
    name: str
    value: str
    required: bool


@dataclass(frozen=True)
class Finding:
    """`reason` is a key of REASONS."""

    verdict: str
    reason: str = ""
    found: tuple[str, ...] = ()


def expected(domain: SendingDomain) -> list[Record]:
    records = [
        Record(
            f"dkim_{key.algorithm}",
            "TXT",
            f"{key.selector}._domainkey.{domain.name}",
            f"v=DKIM1; k={key.algorithm}; p={key.public}",
            key.algorithm == key.Algorithm.RSA,
        )
        for key in domain.dkim_keys.all()
    ]
    records.append(Record("spf", "TXT", domain.name, f"v=spf1 {domain.spf} ~all", True))
    records.append(Record("dmarc", "TXT", f"_dmarc.{domain.name}", "v=DMARC1; p=none", True))
    if host := our_host():
        records.append(Record("bounces", "MX", f"bounces.{domain.name}", f"10 {host}", False))
        if (links := _host_of(settings.LINKS_URL)).endswith(f".{domain.name}") and links != host:
            records.append(Record("tracking", "CNAME", links, host, False))
    return records


def our_host() -> str:
    """The public name of this installation, or nothing when it has none that DNS could point to."""
    host = _host_of(settings.PUBLIC_URL)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host if "." in host else ""
    return ""


def _host_of(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()


def judge(record: Record, lookup: Lookup) -> Finding:
    answer = lookup.ask(record.name, record.kind)
    if answer.fault:
        return Finding(UNKNOWN, "silent")
    return JUDGES[record.purpose](record, answer, lookup)


def _dkim(record: Record, answer: Answer, lookup: Lookup) -> Finding:
    found = tuple(text for text in answer.found if "p" in _tags(text))
    if not found:
        return Finding(MISSING, "absent", answer.found)
    if len(found) > 1:
        return Finding(WRONG, "several", found)
    tags, wanted = _tags(found[0]), _tags(record.value)
    if not tags.get("p"):
        return Finding(WRONG, "revoked", found)
    if tags["p"] != wanted["p"] or tags.get("k", "rsa") != wanted["k"]:
        return Finding(WRONG, "other_key", found)
    is_test = "y" in tags.get("t", "").split(":")
    return Finding(WARNING, "testing", found) if is_test else Finding(GOOD, "", found)


def _spf(record: Record, answer: Answer, lookup: Lookup) -> Finding:
    found = tuple(text for text in answer.found if _is_spf(text))
    if not found:
        return Finding(MISSING, "absent")
    if len(found) > 1:
        return Finding(WRONG, "several", found)
    terms = found[0].lower().split()
    if {"all", "+all", "?all"} & set(terms):
        return Finding(WRONG, "open_to_all", found)
    wanted = record.value.lower().split()[1:-1]
    if not set(wanted) <= {term.lstrip("+") for term in terms}:
        return Finding(WRONG, "not_included", found)
    if _lookups(found[0], lookup) > SPF_LOOKUPS:
        return Finding(WRONG, "too_many_lookups", found)
    has_end = bool({"~all", "-all"} & set(terms)) or any(term.startswith("redirect=") for term in terms)
    return Finding(GOOD, "", found) if has_end else Finding(WARNING, "no_end", found)


def _is_spf(text: str) -> bool:
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def _lookups(text: str, lookup: Lookup, spent: int = 0) -> int:
    """Questions a receiver must ask to read the record, counted until there are too many."""
    for term in text.lower().split()[1:]:
        if spent > SPF_LOOKUPS:
            break
        if not ASKING.match(term):
            continue
        spent += 1
        name = re.sub(r"^[+?~-]?(?:include:|redirect=)", "", term)
        if name != term and "%" not in name:
            inner = [text for text in lookup.ask(name, "TXT").found if _is_spf(text)]
            spent = _lookups(inner[0], lookup, spent) if inner else spent
    return spent


def _dmarc(record: Record, answer: Answer, lookup: Lookup) -> Finding:
    """A domain without a record of its own obeys the nearest one above it."""
    name, found, is_own = record.name.removeprefix("_dmarc."), _dmarcs(answer), True
    while not found and name.count(".") > 1:
        name, is_own = name.partition(".")[2], False
        above = lookup.ask(f"_dmarc.{name}", "TXT")
        if above.fault:
            return Finding(UNKNOWN, "silent")
        found = _dmarcs(above)
    if not found:
        return Finding(MISSING, "absent", answer.found)
    if len(found) > 1:
        return Finding(WRONG, "several", found)
    if _tags(found[0]).get("p", "").lower() not in ("none", "quarantine", "reject"):
        return Finding(WRONG, "no_policy", found)
    return Finding(GOOD, "" if is_own else "inherited", found)


def _dmarcs(answer: Answer) -> tuple[str, ...]:
    return tuple(text for text in answer.found if re.match(r"v\s*=\s*DMARC1\s*(;|$)", text))


def _host(record: Record, answer: Answer, lookup: Lookup) -> Finding:
    if not answer.found:
        return Finding(MISSING, "absent")
    hosts = {text.split()[-1] for text in answer.found}
    return Finding(*((GOOD, "") if record.value.split()[-1] in hosts else (WRONG, "elsewhere")), answer.found)


def _tags(text: str) -> dict[str, str]:
    """`v=DKIM1; p=ab cd` as `{"v": "DKIM1", "p": "abcd"}`: white space inside a value means nothing."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip(): "".join(value.split()) for name, _sign, value in pairs if name.strip()}


JUDGES: dict[str, Callable[[Record, Answer, Lookup], Finding]] = {
    "dkim_rsa": _dkim,
    "dkim_ed25519": _dkim,
    "spf": _spf,
    "dmarc": _dmarc,
    "bounces": _host,
    "tracking": _host,
}
