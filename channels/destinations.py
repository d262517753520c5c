"""Which addresses outbound HTTP may go to: what may be written, and what may be reached.

`check_url` looks at what is written and asks nothing of the network. `is_public` and `is_ours` are asked
about each resolved address when a connection is made (see `http.py`).
"""

from __future__ import annotations

import ipaddress
import re
from typing import NoReturn
from urllib.parse import quote, urlsplit, urlunsplit

from django.conf import settings

from common.errors import Invalid, Problem
from common.wording import worded as _

MAX_URL = 2_000
PORTS = {443, 8443}
OUR_NAMES = re.compile(r"(^|\.)(localhost|local|internal|localdomain|home\.arpa)$")
UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\\\u2028\u2029\ud800-\udfff]")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# The IANA special-purpose registries, and what clouds keep outside them. `is_global` is wrong about several
# of these under Python 3.11 (CVE-2024-4032). 6to4 and Teredo carry an IPv4 address inside and are dead.
CLOSED = [
    ipaddress.ip_network(one)
    for one in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
        "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
    )
]  # fmt: skip
GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")  # nothing else is given out (RFC 4291 section 2.4)
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


# ---- what is written ----------------------------------------------------------------------------
def check_url(url: str, *, pointer: str = "") -> str:
    """The address in its normal form. Raises Invalid `url_not_allowed`; asks nothing of the network."""

    def refuse(detail: str) -> NoReturn:
        raise Invalid(Problem("url_not_allowed", detail, pointer))

    if len(url) > MAX_URL or UNSAFE.search(url):
        refuse(
            _("An address has at most 2,000 characters, and no spaces, backslashes or control characters.")
        )
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").rstrip(".").encode("idna" if "%" not in url else "ascii").decode()
    except ValueError:
        refuse(_("This is not a web address. Write it like https://example.com/messages."))
    if parts.scheme not in ("https", "http") or not host or "%" in parts.netloc:
        refuse(_("This is not a web address. Write it like https://example.com/messages."))
    if parts.username is not None or parts.password is not None:
        refuse(_("An address cannot hold a user name or password. Enter them in their own fields."))
    is_open = bool(allowed_networks())
    if parts.scheme == "http" and not is_open:
        refuse(_("The address must begin with https://."))
    if port is not None and port not in PORTS and not is_open:
        refuse(_("Only the ports 443 and 8443 can be used."))
    if (literal := _literal(host)) is not None:
        if not may_reach(literal):
            refuse(_("This address points inside our network."))
    elif OUR_NAMES.search(host) and not is_open:
        refuse(_("This address points inside our network."))
    netloc = f"[{host}]" if ":" in host else host
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=?~")
    return urlunsplit((parts.scheme, f"{netloc}:{port}" if port else netloc, path, query, ""))


# ---- what it means ------------------------------------------------------------------------------
def is_public(address: Address) -> bool:
    """Whether an address is on the open internet, also when it is wrapped in another."""
    address = unwrapped(address)
    if isinstance(address, ipaddress.IPv6Address) and address not in GLOBAL_V6:
        return False
    return not any(address in network for network in CLOSED if network.version == address.version)


def unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv4-mapped or NAT64 one (RFC 4291 section 2.5.5, RFC 6052)."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def allowed_networks() -> list[Network]:
    """Networks of ours that may be reached, over plain HTTP and on every port too; none in production."""
    return [ipaddress.ip_network(one) for one in settings.OUTBOUND_ALLOWED_NETWORKS]


def is_ours(address: Address) -> bool:
    inner = unwrapped(address)
    return any(inner in network for network in allowed_networks() if network.version == inner.version)


def may_reach(address: Address) -> bool:
    return is_public(address) or is_ours(address)


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
