"""Claims a batch with a lease and an epoch, and records what happened under it.

The epoch is the fencing token: it rises with every claim and every record is guarded by it, so a worker that
slept through its lease can write nothing. The lease runs on the database's clock and is renewed by every
record; a worker that stops is replaced LEASE seconds later.

`in_flight` names the messages whose hand-over may have begun. A message is committed into it before it is
handed over and leaves it in the transaction that records its attempt. A batch taken over from a dead worker
therefore knows exactly who is uncertain.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction

from accounts.switch import IS_ON
from campaigns.delivery import caps
from campaigns.models import Batch, Outcome
from channels import warming
from common import prepared
from common.place import place

LEASE = timedelta(seconds=settings.LEASE_SECONDS)
MOST_CLAIMS = 8  # by workers that died over it, one after the other
TRIES = 5  # of a message that is uncertain again and again

# A batch may be worked on while its run, its campaign and its workspace's main switch say so. A stopped
# campaign whose present run may finish is the one that is stopped with its run still sending; so is a
# completed one of which uncertain messages are sent again. A proof leaves whatever its campaign's state.
ENDS_OR_LIVES = "c.status IN ('live', 'stopped', 'completed') OR r.kind = 'proof'"
MAY_SEND = f"r.state = 'sending' AND ({ENDS_OR_LIVES}) AND {IS_ON}"
OF_RUN = """JOIN campaigns_run r ON r.id = b.run_id JOIN campaigns_campaign c ON c.id = r.campaign_id
    JOIN accounts_workspace w ON w.id = c.workspace_id"""
IS_DUE = """((b.state = 'ready' AND b.send_after <= %(now)s)
    OR (b.state = 'claimed' AND b.lease_until < clock_timestamp()))"""
THIS = "b.id = %(batch)s"
# One batch of each run in turn, so that a small run does not wait behind a large one.
NEXT = "b.lane = %(lane)s"
IN_TURN = "ORDER BY r.id <= %(after)s, r.id, b.send_after, b.id LIMIT 1"
CLAIM = f"""
WITH old AS (
    SELECT b.id, b.state, b.in_flight,
           COALESCE(c.before_draft->>'on_uncertain', c.on_uncertain) AS on_uncertain
    FROM campaigns_batch b {OF_RUN}
    WHERE {{which}} AND {MAY_SEND} AND {IS_DUE}
    {{order}} FOR UPDATE OF b SKIP LOCKED
)
UPDATE campaigns_batch b
SET state = 'claimed', epoch = b.epoch + 1, claims = b.claims + 1, owner = %(owner)s, in_flight = NULL,
    claimed_at = %(now)s, lease_until = clock_timestamp() + %(lease)s
FROM old WHERE b.id = old.id
RETURNING b.id, b.run_id, b.action, b.slot, b.lo, b.hi, b.size, b.epoch, b.tally, b.claims,
          CASE WHEN old.state = 'claimed' THEN old.in_flight END, old.on_uncertain = 'resend'
