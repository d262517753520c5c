"""Stops asking a provider that is away or refuses us, for all workers at once, and tries again now and then.

    closed ──trouble──► open ──every PROBE one message──► accepted: closed

It opens when a window brought nothing but trouble, when a sign-in or sender is refused, or when most answers
blame us (not the person). While it is open a run waits with the reason and nobody's attempts are used up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction

from accounts import audit
from accounts.access import SYSTEM
from channels.limits import Limits
from channels.messages import Fact, Fault, Outcome
from channels.models import Breaker, ChannelConfiguration
from common import prepared

log = structlog.get_logger(__name__)

PROBE = timedelta(seconds=30)
FADING, ENOUGH = 0.8, 10  # of each older window; blaming answers before a share of them means anything
TROUBLE = (Fact.UNREACHABLE, Fact.MISCONFIGURED)

STANDING = """
SELECT c.status = 'active', b.opened_at IS NOT NULL,
       GREATEST(0, extract(epoch FROM b.probe_at - clock_timestamp()))::float8, COALESCE(b.reason, ''),
       l.rate, COALESCE(l.urgent_share, 0), l.domains
FROM channels_channelconfiguration c
LEFT JOIN channels_breaker b ON b.configuration_id = c.id
LEFT JOIN channels_pacelimit l ON l.configuration_id = c.id
WHERE c.id = %s
"""
TAKE_PROBE = """
UPDATE channels_breaker SET probe_at = clock_timestamp() + %s
WHERE configuration_id = %s AND opened_at IS NOT NULL AND probe_at <= clock_timestamp()
"""
OPEN = """
INSERT INTO channels_breaker (configuration_id, opened_at, probe_at, reason, bad, good)
VALUES (%(pk)s, %(now)s, clock_timestamp() + %(probe)s, %(reason)s, 0, 0)
ON CONFLICT (configuration_id) DO UPDATE SET
    opened_at = %(now)s, probe_at = clock_timestamp() + %(probe)s, reason = %(reason)s, bad = 0, good = 0
WHERE channels_breaker.opened_at IS NULL
"""
STILL = "UPDATE channels_breaker SET reason = %s WHERE configuration_id = %s AND opened_at IS NOT NULL"
CLOSE = """
UPDATE channels_breaker SET opened_at = NULL, probe_at = NULL, reason = '', bad = 0, good = 0
WHERE configuration_id = %s AND opened_at IS NOT NULL
"""
BLAME = """
INSERT INTO channels_breaker AS b (configuration_id, reason, bad, good) VALUES (%(pk)s, '', %(bad)s, %(good)s)
ON CONFLICT (configuration_id) DO UPDATE SET
    bad = b.bad * %(fading)s + %(bad)s, good = b.good * %(fading)s + %(good)s
RETURNING bad, good
"""


@dataclass(frozen=True)
class Standing:
    """How a configuration stands now. While the breaker is open, `wait` is the time to the next probe."""

    is_active: bool
    is_open: bool = False
    wait: float = 0.0
    reason: str = ""
    limits: Limits = field(default_factory=Limits)


def standing(configuration_id: int) -> Standing:
    """Status, breaker and limits in one query: asked before each window, so a change counts at once."""
    with prepared.cursor() as cursor:
        cursor.execute(STANDING, [configuration_id])
        row: Any = cursor.fetchone()
    if row is None:
        return Standing(is_active=False)
    is_active, is_open, wait, reason, rate, share, domains = row
    known = json.loads(domains) if domains else {}  # the bare driver hands jsonb over as text
    return Standing(is_active, is_open, wait or 0.0, reason, Limits(rate, share, known))


def take_probe(configuration_id: int) -> bool:
    """Whether the caller is the one that may try a single message now."""
    values: list[Any] = [PROBE, configuration_id]
    with connection.cursor() as cursor:
        cursor.execute(TAKE_PROBE, values)
        return bool(cursor.rowcount)


def tell(
    configuration: ChannelConfiguration, said: Iterable[Outcome], *, is_probe: bool = False, now: datetime
) -> None:
    """What a window of messages brought. A window without trouble asks the database nothing."""
    answers = list(said)
    trouble = [one for one in answers if one.fact in TROUBLE]
    blaming = [one for one in answers if one.fact == Fact.REFUSED and one.fault == Fault.SENDER]
    good = len(answers) - len(trouble) - len(blaming)
    is_refused = any(one.fact == Fact.MISCONFIGURED for one in trouble)
    if trouble and (is_refused or not good):
        _open(configuration, trouble[0], now)
    elif blaming:
        bad, fine = _blame(configuration.pk, len(blaming), good)
        if (bad >= ENOUGH and bad > fine) or (is_probe and not good):
            _open(configuration, blaming[0], now)
    elif is_probe and good:
        _close(configuration, now)


def _blame(configuration_id: int, bad: int, good: int) -> tuple[float, float]:
    with connection.cursor() as cursor:
        values = {"pk": configuration_id, "bad": bad, "good": good, "fading": FADING}
        cursor.execute(BLAME, values)
        found: tuple[float, float] = cursor.fetchone()
    return found


@transaction.atomic
def _open(configuration: ChannelConfiguration, said: Outcome, now: datetime) -> None:
    reason = f"{said.code} {said.detail}".strip()[:200] or str(said.fact)
    values: dict[str, Any] = {"pk": configuration.pk, "now": now, "probe": PROBE, "reason": reason}
    with connection.cursor() as cursor:
        cursor.execute(OPEN, values)
        if not cursor.rowcount:
            cursor.execute(STILL, [reason, configuration.pk])
            return
    log.warning("breaker opened", configuration=configuration.pk, fact=said.fact, code=said.code)
    _note("breaker_opened", configuration, now, reason=reason)


@transaction.atomic
def _close(configuration: ChannelConfiguration, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(CLOSE, [configuration.pk])
        if not cursor.rowcount:
            return
    log.info("breaker closed", configuration=configuration.pk)
    _note("breaker_closed", configuration, now)


def _note(verb: str, configuration: ChannelConfiguration, now: datetime, **details: str) -> None:
    workspace = configuration.workspace
    audit.record(actor=SYSTEM, verb=verb, obj=configuration, workspace=workspace, now=now, **details)


def of(configuration: ChannelConfiguration) -> Breaker | None:
    """The open breaker, for a page; None while messages may go."""
    return Breaker.objects.filter(pk=configuration.pk, opened_at__isnull=False).first()
