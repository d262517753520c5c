"""The network's side of a worker: one event loop in a thread of its own, and lanes kept from batch to batch.

The database's thread puts messages that may leave into a Handover and gets the answers back; the lanes take
them one by one and write each for its person just before it leaves. Neither thread ever waits for the other
while it holds something.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from campaigns.delivery.claims import Tried
from campaigns.delivery.due import Due
from channels.breaker import TROUBLE
from channels.messages import Outcome as Said
from channels.messages import Rendered
from channels.models import ChannelConfiguration
from channels.pacing import LATE
from channels.providers import registry
from channels.providers.base import BatchLane, Lane, StreamLane

IDLE, OLDEST = 20.0, 300.0  # seconds a lane is kept without work, and at all
T = TypeVar("T")


@dataclass(slots=True)
class Entry:
    """A message that may leave `at` a moment of the monotonic clock; 0 is at once."""

    due: Due
    at: float = 0.0


@dataclass
class Handover:
    """What one batch has on its way. `write` makes a person's message, or the attempt that says why not.

    `may_leave_until` is when the batch's lease ends here: a worker that was stopped and wakes up later hands
    nothing over any more.
    """

    write: Callable[[Due], Rendered | Tried]
    news: threading.Event
    may_leave_until: float
    enough: int  # answers that are worth a record
    ready: deque[Entry] = field(default_factory=deque)
    told: deque[tuple[Due, Said | Tried]] = field(default_factory=deque)
    returned: deque[Due] = field(default_factory=deque)  # not handed over after all
    trouble: Said | None = None
    is_over: bool = False
    _in_hand: dict[str, Due] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _drains: list[asyncio.Task[None]] = field(default_factory=list)

    # ---- the database's thread --------------------------------------------------------------------
    def put(self, entries: list[Entry]) -> None:
        self.ready.extend(entries)
        loop().call_soon_threadsafe(self._wake.set)

    def start(self, lanes: list[Lane]) -> None:
        async def begin() -> None:
            self._drains = [asyncio.ensure_future(self._drain(lane)) for lane in lanes]

        wait_for(begin())

    def end(self) -> None:
        """Nothing is on its way any more, or nobody may know of it."""

        async def stop() -> None:
            self.is_over = True
            for drain in self._drains:
                drain.cancel()
            await asyncio.gather(*self._drains, return_exceptions=True)
            self._drains.clear()  # they know us: a batch would stay until the collector comes round

        wait_for(stop())

    # ---- the loop's thread ------------------------------------------------------------------------
    async def _drain(self, lane: Lane) -> None:
        while True:
            if not self.ready:
                self._wake.clear()
                await self._wake.wait()
                continue
            if (left := self.ready[0].at - time.monotonic()) > 0:
                await asyncio.sleep(left)
                continue
            await self._carry(lane)

    async def _carry(self, lane: Lane) -> None:
        if isinstance(lane, StreamLane):
            await lane.stream(self._take, self._tell)
        elif isinstance(lane, BatchLane):
            messages = [one for one in (self._take() for _place in range(lane.batch_size)) if one]
            if messages:
                for one, said in zip(messages, await lane.send_many(messages), strict=True):
                    self._tell(one, said)
        elif message := self._take():
            self._tell(message, await lane.send(message))

    def _take(self) -> Rendered | None:
        """The next message that may leave now, written for its person."""
        while self.ready and self.ready[0].at <= time.monotonic():
            entry = self.ready.popleft()
            now = time.monotonic()
            is_late = entry.at and now - entry.at > LATE
            if self.trouble or self.is_over or is_late or now > self.may_leave_until:
                self.returned.append(entry.due)
                self._look_up()
                continue
            written = self.write(entry.due)
            if isinstance(written, Tried):
                self.told.append((entry.due, written))
                self._look_up()
                continue
            self._in_hand[written.key] = entry.due
            return written
        return None

    def _tell(self, message: Rendered, said: Said) -> None:
        due = self._in_hand.pop(message.key)
        if said.fact in TROUBLE:
            self.trouble = said  # nothing was handed over: the message stays as it was
            self.returned.append(due)
            self.news.set()
            return
        self.told.append((due, said))
        self._look_up()

    def _look_up(self) -> None:
        is_worth_it = len(self.told) >= self.enough or not (self.ready or self._in_hand)
        if is_worth_it and not self.news.is_set():  # to set it again costs a lock and is no news
            self.news.set()


# ---- the loop -------------------------------------------------------------------------------------


class _Loop:
    """One for each process: a forked child makes its own."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="lanes", daemon=True).start()
        self.kept: dict[str, list[Kept]] = {}
        self.closing: set[asyncio.Task[None]] = set()


@dataclass
class Kept:
    lane: Lane
    opened_at: float
    used_at: float


_lock = threading.Lock()
_loop: _Loop | None = None


def _ours() -> _Loop:
    global _loop
    with _lock:
        if _loop is None or _loop.process != os.getpid():
            _loop = _Loop()
        return _loop


def loop() -> asyncio.AbstractEventLoop:
    return _ours().loop


def wait_for(what: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(what, loop()).result()


# ---- lanes ----------------------------------------------------------------------------------------


def borrow(configuration: ChannelConfiguration, count: int) -> list[Kept]:
    """Lanes of the configuration as it stands now: kept ones first, then new ones."""
    ours, name, now = _ours(), _fingerprint(configuration), time.monotonic()
    with _lock:
        held = ours.kept.setdefault(name, [])
        found = [held.pop() for _place in range(min(count, len(held)))]
    provider = registry.get(configuration.provider)
    while len(found) < count:
        found.append(Kept(provider.open(configuration), now, now))
    return found


def give_back(configuration: ChannelConfiguration, lanes: list[Kept], *, are_well: bool) -> None:
    """Kept for the next batch, unless something is wrong with them or they are old."""
    ours, now = _ours(), time.monotonic()
    well = [one for one in lanes if are_well and now - one.opened_at < OLDEST]
    for one in well:
        one.used_at = now
    with _lock:
        ours.kept.setdefault(_fingerprint(configuration), []).extend(well)
    asyncio.run_coroutine_threadsafe(_close([one for one in lanes if one not in well]), ours.loop)
    ours.loop.call_soon_threadsafe(ours.loop.call_later, IDLE + 1, _close_idle, ours)


def _close_idle(ours: _Loop) -> None:
    now = time.monotonic()
    with _lock:
        idle = [one for held in ours.kept.values() for one in held if now - one.used_at > IDLE]
        ours.kept = {
            name: rest
            for name, held in ours.kept.items()
            if (rest := [one for one in held if now - one.used_at <= IDLE])
        }
    if idle:
        closing = ours.loop.create_task(_close(idle))
        ours.closing.add(closing)  # the loop itself keeps tasks only weakly
        closing.add_done_callback(ours.closing.discard)


async def _close(lanes: list[Kept]) -> None:
    await asyncio.gather(*(one.lane.close() for one in lanes), return_exceptions=True)


def _fingerprint(configuration: ChannelConfiguration) -> str:
    """Changes with anything that a lane was opened with."""
    sealed = configuration.credential.sealed if configuration.credential else b""
    told = (
        configuration.pk,
        configuration.provider,
        configuration.settings,
        configuration.sender_email,
        sealed,
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()
