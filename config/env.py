"""Reads the environment once and refuses to start on anything missing or contradictory.

Every setting that differs between installations is read here and nowhere else.
`settings.py` turns these values into Django's settings.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

ROOT = Path(__file__).resolve().parent.parent

PRODUCTION, LOCAL, DEMO = "production", "local", "demo"

env = environ.Env()


def mode() -> str:
    """`production` unless CARILLON_MODE says `local` (a developer's machine) or `demo`."""
    value: str = env.str("CARILLON_MODE", default=PRODUCTION)
    if value not in (PRODUCTION, LOCAL, DEMO):
        raise ImproperlyConfigured(f"CARILLON_MODE is {value!r}; it must be production, local or demo.")
    return value


def required(name: str, why: str) -> str:
    value: str = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {why}")
    return value


def secret(name: str, mode: str, why: str) -> str:
    """A secret must be given in production; on a developer's machine a fixed one will do."""
    if mode == PRODUCTION:
        value = required(name, why)
        if len(value) < 32:
            raise ImproperlyConfigured(f"{name} is shorter than 32 characters; make a long random one.")
        return value
    return str(env.str(name, default=f"{mode}-only-{name.lower()}-never-used-in-production"))


def database() -> dict[str, Any]:
    """DATABASE_URL as Django wants it. libpq's own parser reads it, so sockets and options all work."""
    url = required(
        "DATABASE_URL",
        "Give a PostgreSQL address, or start the command through `python -m config.embedded run --`, "
        "which starts a private PostgreSQL for it.",
    )
    try:
        parts = conninfo_to_dict(url)
    except Exception as error:
        raise ImproperlyConfigured(f"DATABASE_URL cannot be read: {error}") from error
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", ""),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            # Together less than ten seconds: whoever waits for a page is told by then that it is away.
            "connect_timeout": 4,
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            # Keepalives wait for a quiet line; this ends one that swallows what is written, in ms.
            "tcp_user_timeout": 5_000,
            # Compiling a rule's many small conditions takes longer than asking them of 30,000 people.
            "options": "-c jit=off",
            # For `common/prepared.py`; off where a pooler stands between that does not know them.
            "prepare_threshold": 5 if env.bool("PREPARED_STATEMENTS", default=True) else None,
            **parts,
        },
    }


def var(mode: str) -> Path:
    """Where this installation keeps what is not in the database; CARILLON_VAR says another place."""
    return Path(env.str("CARILLON_VAR", default="") or ROOT / "var" / mode)


def event_retention_months() -> int:
    """How long events about people are kept; 25 months let a whole year be compared with the last."""
    return _months("EVENT_RETENTION_MONTHS")


def message_retention_months() -> int:
    """How long the messages of a run are kept after its end; its totals stay for ever."""
    return _months("MESSAGE_RETENTION_MONTHS")


def web_lock_seconds() -> int:
    """Callers of the trigger API give up after a minute (3.15 of the catalogue): they hear of it before."""
    value: int = env.int("WEB_LOCK_SECONDS", default=20)
    if not 1 <= value <= 50:
        raise ImproperlyConfigured(f"WEB_LOCK_SECONDS is {value}; give 1 to 50.")
    return value


def session_idle() -> timedelta:
    """How long somebody stays signed in without opening a page."""
    minutes: int = env.int("SESSION_IDLE_MINUTES", default=720)
    if not 10 <= minutes <= 20_160:
        raise ImproperlyConfigured(f"SESSION_IDLE_MINUTES is {minutes}; give 10 to 20160 (two weeks).")
    return timedelta(minutes=minutes)


def requires_two_steps() -> bool:
    """Whether nobody may go on without a second step of sign-in; who wants one may have it in any case."""
    return bool(env.bool("REQUIRE_TWO_STEPS", default=False))


def _months(name: str) -> int:
    value: int = env.int(name, default=25)
    if not 1 <= value <= 1200:
        raise ImproperlyConfigured(f"{name} is {value}; give 1 to 1200 months.")
    return value


def failpoint(mode: str) -> str:
    """Where a drill kills the process (common/failpoints.py). Never in production."""
    place: str = env.str("FAILPOINT", default="")
    if place and mode == PRODUCTION:
        raise ImproperlyConfigured("FAILPOINT kills processes; it is for drills and cannot be set here.")
    return place


def outbound_networks(mode: str) -> list[str]:
    """Our own networks that requests to addresses people enter may reach. Never in production."""
    found = networks("OUTBOUND_ALLOWED_NETWORKS")
    if mode == PRODUCTION and found:
        raise ImproperlyConfigured(
            "OUTBOUND_ALLOWED_NETWORKS is set. It lets requests into the networks it names and is for "
            "tests and local development only; unset it."
        )
    return found


def networks(name: str) -> list[str]:
    """A list such as `10.0.0.0/24,::1`."""
    found: list[str] = env.list(name, default=[])
    for network in found:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name}: {error}") from error
    return found


def demo_mail_port() -> int:
    return int(env.int("DEMO_MAIL_PORT", default=2525))


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be reached from this machine."""
    if host in ("localhost", "testserver"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_demo(public_url: str, allowed_hosts: list[str], bind: str) -> None:
    """The demo signs anybody in as anybody, so it may only ever serve this machine.

    Raises ImproperlyConfigured when it is asked to serve another address, or when a setting that
    only a production installation has is present.
    """
    hosts = {urlsplit(public_url).hostname or "", bind.rpartition(":")[0], *allowed_hosts}
    strangers = sorted(host for host in hosts if not is_loopback(host))
    if strangers:
        raise ImproperlyConfigured(
            f"Demo mode serves this machine only, but was asked to serve {', '.join(strangers)}."
        )
    for name in ("SECRET_KEY", "SEALING_KEY", "SENTRY_DSN"):
        if env.str(name, default=""):
            raise ImproperlyConfigured(
                f"Demo mode refuses to start with production settings; {name} is set. Unset it, "
                "or unset CARILLON_MODE."
            )
