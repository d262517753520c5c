"""Mailbox providers by the domains they serve: they judge a sender by provider, not by domain.

The groups are those of the reference catalogue (7.40); the domains are the providers' public ones.
"""

from __future__ import annotations

from collections.abc import Mapping

OTHERS = "others"
LABELS = {
    "gmail": "Gmail",
    "microsoft": "Microsoft",
    "yahoo": "Yahoo",
    "orange": "Orange",
    "apple": "Apple",
    "comcast": "Comcast",
    "wp": "WP",
    "bigpond": "Bigpond",
    "softbank": "Softbank",
    "docomo": "Docomo",
    "kddi": "KDDI",
    "united_internet": "United Internet",
    "italia_online": "Italia Online",
    "la_poste": "La Poste",
}
DOMAINS: dict[str, tuple[str, ...]] = {
    "gmail": ("gmail.com", "googlemail.com"),
    "microsoft": (
        *("outlook.com", "hotmail.com", "live.com", "msn.com", "hotmail.co.uk", "hotmail.fr", "hotmail.de"),
        *("hotmail.it", "hotmail.es", "live.co.uk", "live.fr", "live.nl", "outlook.fr", "outlook.de"),
        *("outlook.jp", "hotmail.co.jp", "live.jp", "outlook.com.tw", "hotmail.com.tw", "live.tw"),
    ),
    "yahoo": (
        *("yahoo.com", "ymail.com", "rocketmail.com", "aol.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de"),
        *("yahoo.it", "yahoo.es", "yahoo.ca", "yahoo.com.tw", "yahoo.com.hk", "yahoo.co.in", "yahoo.in"),
        *("yahoo.com.br", "yahoo.com.au", "kimo.com"),
    ),
    "orange": ("orange.fr", "wanadoo.fr", "voila.fr"),
    "apple": ("icloud.com", "me.com", "mac.com"),
    "comcast": ("comcast.net", "xfinity.com"),
    "wp": ("wp.pl", "o2.pl", "tlen.pl"),
    "bigpond": ("bigpond.com", "bigpond.net.au", "telstra.com"),
    "softbank": ("softbank.ne.jp", "i.softbank.jp", "vodafone.ne.jp", "ymobile.ne.jp"),
    "docomo": ("docomo.ne.jp",),
    "kddi": ("ezweb.ne.jp", "au.com"),
    "united_internet": ("gmx.de", "gmx.net", "gmx.com", "gmx.at", "gmx.ch", "web.de", "mail.com", "1und1.de"),
    "italia_online": ("libero.it", "virgilio.it", "inwind.it", "iol.it", "blu.it", "giallo.it"),
    "la_poste": ("laposte.net",),
}
BY_DOMAIN = {domain: group for group, domains in DOMAINS.items() for domain in domains}


def group_of(address: str, own: Mapping[str, str] | None = None) -> str:
    """The group of an email address; `own` names the groups of domains that a plan adds to ours."""
    domain = address.rpartition("@")[2].lower()
    return (own or {}).get(domain) or BY_DOMAIN.get(domain, OTHERS)
