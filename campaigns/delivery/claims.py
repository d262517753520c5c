"""Claims a batch with a lease and an epoch, and records what happened under it.

The epoch is the fencing token: it rises with every claim and every record is guarded by it, so a worker that
slept through its lease can write nothing. The lease runs on the database's clock and is renewed by every
record; a worker that stops is replaced LEASE seconds later.

`horizon` is the highest ref whose hand-over may have begun. It is committed before the hand-over and moved in
the same transaction that records the window before. A batch taken over from a dead worker therefore knows
exactly which messages are uncertain: those up to the horizon that were due then and have no attempt since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from campaigns.delivery import caps
from campaigns.models import Batch

LEASE = timedelta(seconds=settings.LEASE_SECONDS)
MOST_CLAIMS = 8  # by workers that died over it, one after the other
TRIES = 5  # of one message, whatever the answers

CLAIM = """
WITH old AS (
    SELECT b.id, b.state, b.horizon, b.passed_over, b.claimed_at, c.on_uncertain
    FROM campaigns_batch b
    JOIN campaigns_run r ON r.id = b.run_id
    JOIN campaigns_campaign c ON c.id = r.campaign_id
    WHERE b.id = %(batch)s AND r.state = 'sending' AND c.status = 'live'
      AND ((b.state = 'ready' AND b.send_after <= %(now)s)
           OR (b.state = 'claimed' AND b.lease_until < clock_timestamp()))
    FOR UPDATE OF b SKIP LOCKED
)
UPDATE campaigns_batch b
SET state = 'claimed', epoch = b.epoch + 1, claims = b.claims + 1, owner = %(owner)s, horizon = NULL,
    passed_over = NULL, claimed_at = %(now)s, lease_until = clock_timestamp() + %(lease)s
FROM old WHERE b.id = old.id
RETURNING b.run_id, b.action, b.lo, b.hi, b.epoch, b.claims,
          CASE WHEN old.state = 'claimed' THEN old.horizon END, old.passed_over, old.claimed_at,
          old.on_uncertain = 'resend'
"""

# A message is due when nothing was tried yet, when its retry time has come, or when it is uncertain and the
# campaign sends such messages again, up to TRIES times. Everything else is settled.
LAST_ATTEMPT = """
LEFT JOIN LATERAL (
    SELECT n, outcome, at, retry_at FROM campaigns_attempt a
    WHERE a.run_id = m.run_id AND a.action = m.action AND a.ref = m.ref ORDER BY n DESC LIMIT 1
) last ON TRUE
"""
AGAIN = f"last.outcome = 'uncertain' AND %(resend)s AND last.n < {TRIES}"
DUE = f"""(last.n IS NULL OR (last.outcome = 'deferred' AND last.retry_at <= %(at)s)
           OR ({AGAIN} AND COALESCE(last.retry_at, last.at) <= %(at)s))"""
OPEN = f"(last.n IS NULL OR last.outcome = 'deferred' OR ({AGAIN}))"
RANGE = "m.run_id = %(run)s AND m.action = %(action)s AND m.ref BETWEEN %(lo)s AND %(hi)s"

INSERT = "INSERT INTO campaigns_attempt (run_id, action, ref, n, outcome, code, at) "
MARK_UNCERTAIN = f"""{INSERT}
SELECT m.run_id, m.action, m.ref, COALESCE(last.n, 0) + 1, 'uncertain', 'worker_lost', %(now)s
FROM campaigns_message m {LAST_ATTEMPT}
WHERE {RANGE} AND m.ref <= %(horizon)s AND {DUE}
  AND m.ref <> ALL (COALESCE(%(passed_over)s::bigint[], '{{}}'))
"""
GIVE_UP = f"""{INSERT}
SELECT m.run_id, m.action, m.ref, COALESCE(last.n, 0) + 1, 'failed', 'abandoned', %(now)s
FROM campaigns_message m {LAST_ATTEMPT} WHERE {RANGE} AND {OPEN}
"""
FETCH = f"""
SELECT m.ref, m.profile_id, m.address, COALESCE(last.n, 0) + 1
FROM campaigns_message m {LAST_ATTEMPT} WHERE {RANGE} AND {DUE} ORDER BY m.ref
"""
REST = f"""
SELECT count(*), min(COALESCE(last.retry_at, %(soon)s))
FROM campaigns_message m {LAST_ATTEMPT} WHERE {RANGE} AND {OPEN}
"""
RENEW = """
UPDATE campaigns_batch b SET lease_until = clock_timestamp() + %(lease)s, horizon = %(horizon)s,
    passed_over = %(passed_over)s,
    claims = CASE WHEN %(progress)s THEN 0 ELSE claims END