"""

# A message is due when nothing was tried yet, when its retry time has come, or when it is uncertain and the
# campaign sends such messages again, up to TRIES times. Everything else is settled.
LAST_ATTEMPT = """
LEFT JOIN LATERAL (
    SELECT n, outcome, code, at, retry_at FROM campaigns_attempt a
    WHERE a.run_id = m.run_id AND a.action = m.action AND a.ref = m.ref ORDER BY n DESC LIMIT 1
) last ON TRUE
"""
AGAIN = f"last.outcome = 'uncertain' AND %(resend)s AND last.n < {TRIES}"
DUE = f"""(last.n IS NULL OR (last.outcome = 'deferred' AND last.retry_at <= %(at)s)
           OR ({AGAIN} AND COALESCE(last.retry_at, last.at) <= %(at)s))"""
OPEN = f"(last.n IS NULL OR last.outcome = 'deferred' OR ({AGAIN}))"
RANGE = """m.run_id = %(run)s AND m.action = %(action)s AND m.slot = %(slot)s
    AND m.ref BETWEEN %(lo)s AND %(hi)s"""

INSERT = "INSERT INTO campaigns_attempt (run_id, action, ref, n, outcome, code, at) "
MARK_UNCERTAIN = f"""{INSERT}
SELECT m.run_id, m.action, m.ref, COALESCE(last.n, 0) + 1, 'uncertain', 'worker_lost', %(now)s
FROM campaigns_message m {LAST_ATTEMPT} WHERE {RANGE} AND m.ref = ANY(%(in_flight)s)
"""
SETTLE_REST = f"""{INSERT}
SELECT m.run_id, m.action, m.ref, COALESCE(last.n, 0) + 1, %(outcome)s, %(code)s, %(now)s
FROM campaigns_message m {LAST_ATTEMPT} WHERE {RANGE} AND {OPEN}
"""
REST = f"""
SELECT count(*), min(COALESCE(last.retry_at, %(soon)s))
FROM campaigns_message m {LAST_ATTEMPT} WHERE {RANGE} AND {OPEN}
"""
SETTLE_RUN = f"""{INSERT}
SELECT m.run_id, m.action, m.ref, COALESCE(last.n, 0) + 1, %(outcome)s, %(code)s, %(now)s
FROM campaigns_message m {LAST_ATTEMPT} WHERE m.run_id = %(run)s AND m.slot >= 0 AND {OPEN}
"""
RECOUNT = f"""
WITH counted AS (
    SELECT b.id, count(*) AS people,
           CASE last.outcome WHEN 'accepted' THEN 'accepted' ELSE last.outcome || '/' || last.code END AS key
    FROM campaigns_batch b JOIN campaigns_message m ON m.run_id = b.run_id AND m.action = b.action
        AND m.slot = b.slot AND m.ref BETWEEN b.lo AND b.hi {LAST_ATTEMPT}
    WHERE b.id = ANY(%(batches)s) AND last.outcome <> 'deferred' GROUP BY b.id, key
)
UPDATE campaigns_batch b SET tally = COALESCE(
    (SELECT jsonb_object_agg(c.key, c.people) FROM counted c WHERE c.id = b.id), '{{}}')
WHERE b.id = ANY(%(batches)s) RETURNING b.id, b.tally
"""
RENEW = f"""
UPDATE campaigns_batch b SET lease_until = clock_timestamp() + %(lease)s, in_flight = %(in_flight)s::bigint[],
    tally = %(tally)s, claims = CASE WHEN %(progress)s THEN 0 ELSE claims END
FROM campaigns_run r JOIN campaigns_campaign c ON c.id = r.campaign_id
    JOIN accounts_workspace w ON w.id = c.workspace_id
