"""Questions to DNS, all answered or given up within a few seconds.

DNS_SERVERS names the servers (`address` or `address:port`); without it the machine's own are asked.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import dns.exception
import dns.nameserver
import dns.resolver
from django.conf import settings

ONE, ALL = 4.0, 12.0  # seconds for one question, and for one Lookup


@dataclass(frozen=True)
class Answer:
    """`fault` is set when nobody knows: DNS did not answer. No record at all is an answer, an empty one."""

    found: tuple[str, ...] = ()
    fault: str = ""


@dataclass
class Lookup:
    """One sitting: every question is asked once. May be used by several threads."""

    ends_at: float = field(default_factory=lambda: time.monotonic() + ALL)
    resolver: dns.resolver.Resolver = field(default_factory=lambda: _resolver())
    known: dict[tuple[str, str], Answer] = field(default_factory=dict)

    def ask(self, name: str, kind: str) -> Answer:
        key = (name.lower(), kind)
        if key not in self.known:
            self.known[key] = self._ask(name, kind)
        return self.known[key]

    def _ask(self, name: str, kind: str) -> Answer:
        seconds = min(ONE, self.ends_at - time.monotonic())
        if seconds <= 0:
            return Answer(fault="timeout")
        try:
            answer = self.resolver.resolve(name, kind, lifetime=seconds, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return Answer()
        except dns.exception.Timeout:
            return Answer(fault="timeout")
        except (dns.exception.DNSException, OSError, ValueError) as error:
            return Answer(fault=type(error).__name__)
        return Answer(tuple(sorted(_text(row, kind) for row in answer)))


def _text(row: object, kind: str) -> str:
    """A TXT record is its pieces put together; a host name stands without its last dot."""
    if kind == "TXT":
        return b"".join(row.strings).decode("utf-8", "replace")  # type: ignore[attr-defined]
    if kind == "MX":
        return f"{row.preference} {row.exchange.to_text().rstrip('.').lower()}"  # type: ignore[attr-defined]
    return str(row).rstrip(".").lower()


def _resolver() -> dns.resolver.Resolver:
    servers = [_server(text) for text in settings.DNS_SERVERS]
    made = dns.resolver.Resolver(configure=not servers)
    if servers:
        made.nameservers = servers
    made.timeout = ONE / 2
    made.use_edns(0, 0, 1232)  # a 2048-bit key does not fit in 512 bytes
    return made


def _server(text: str) -> dns.nameserver.Do53Nameserver:
    host, _, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "53")
    return dns.nameserver.Do53Nameserver(host.strip("[]"), int(port))
