"""Tells the broker something, and lets nobody wait for a broker that is slow.

One thread of each process does the talking. Whoever rings waits PATIENCE for it at most, or not at all: what
is not heard by then may be later, and nothing is added to what a broker does not get through. That costs
nobody their message, as whatever a bell is rung for stands in the database, where the sweep finds it.
"""

from __future__ import annotations

import contextvars
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from kombu.exceptions import KombuError

log = structlog.get_logger(__name__)
PATIENCE = 1.0  # seconds


@dataclass
class _Order:
    say: Callable[[], object]
    named: dict[str, object]
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    since: float = field(default_factory=time.monotonic)
    is_done: threading.Event = field(default_factory=threading.Event)

    @property
    def is_late(self) -> bool:
        return time.monotonic() - self.since > PATIENCE


class _Ringer:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.orders: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        self.thread: threading.Thread | None = None
        self.at: _Order | None = None  # what it is at

    def ring(self, order: _Order, waits: bool) -> None:
        at = self.at
        if at is not None and at.is_late:
            log.warning("bell not heard", error="the broker is slow", **order.named)
            return
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(target=self._work, name="bell", daemon=True)
                self.thread.start()
        self.orders.put(order)
        if waits:
            order.is_done.wait(PATIENCE)

    def _work(self) -> None:
        while True:
            order = self.orders.get()
            if order.is_late:
                log.warning("bell not heard", error="the broker is slow", **order.named)
                continue
            self.at = order
            order.context.run(_say, order)
            self.at = None
            order.is_done.set()


def _say(order: _Order) -> None:
    try:
        order.say()
    except (KombuError, OSError) as error:
        log.warning("bell not heard", error=type(error).__name__, **order.named)
    except Exception:  # what was committed stands, so a broker's error of whatever kind is no answer
        log.exception("bell not heard", **order.named)


_ringer = _Ringer()


def ring(say: Callable[[], object], *, waits: bool = True, **named: object) -> None:
    """Says it; `named` stands in the log where it was not heard."""
    _ringer.ring(_Order(say, named), waits)


def _begin_anew() -> None:
    """A process that was forked has none of the threads."""
    global _ringer
    _ringer = _Ringer()


os.register_at_fork(after_in_child=_begin_anew)
