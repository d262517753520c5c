"""When audiences are evaluated: after a change, when somebody asks, and by the clock.

An audience is due from `next_evaluation_at` on. Who evaluates it first claims it, in one statement, by moving
that time on by a lease; a worker that dies leaves it due again. Lists and pages show the recorded size.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import OperationalError, connection
from django.db.models import Q

from accounts.access import Actor, require
from audiences import evaluate
from audiences.access import MANAGE
from audiences.models import Audience, AudienceSize
from audiences.timelimit import limited
from common.errors import CarillonError

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=15)
AT_ONCE = 1_500  # milliseconds a page may wait for a first count
LONGEST = 300_000  # milliseconds a worker may
KEPT = timedelta(days=400)
EVERY = {Audience.Refresh.HOURLY: timedelta(hours=1), Audience.Refresh.DAILY: timedelta(days=1)}

CLAIM = """
UPDATE audiences_audience SET next_evaluation_at = %(until)s
WHERE id = (SELECT id FROM audiences_audience
            WHERE next_evaluation_at <= %(now)s AND state <> 'archived'
            ORDER BY next_evaluation_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""


def evaluate_due(now: datetime, *, at_most: int = 20, milliseconds: int = LONGEST) -> int:
    """Evaluates what is due, one audience after another; how many. One too slow waits for its next time."""
    for done in range(at_most):
        pk = claim(now)
        if pk is None:
            return done
        audience = Audience.objects.get(pk=pk)
        try:
            _evaluate(audience, now=now, milliseconds=milliseconds)
        except OperationalError:
            log.warning("audience not evaluated in time", audience=pk, milliseconds=milliseconds)
            _set_next(audience, now)
    return at_most


def claim(now: datetime) -> int | None:
    """An audience that is due, now nobody else's until the lease runs out."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"now": now, "until": now + LEASE})
        row = cursor.fetchone()
    return row[0] if row else None


def ask(audience: Audience, *, actor: Actor, now: datetime) -> bool:
    """Somebody wants a fresh size. True: it is there; False: it takes longer, and a worker brings it.

    It leaves a row and takes the database's time, so it is for those who manage audiences.
    """
    require(actor, MANAGE, audience)
    Audience.objects.filter(pk=audience.pk).update(next_evaluation_at=now)
    return at_once(audience, now=now)


def at_once(audience: Audience, *, now: datetime, milliseconds: int = AT_ONCE) -> bool:
    """Evaluates it here if that is quick and nobody else is at it; else leaves it to a worker."""
    unclaimed = Q(next_evaluation_at=None) | Q(next_evaluation_at__lte=now)
    if not Audience.objects.filter(unclaimed, pk=audience.pk).update(next_evaluation_at=now + LEASE):
        return False
    try:
        _evaluate(audience, now=now, milliseconds=milliseconds)
    except OperationalError:
        Audience.objects.filter(pk=audience.pk).update(next_evaluation_at=now)
        return False
    audience.refresh_from_db(fields=["counted", "counted_at", "next_evaluation_at"])
    return audience.counted is not None


def next_after(audience: Audience, now: datetime) -> datetime | None:
    """None: only when asked."""
    every = EVERY.get(Audience.Refresh(audience.refresh))
    return now + every if every and audience.state != Audience.State.ARCHIVED else None


def _evaluate(audience: Audience, *, now: datetime, milliseconds: int) -> None:
    """What cannot be evaluated, because a field it asks for is gone, keeps its last size."""
    try:
        with limited(milliseconds):
            evaluate.recount(audience, now)
    except CarillonError as error:
        log.warning("audience not evaluated", audience=audience.pk, code=error.code)
    AudienceSize.objects.filter(audience=audience, at__lt=now - KEPT).delete()
    _set_next(audience, now)


def _set_next(audience: Audience, now: datetime) -> None:
    """Somebody who changed the audience meanwhile has made it due again; that stays."""
    Audience.objects.filter(pk=audience.pk, next_evaluation_at=now + LEASE).update(
        next_evaluation_at=next_after(audience, now)
    )