WHERE b.id = %(batch)s AND b.epoch = %(epoch)s AND b.state = 'claimed' AND r.id = b.run_id
RETURNING {MAY_SEND} AS may_send
"""
# One statement and one journey: without the batch's row nothing is written. The attempts travel as JSON,
# which costs less to write than seven arrays.
RECORD = f"""
WITH mine AS ({RENEW}), told AS (
    INSERT INTO campaigns_attempt (run_id, action, ref, n, outcome, code, detail, at, retry_at, provider_id)
    SELECT %(run)s, %(action)s, t.ref, t.n, t.outcome, t.code, t.detail, %(now)s, t.retry_at, t.provider_id
    FROM mine, json_to_recordset(%(tried)s::json) AS t(ref bigint, n smallint, outcome text, code text,
        detail text, retry_at timestamptz, provider_id text)
)
SELECT may_send FROM mine
"""


class LeaseLost(Exception):
    """Somebody else has the batch now. Whatever this worker knows, it must write nothing more."""


@dataclass
class Claim:
    """A batch that is ours. `lease_until` is on this machine's monotonic clock, and never too late; `holds`
    says that messages of it count towards a cap or a day's volume until their outcomes are known.
    """

    batch_id: int
    run_id: int
    action: int
    slot: int
    lo: int
    hi: int
    size: int
    epoch: int
    resends: bool
    claimed_at: datetime
    tally: dict[str, int] = field(default_factory=dict)
    lease_until: float = 0.0
    holds: bool = False

    def places(self) -> dict[str, Any]:
        return {
            "batch": self.batch_id,
            "run": self.run_id,
            "action": self.action,
            "slot": self.slot,
            "lo": self.lo,
            "hi": self.hi,
            "resend": self.resends,
        }

    @property
    def is_fresh(self) -> bool:
        """Nobody has worked on it before, so no message of it has an attempt."""
        return self.epoch == 1

    @property
    def is_settled(self) -> bool:
        """By its tally. The ledger is counted from its rows before a run ends."""
        again = self.resends and any(key.startswith("uncertain") and n for key, n in self.tally.items())
        return sum(self.tally.values()) >= self.size and not again


class Tried(NamedTuple):
    """One attempt to be recorded. `before` is what the message counted as until now, in the batch's tally."""

    ref: int
    n: int
    outcome: str
    code: str = ""
    detail: str | None = None
    retry_at: datetime | None = None
    provider_id: str | None = None
    before: str = ""

    @property
    def counts_as(self) -> str:
        return counts_as(self.outcome, self.code[:20])

    def row(self) -> dict[str, Any]:
        """As JSON tells it to the database: what is not there is NULL."""
        found = {"ref": self.ref, "n": self.n, "outcome": str(self.outcome), "code": self.code[:20]}
        if self.detail is not None:
            found["detail"] = self.detail.replace("\0", "")
        if self.retry_at is not None:
            found["retry_at"] = self.retry_at.isoformat()
        if self.provider_id is not None:
            found["provider_id"] = self.provider_id.replace("\0", "")
        return found


def counts_as(outcome: str, code: str) -> str:
    """The key in a tally; what is not settled counts nowhere."""
    if outcome == Outcome.DEFERRED:
        return ""
    return str(outcome) if outcome == Outcome.ACCEPTED else f"{outcome}/{code}"


def _mixed(**values: Any) -> dict[str, Any]:
    """With what MAY_SEND asks."""
    return {**values, "place": place()}


def claim(batch_id: int, *, owner: str, now: datetime) -> Claim | None:
    """The batch, or None when it is not due, not this state's, or somebody else has it."""
    return _claim(CLAIM.format(which=THIS, order=""), {"batch": batch_id}, owner, now)


def claim_next(lane: str, *, after_run: int = 0, owner: str, now: datetime) -> Claim | None:
    """A due batch of the lane, if possible of another run than the last one."""
    return _claim(CLAIM.format(which=NEXT, order=IN_TURN), {"lane": lane, "after": after_run}, owner, now)


@transaction.atomic
def _claim(statement: str, which: dict[str, Any], owner: str, now: datetime) -> Claim | None:
    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(statement, _mixed(**which, owner=owner[:80], now=now, lease=LEASE))
        row = cursor.fetchone()
        if row is None:
            return None
        batch_id, run, action, slot, lo, hi, size, epoch, tally, claims, in_flight, resends = row
        claimed = Claim(batch_id, run, action, slot, lo, hi, size, epoch, resends, now)
        claimed.tally, claimed.lease_until = json.loads(tally), began + LEASE.total_seconds()
        if in_flight:
            mark_uncertain(claimed.places(), in_flight, now=now)
        if claims > MOST_CLAIMS:
            # What may have left stays uncertain: nobody knows that it failed.
            settle_rest({**claimed.places(), "resend": False}, Outcome.FAILED, "abandoned", now=now)
        if in_flight or claims > MOST_CLAIMS:
            claimed.tally = recount([batch_id])[batch_id]
        if claims > MOST_CLAIMS:
            Batch.objects.filter(pk=batch_id).update(state=Batch.State.ABANDONED, finished_at=now)
            return None
    return claimed


