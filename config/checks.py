"""What must hold before anything starts, checked by `manage.py check`; and what must hold before people rely
on it, checked by `manage.py check --deploy` and by the doctor.
"""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from config import celery
from config.env import is_loopback

ENCRYPTED = ("require", "verify-ca", "verify-full")
ENCRYPTED_BROKERS = ("amqps", "rediss", "valkeys")
SHORTEST_TOKEN = 32


@register
def limits_stand_in_order(**_: Any) -> list[Error]:
    """A task must end before the broker hands it out again, or two workers would hold it."""
    if celery.SOFT_LIMIT < celery.HARD_LIMIT < celery.VISIBILITY:
        return []
    return [
        Error("SOFT_LIMIT < HARD_LIMIT < VISIBILITY does not hold in config/celery.py", id="carillon.E001")
    ]


@register(deploy=True)
def people_reach_us_encrypted(**_: Any) -> list[CheckMessage]:
    clear = [
        name for name in ("PUBLIC_URL", "LINKS_URL") if not getattr(settings, name).startswith("https://")
    ]
    if settings.IS_HTTPS and not clear:
        return []
    told = f"{' and '.join(clear) or 'PUBLIC_URL'} is not https: sessions and links travel in clear."
    hint = "Put a TLS proxy in front (docs/deploy.md) and give the address with https://."
    return [Warning(told, hint, id="carillon.W001")]


@register(deploy=True)
def servers_are_reached_encrypted(**_: Any) -> list[CheckMessage]:
    """Through a socket, on this machine, by TLS, or over a network that PLAINTEXT_HOSTS vouches for."""
    database = settings.DATABASES["default"]
    found = []
    if not _is_near(database["HOST"]) and database["OPTIONS"].get("sslmode") not in ENCRYPTED:
        found.append(("DATABASE_URL", "?sslmode=verify-full", "carillon.W002"))
    broker = urlsplit(settings.CELERY_BROKER_URL)
    if not _is_near(broker.hostname or "") and broker.scheme not in ENCRYPTED_BROKERS:
        found.append(("BROKER_URL", "amqps:// or rediss://", "carillon.W003"))
    return [
        Warning(
            f"{name} leads over a network without TLS.",
            f"Use {how}, or name the host in PLAINTEXT_HOSTS where nobody else can listen.",
            id=number,
        )
        for name, how, number in found
    ]


def _is_near(host: str) -> bool:
    return not host or host.startswith("/") or is_loopback(host) or host in settings.PLAINTEXT_HOSTS


@register(deploy=True)
def keys_are_two(**_: Any) -> list[CheckMessage]:
    if settings.SECRET_KEY != settings.SEALING_KEY:
        return []
    hint = "Make another one for SEALING_KEY, keep the present one in SEALING_KEY_FALLBACKS, and reseal."
    return [Warning("SECRET_KEY and SEALING_KEY are the same.", hint, id="carillon.W004")]


@register(deploy=True)
def hosts_are_named(**_: Any) -> list[CheckMessage]:
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    hint = "Name the hosts: addresses on pages are made from what a request says it asked for."
    return [Warning("ALLOWED_HOSTS takes every host.", hint, id="carillon.W005")]


@register(deploy=True)
def our_own_mail_has_a_sender(**_: Any) -> list[CheckMessage]:
    if "localhost" not in settings.DEFAULT_FROM_EMAIL:
        return []
    hint = "Set DEFAULT_FROM_EMAIL and EMAIL_URL: invitations and notices leave by them."
    return [Warning("Invitations are sent from an address on localhost.", hint, id="carillon.W006")]


@register(deploy=True)
def metrics_are_guarded(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if any(ipaddress.ip_network(one).prefixlen == 0 for one in settings.METRICS_NETWORKS):
        hint = "Name the addresses of your Prometheus only."
        found.append(Warning("METRICS_NETWORKS lets everybody read /metrics.", hint, id="carillon.W007"))
    if 0 < len(settings.METRICS_TOKEN) < SHORTEST_TOKEN:
        hint = f"Make at least {SHORTEST_TOKEN} random characters."
        found.append(Warning("METRICS_TOKEN can be guessed.", hint, id="carillon.W008"))
    return found