FROM campaigns_run r JOIN campaigns_campaign c ON c.id = r.campaign_id
WHERE b.id = %(batch)s AND b.epoch = %(epoch)s AND b.state = 'claimed' AND r.id = b.run_id
RETURNING r.state = 'sending' AND c.status = 'live'
"""
RECORD = """
COPY campaigns_attempt (run_id, action, ref, n, outcome, code, detail, at, retry_at, provider_id) FROM STDIN
"""


class LeaseLost(Exception):
    """Somebody else has the batch now. Whatever this worker knows, it must write nothing more."""


@dataclass(frozen=True)
class Claim:
    batch_id: int
    run_id: int
    action: int
    lo: int
    hi: int
    epoch: int
    resends: bool
    claimed_at: datetime

    def places(self) -> dict[str, Any]:
        return {
            "run": self.run_id,
            "action": self.action,
            "lo": self.lo,
            "hi": self.hi,
            "resend": self.resends,
        }


@dataclass(frozen=True, slots=True)
class Due:
    """A message to be sent now; `n` is the number its next attempt will have."""

    ref: int
    profile_id: int | None
    address: str
    n: int


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt to be recorded."""

    ref: int
    n: int
    outcome: str
    code: str = ""
    detail: str | None = None
    retry_at: datetime | None = None
    provider_id: str | None = None


def _mixed(**values: Any) -> dict[str, Any]:
    return values


@transaction.atomic
def claim(batch_id: int, *, owner: str, now: datetime) -> Claim | None:
    """The batch, or None when it is not due, not this state's, or somebody else has it."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, _mixed(batch=batch_id, owner=owner[:80], now=now, lease=LEASE))
        row = cursor.fetchone()
        if row is None:
            return None
        run, action, lo, hi, epoch, claims, horizon, passed, was_claimed_at, resends = row
        claimed = Claim(batch_id, run, action, lo, hi, epoch, resends, now)
        if horizon is not None:
            places = {**claimed.places(), "passed_over": passed}
            mark_uncertain(places, horizon=horizon, claimed_at=was_claimed_at, now=now)
        if claims > MOST_CLAIMS:
            # What may have left stays uncertain: nobody knows that it failed.
            cursor.execute(GIVE_UP, {**claimed.places(), "resend": False, "now": now})
            Batch.objects.filter(pk=batch_id).update(state=Batch.State.ABANDONED, finished_at=now)
            return None
    return claimed


def mark_uncertain(places: dict[str, Any], *, horizon: int, claimed_at: datetime, now: datetime) -> None:
    """What a dead worker may have handed over: due when it claimed, up to its horizon, and without answer.

    `places["passed_over"]` names those below the horizon that were left for a later window.
    """
    with connection.cursor() as cursor:
        cursor.execute(MARK_UNCERTAIN, {**places, "horizon": horizon, "at": claimed_at, "now": now})


def fetch(claimed: Claim) -> list[Due]:
    with connection.cursor() as cursor:
        cursor.execute(FETCH, {**claimed.places(), "at": claimed.claimed_at})
        return [Due(*row) for row in cursor.fetchall()]


@transaction.atomic
def record(
    claimed: Claim,
    tried: Sequence[Tried],
    *,
    horizon: int | None,
    passed_over: Sequence[int] = (),
    now: datetime,
) -> bool:
    """Writes the attempts, renews the lease and moves the horizon, all or nothing.

    `passed_over` are the refs up to the horizon that are not handed over now.

    Returns whether sending may go on: False when the campaign was paused or stopped. Raises LeaseLost.
    """
    with connection.cursor() as cursor:
        values = _mixed(batch=claimed.batch_id, epoch=claimed.epoch, lease=LEASE)
        values |= {"horizon": horizon, "passed_over": list(passed_over) or None}
        cursor.execute(RENEW, {**values, "progress": bool(tried)})
        row = cursor.fetchone()
        if row is None:
            raise LeaseLost
        if tried:
            with cursor.copy(RECORD) as copy:
                for one in tried:
                    named = (claimed.run_id, claimed.action, one.ref, one.n)
                    said = (str(one.outcome), one.code[:20], one.detail)
                    copy.write_row((*named, *said, now, one.retry_at, one.provider_id))
            places = (claimed.run_id, claimed.action)
            caps.settle(places, [(one.ref, str(one.outcome)) for one in tried], now=now)
    return bool(row[0])


@transaction.atomic
def release(claimed: Claim, *, now: datetime, send_after: datetime | None = None) -> bool:
    """Gives the batch back: done when everybody is settled, else ready for its next time. True when done.

    A worker that gives back is no dead worker, so the claims are counted anew: a provider that is away for
    hours, or a campaign paused ten times, never makes a batch look deadly.
    """
    soon = now + timedelta(seconds=5)
    caps.let_go(claimed.places())
    with connection.cursor() as cursor:
        cursor.execute(REST, {**claimed.places(), "soon": soon})
        left, next_at = cursor.fetchone()
    mine = Batch.objects.filter(pk=claimed.batch_id, epoch=claimed.epoch, state=Batch.State.CLAIMED)
    if left == 0:
        return bool(mine.update(state=Batch.State.DONE, horizon=None, finished_at=now))
    mine.update(
        state=Batch.State.READY,
        claims=0,
        horizon=None,
        rung_at=None,
        send_after=max(next_at, send_after or next_at),
    )
    return False