def mark_uncertain(places: dict[str, Any], in_flight: Sequence[int], *, now: datetime) -> None:
    """What a dead worker may have handed over."""
    with connection.cursor() as cursor:
        cursor.execute(MARK_UNCERTAIN, {**places, "in_flight": list(in_flight), "now": now})
    tried = [(ref, str(Outcome.UNCERTAIN)) for ref in in_flight]
    warming.settle((places["run"], places["action"]), tried, now=now)


def settle_rest(places: dict[str, Any], outcome: str, code: str, *, now: datetime) -> None:
    """Ends every message of the batch that is not settled; without a batch, of the whole run."""
    with connection.cursor() as cursor:
        statement = SETTLE_REST if "batch" in places else SETTLE_RUN
        cursor.execute(statement, {**places, "outcome": outcome, "code": code, "now": now})


def recount(batch_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """The tallies of the batches, counted anew from the attempts and written."""
    with connection.cursor() as cursor:
        cursor.execute(RECOUNT, {"batches": list(batch_ids)})
        return {batch_id: json.loads(tally) for batch_id, tally in cursor.fetchall()}


def record(claimed: Claim, tried: Sequence[Tried], *, in_flight: Collection[int] = (), now: datetime) -> bool:
    """Writes the attempts, renews the lease and says what is in flight from now on, all or nothing.

    Returns whether sending may go on: False when the campaign, or all sending, was paused or stopped.
    Raises LeaseLost.
    """
    began = time.monotonic()
    tally = dict(claimed.tally)
    for one in tried:
        for key, step in ((one.before, -1), (one.counts_as, 1)):
            if key:
                tally[key] = tally.get(key, 0) + step
    values = _mixed(
        batch=claimed.batch_id,
        epoch=claimed.epoch,
        lease=LEASE,
        in_flight=f"{{{','.join(map(str, in_flight))}}}" if in_flight else None,
        tally=json.dumps(tally),
        progress=bool(tried),
    )
    if tried and claimed.holds:
        with transaction.atomic():
            may_go = _write(claimed, tried, values, now)
            places = (claimed.run_id, claimed.action)
            outcomes = [(one.ref, str(one.outcome)) for one in tried]
            caps.settle(places, outcomes, now=now)
            warming.settle(places, outcomes, now=now)
    else:
        may_go = _write(claimed, tried, values, now)
    claimed.tally, claimed.lease_until = tally, began + LEASE.total_seconds()
    return may_go


def _write(claimed: Claim, tried: Sequence[Tried], values: dict[str, Any], now: datetime) -> bool:
    if tried:
        rows = json.dumps([one.row() for one in tried])
        values |= {"run": claimed.run_id, "action": claimed.action, "now": now, "tried": rows}
    with prepared.cursor() as cursor:
        cursor.execute(RECORD if tried else RENEW, values)
        row = cursor.fetchone()
    if row is None:
        raise LeaseLost
    return bool(row[0])


@transaction.atomic
def release(claimed: Claim, *, now: datetime, send_after: datetime | None = None) -> bool:
    """Gives the batch back: done when everybody is settled, else ready for its next time. True when done.

    A worker that gives back is no dead worker, so the claims are counted anew: a provider that is away for
    hours, or a campaign paused ten times, never makes a batch look deadly.
    """
    soon = now + timedelta(seconds=5)
    if claimed.holds:
        caps.let_go(claimed.places())
        warming.let_go(claimed.places())
    left, next_at = 0, soon
    if not claimed.is_settled:
        with connection.cursor() as cursor:
            cursor.execute(REST, {**claimed.places(), "soon": soon})
            left, next_at = cursor.fetchone()
    mine = Batch.objects.filter(pk=claimed.batch_id, epoch=claimed.epoch, state=Batch.State.CLAIMED)
    if left == 0:
        return bool(mine.update(state=Batch.State.DONE, in_flight=None, finished_at=now))
    mine.update(
        state=Batch.State.READY,
        claims=0,
        in_flight=None,
        rung_at=None,
        send_after=max(next_at, send_after or next_at),
    )
    return False
