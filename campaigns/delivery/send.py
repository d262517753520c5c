"""Delivers batches: claim, fetch, last look, then window by window: commit who may leave, hand over, record.

This thread does the database, the lanes' thread the network (`lanes.py`); so the next messages leave while
the last ones are recorded, and the next batch is fetched while the last one drains. Whatever kills the
worker, at most WINDOW messages are uncertain, and no more leave after a pause or a stop.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.utils import timezone

from campaigns.delivery import claims, completion, holding, lanes
from campaigns.delivery.answers import outcome
from campaigns.delivery.bound import FLUSH, LANES, URGENT_FLUSH
from campaigns.delivery.claims import Claim, LeaseLost, Tried
from campaigns.delivery.due import Due, look
from campaigns.delivery.gate import Opening
from campaigns.delivery.lanes import Entry
from campaigns.delivery.post import Post, open_post
from campaigns.models import Batch, Outcome, Run
from campaigns.tracking import receipts
from channels.messages import Fact
from channels.messages import Outcome as Said
from common import failpoints

log = structlog.get_logger(__name__)

SOON = 0.1  # seconds an answer waits for its record
KNOWN = 1.0  # seconds for which what was read of a run is good
# Of one task: a worker that is asked to end does so within a minute.
LONGEST = min(timedelta(seconds=40), 2 * claims.LEASE)
PAUSES = {Fact.UNREACHABLE: timedelta(seconds=30), Fact.MISCONFIGURED: timedelta(seconds=60)}


def deliver(batch_id: int) -> bool:
    """Delivers what is due of the batch. True when it was ours; False when there was nothing to claim."""
    return _Worker(None).work(claims.claim(batch_id, owner=_name(), now=timezone.now())) > 0


def work(batch_id: int, lane: str) -> int:
    """The same, and goes on with whatever is due in the lane; how many batches it was."""
    first = claims.claim(batch_id, owner=_name(), now=timezone.now())
    if first is None:
        first = claims.claim_next(lane, owner=_name(), now=timezone.now())
    return _Worker(lane).work(first)


def _name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass
class _Delivery:
    """One claimed batch on its way out."""

    claimed: Claim
    post: Post
    waiting: list[Due]
    handover: lanes.Handover
    borrowed: list[lanes.Kept]
    in_flight: dict[int, Due] = field(default_factory=dict)
    unsaid: list[Tried] = field(default_factory=list)  # to be recorded with the next window
    said: list[Said] = field(default_factory=list)  # of which the gate is to be told
    refused: list[receipts.Refusal] = field(default_factory=list)  # whose addresses or wishes say so
    opening: Opening = field(default_factory=Opening)  # the last one somebody left by
    is_looked_at: bool = True  # the whole batch was, a moment ago
    asks_at: float = 0.0  # when the gate is asked again
    recorded_at: float = field(default_factory=time.monotonic)
    until: timedelta = timedelta(0)
    trouble: Said | None = None
    is_held: bool = False  # nothing more is admitted

    def collect(self) -> None:
        """Takes over what the lanes have told."""
        now = timezone.now()
        while self.handover.returned:
            due = self.handover.returned.popleft()
            self.in_flight.pop(due.ref, None)
            self.waiting.insert(0, due)
        while self.handover.told:
            due, said = self.handover.told.popleft()
            self.in_flight.pop(due.ref)
            if isinstance(said, Said):
                self.said.append(said)
                tried = outcome(due, said, self.post.retries, now)
                if said.fault in receipts.ABOUT_A_PERSON and tried.outcome != Outcome.DEFERRED:
                    self.refused.append((said.fault, due.address, due.profile_id))
                self.unsaid.append(tried)
            else:
                self.unsaid.append(said)
        if self.handover.trouble and not self.is_held:
            self.said.append(self.handover.trouble)
            self.trouble, self.is_held = self.handover.trouble, True
            self.until = PAUSES[self.handover.trouble.fact]

    def tell_gate(self, now: datetime) -> None:
        if self.said:
            self.post.gate.tell(self.said, self.opening, now=now)
        if self.refused:
            receipts.refused(self.post.configuration, self.refused, now)
        self.said, self.refused = [], []

    @property
    def is_over(self) -> bool:
        return not self.in_flight and (self.is_held or not self.waiting)


class _Worker:
    """Works on a batch and, with a lane, on the next ones; on two at once only while one drains."""

    def __init__(self, lane: str | None) -> None:
        self.lane = lane
        self.flush = URGENT_FLUSH if lane == Batch.Lane.URGENT else FLUSH
        self.window = self.flush + LANES
        # While a window is recorded each lane has a message on its way and one to announce behind it.
        self.enough = max(self.window - 2 * LANES, self.flush // 2)
        self.news = threading.Event()
        self.open: list[_Delivery] = []
        self.began = time.monotonic()
        self.finished = 0
        self.last_run = 0
        self.known: Run | None = None
        self.known_at = 0.0

    def work(self, first: Claim | None) -> int:
        if first is None:
            return 0
        try:
            self._begin(first)
            while self.open:
                for delivery in list(self.open):
                    self._turn(delivery)
                if not self._begin_next():
                    self._rest()
        finally:
            for delivery in self.open:  # an error: what is in flight is found by whoever comes next
                self._let_go(delivery, are_well=False)
        return self.finished

    # ---- batches ----------------------------------------------------------------------------------
    def _begin(self, claimed: Claim) -> None:
        failpoints.reached("claimed")
        self.last_run = claimed.run_id
        if (run := self._run(claimed.run_id)) is None:
            claims.release(claimed, now=timezone.now())
            return
        post = open_post(claimed, run)
        borrowed = lanes.borrow(post.configuration, min(LANES, len(post.due)))
        handover = lanes.Handover(post.write, self.news, claimed.lease_until, self.enough)
        handover.start([one.lane for one in borrowed])
        delivery = _Delivery(claimed, post, post.due, handover, borrowed, unsaid=post.excluded)
        delivery.until = post.waits
        self.open.append(delivery)

    def _run(self, run_id: int) -> Run | None:
        """The run, unless it is held. What was read of it is good for the batches of the next moment too, as
        it would be for the rest of a longer one.
        """
        known, now = self.known, time.monotonic()
        if known is None or known.pk != run_id or now - self.known_at > KNOWN:
            known, self.known_at = holding.whole(run_id), now
            self.known = None if holding.is_held(known, now=timezone.now()) else known
        return self.known

    def _begin_next(self) -> bool:
        """Claims another batch once the present one has handed out everything."""
        is_time = timedelta(seconds=time.monotonic() - self.began) < LONGEST
        if self.lane is None or not is_time or len(self.open) > 1 or any(one.waiting for one in self.open):
            return False
        if any(one.is_held for one in self.open):
            return False
        claimed = claims.claim_next(self.lane, after_run=self.last_run, owner=_name(), now=timezone.now())
        if claimed is None:
            self.lane = None  # nothing is due; the sweep rings when something is
            return False
        self._begin(claimed)
        return True

    def _end(self, delivery: _Delivery) -> None:
        now = timezone.now()
        delivery.tell_gate(now)
        _note_trouble(delivery.claimed.run_id, delivery.trouble)
        self._let_go(delivery, are_well=delivery.trouble is None)
        send_after = now + delivery.until if delivery.until else None
        if claims.release(delivery.claimed, now=now, send_after=send_after):
            failpoints.reached("released")
            completion.settle(delivery.claimed.run_id, now=now)
        self.finished += 1

    def _let_go(self, delivery: _Delivery, *, are_well: bool) -> None:
        if delivery in self.open:
            self.open.remove(delivery)
        delivery.handover.end()
        is_quiet = are_well and not delivery.in_flight
        lanes.give_back(delivery.post.configuration, delivery.borrowed, are_well=is_quiet)

    # ---- windows ----------------------------------------------------------------------------------
    def _turn(self, delivery: _Delivery) -> None:
        """Records what was told and admits the next window, in one transaction, when it is worth one."""
        delivery.collect()
        if delivery.is_over and not delivery.unsaid:
            self._end(delivery)
            return
        if self._is_worth_it(delivery):
            try:
                self._record(delivery)
            except LeaseLost:
                log.warning("lease lost", batch=delivery.claimed.batch_id, epoch=delivery.claimed.epoch)
                self._let_go(delivery, are_well=False)
                self.finished += 1

    def _is_worth_it(self, delivery: _Delivery) -> bool:
        now = time.monotonic()
        waited = now - delivery.recorded_at
        if waited > claims.LEASE.total_seconds() / 4:
            return True  # the lease is renewed while a server takes its time (RFC 5321, 4.5.3.2.6)
        if delivery.unsaid and (len(delivery.unsaid) >= self.enough or waited >= SOON):
            return True
        idle = not delivery.in_flight
        return idle and bool(delivery.unsaid or (self._admits(delivery) and now >= delivery.asks_at))

    def _admits(self, delivery: _Delivery) -> bool:
        return bool(delivery.waiting) and not delivery.is_held

    def _record(self, delivery: _Delivery) -> None:
        admitted = self._admit(delivery)
        for entry in admitted:
            delivery.in_flight[entry.due.ref] = entry.due
        failpoints.reached("before_record")
        may_go = claims.record(
            delivery.claimed, delivery.unsaid, in_flight=delivery.in_flight, now=timezone.now()
        )
        failpoints.reached("recorded")
        delivery.tell_gate(timezone.now())
        delivery.unsaid, delivery.recorded_at = [], time.monotonic()
        delivery.handover.may_leave_until = delivery.claimed.lease_until
        if may_go:
            delivery.handover.put(admitted)
            if admitted:
                delivery.post.gate.went(delivery.opening, at=time.monotonic())
            return
        delivery.is_held = True
        for entry in admitted:
            del delivery.in_flight[entry.due.ref]
        delivery.waiting += [entry.due for entry in admitted]

    def _admit(self, delivery: _Delivery) -> list[Entry]:
        """Who may leave next, after one more look at them; nobody when the time is over."""
        now = time.monotonic()
        if delivery.post.gate.has_begun and now - self.began > LONGEST.total_seconds():
            delivery.is_held = True  # a task that comes late still sends one window
        if delivery.post.leaves_before and timezone.now() >= delivery.post.leaves_before:
            delivery.is_held = True  # a new day of the warm-up plan: they are looked at anew
        room = self.window - sum(len(one.in_flight) for one in self.open)
        if not self._admits(delivery) or room <= 0 or now < delivery.asks_at:
            return []
        opening = delivery.post.gate.ask(delivery.waiting, most=room)
        if not opening.window:
            self._hold(delivery, opening)
            return []
        delivery.opening = opening
        moments = {one.ref: moment for one, moment in opening.window}
        chosen = [one for one, _moment in opening.window]
        delivery.waiting = [one for one in delivery.waiting if one.ref not in moments]
        if not delivery.is_looked_at:
            post = delivery.post
            chosen, excluded = look(post.workspace_id, post.letters[0], post.configuration, chosen)
            delivery.unsaid += excluded
        delivery.is_looked_at = False
        return [Entry(one, moments[one.ref]) for one in chosen]

    def _hold(self, delivery: _Delivery, opening: Opening) -> None:
        """The gate is closed: wait here when it is not for long, else give the batch back."""
        if opening.trouble is None and delivery.post.gate.stays(opening):
            delivery.asks_at = time.monotonic() + opening.until.total_seconds()
        else:
            delivery.is_held, delivery.until, delivery.trouble = True, opening.until, opening.trouble

    def _rest(self) -> None:
        if not self.open:
            return
        now, wait = time.monotonic(), claims.LEASE.total_seconds() / 4
        for one in self.open:
            if one.unsaid or one.handover.told:
                wait = min(wait, one.recorded_at + SOON - now)
            if one.asks_at > now and not one.in_flight:
                wait = min(wait, one.asks_at - now)
            if one.is_over:
                wait = 0.0
        self.news.wait(max(wait, 0.0))
        self.news.clear()


def _note_trouble(run_id: int, trouble: Said | None) -> None:
    """What the run is waiting for, shown on its page until the provider answers again."""
    reason = f"{trouble.fact}: {trouble.code} {trouble.detail}".strip()[:200] if trouble else ""
    Run.objects.filter(pk=run_id).exclude(reason=reason).update(reason=reason)
