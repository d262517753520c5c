"""When each message may leave, so that all workers together keep every limit.

The limits stand as rows of one number each: the first moment that is not given away yet, on the database's
clock. Whoever wants to send locks the rows of its limits, takes the next moments and moves the numbers on; so
it holds over processes and restarts. A moment that was taken and not used is lost, never made up for; and it
is told on the monotonic clock of whoever asked, so that a slow answer makes nobody leave later than their
neighbours think.

A configuration's limit is strict: neighbours stand 10 % further apart than the limit says, which leaves room
for a network that takes a tenth of a second longer for one message than for the next. A campaign's own rate
is steady: its mean is what the author chose. Without a limit nothing is asked.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction

MARGIN = 1.1
LATE = 0.03  # seconds: who could not leave at their moment by then waits for another one
AHEAD = 2.0  # seconds: moments further away are left to others
STRAY = 60.0  # seconds: a moment so far away was given by a clock that was put back since
DRIFT = 1e-3  # how far two clocks may part, seconds a second

HELD = """
WITH held AS MATERIALIZED (SELECT key, free_at FROM channels_pace WHERE key = ANY(%s) ORDER BY key FOR UPDATE)
SELECT key, free_at, extract(epoch FROM clock_timestamp())::float8 FROM held
"""
MAKE = "INSERT INTO channels_pace (key, free_at) SELECT k, 0 FROM unnest(%s::text[]) k ON CONFLICT DO NOTHING"
MOVE = """
UPDATE channels_pace p SET free_at = t.free_at FROM unnest(%s::text[], %s::float8[]) AS t(key, free_at)
WHERE p.key = t.key
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """One limit: at least `interval` seconds between two messages that share the key."""

    key: str
    interval: float


Paces = tuple[Pace, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """The message at `place` may leave `wait` seconds from now."""

    place: int
    wait: float


@dataclass(frozen=True, slots=True)
class Reserved:
    """Those who may leave soon, in their order; when there are none, `wait` says when to ask again.

    `since` is the moment of our monotonic clock from which all waits count, None where nothing limits.
    """

    slots: list[Slot]
    wait: float = 0.0
    since: float | None = None

    def moment(self, slot: Slot) -> float:
        """On our monotonic clock; 0 is at once."""
        return 0.0 if self.since is None else self.since + slot.wait


def strict(key: str, rate: float) -> Pace:
    """Never more than `rate` in any second."""
    return Pace(key, MARGIN / rate)


def steady(key: str, rate: float) -> Pace:
    """`rate` a second on the whole."""
    return Pace(key, 1 / rate)


def reserve(
    wanted: Sequence[Paces],
    *,
    most: int,
    ahead: float = AHEAD,
    instead: dict[str, Pace] | None = None,
    lead: float = 0.0,
) -> Reserved:
    """Moments for at most `most` of the messages, each named by the limits it falls under.

    Whoever can leave first goes first, so a slow destination holds nobody else up. `instead` names, for a
    limit's key, another limit of which the sooner is taken (see `limits.py`: the urgent lane). Nobody leaves
    sooner than `lead` seconds from now, which is what the caller needs to get ready.
    """
    if not any(wanted):
        return Reserved([Slot(place, 0.0) for place in range(min(most, len(wanted)))])
    instead = instead or {}
    keys = {pace.key for paces in wanted for pace in paces}
    keys |= {pace.key for key, pace in instead.items() if key in keys}
    with transaction.atomic(), connection.cursor() as cursor:
        free, now, since = _held(cursor, sorted(keys))
        before = dict(free)
        slots, wait = _assign(wanted, free, now, most, ahead, instead, lead)
        moved = [(key, at) for key, at in free.items() if at != before[key]]
        if moved:
            cursor.execute(MOVE, [list(column) for column in zip(*moved, strict=True)])
    return Reserved(slots, wait, since)


async def is_time(moment: float) -> bool:
    """Waits for a moment of the monotonic clock. False when it is over: another one must be reserved."""
    if not moment:
        return True
    left = moment - time.monotonic()
    if left > 0:
        await asyncio.sleep(left)
    return time.monotonic() - moment <= LATE


@dataclass
class _Clock:
    """What the database's clock showed, on our monotonic one.

    An answer's time lies between asking and hearing it: of all answers the one that took least is believed,
    until it is so old that the clocks may have parted by more, or an answer proves that one was put forward
    or back.
    """

    apart: float = 0.0  # ours less theirs when the answer was heard, and so never too small
    unsure: float = float("inf")
    seen: float = 0.0

    def moment(self, shown: float, asked: float, heard: float) -> float:
        """Ours for what theirs showed between two moments of ours."""
        unsure = self.unsure + DRIFT * (heard - self.seen)
        is_possible = asked - shown - unsure <= self.apart <= heard - shown + unsure
        if heard - asked <= unsure or not is_possible:
            self.apart, self.unsure, self.seen = heard - shown, heard - asked, heard
        return shown + self.apart


_clock = _Clock()


def _held(cursor: object, keys: list[str]) -> tuple[dict[str, float], float, float]:
    """The rows, locked; the time after the last lock was given, and the same on our monotonic clock."""
    run = cursor.execute  # type: ignore[attr-defined]
    asked = time.monotonic()
    run(HELD, [keys])
    rows = cursor.fetchall()  # type: ignore[attr-defined]
    if len(rows) < len(keys):
        run(MAKE, [keys])
        asked = time.monotonic()
        run(HELD, [keys])
        rows = cursor.fetchall()  # type: ignore[attr-defined]
    heard, now = time.monotonic(), max(row[2] for row in rows)
    free = {key: free_at if free_at < now + STRAY else now for key, free_at, _now in rows}
    return free, now, _clock.moment(now, asked, heard)


def _assign(
    wanted: Sequence[Paces],
    free: dict[str, float],
    now: float,
    most: int,
    ahead: float,
    instead: dict[str, Pace],
    lead: float,
) -> tuple[list[Slot], float]:
    """Moves `free` on for each message that gets a moment."""
    waiting: dict[Paces, deque[int]] = {}
    for place, paces in enumerate(wanted):
        waiting.setdefault(paces, deque()).append(place)

    def sooner(pace: Pace) -> Pace:
        other = instead.get(pace.key)
        return other if other and max(free[other.key], now) < max(free[pace.key], now) else pace

    slots: list[Slot] = []
    at = now + lead
    while waiting and len(slots) < most:
        turns = ((max((free[sooner(p).key] for p in paces), default=now), paces) for paces in waiting)
        at, paces = min(turns, key=lambda turn: turn[0])
        at = max(at, now + lead)
        if at > now + ahead:
            break
        slots.append(Slot(waiting[paces].popleft(), at - now))
        if not waiting[paces]:
            del waiting[paces]
        for pace in map(sooner, paces):
            free[pace.key] = at + pace.interval
    return slots, 0.0 if slots else at - now
