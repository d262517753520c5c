"""Rings the bell after commit: a task's name and an id. A lost ring is rung again by the sweep."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from celery import current_app
from django.conf import settings
from django.db import transaction

from campaigns.models import Batch
from common import bell

MOST = 64
TOGETHER = 0.05  # seconds in which the calls of one process ring together


def due_runs() -> None:
    _ring("start_due_runs", [[]])


def expand(run_id: int) -> None:
    _ring("expand_run", [[run_id]])


def preflight(pk: int) -> None:
    _ring("look_at_every_message", [[pk]])


def batches(ids: Iterable[int], lane: str = Batch.Lane.BULK) -> None:
    """At most MOST: a worker that hears one goes on with what else is due."""
    _ring("deliver_batch", [[batch_id, lane] for batch_id in islice(ids, MOST)], lane)


def call(ids: Iterable[int]) -> None:
    """For the batches of one call to the API, which does not wait for it. The first rings at once; those that
    come close behind it ring together, as whoever hears a ring goes on with all that is due, and a ring costs
    nearly as much as the call.
    """
    if first := next(iter(ids), None):
        _after_commit(lambda: _bell.ring(first))


class _Bell:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_about_to_ring = False
        self.rung_at = 0.0

    def ring(self, batch_id: int) -> None:
        with self.lock:
            if self.is_about_to_ring:
                return
            left = self.rung_at + TOGETHER - time.monotonic()
            if left > 0:
                self.is_about_to_ring = True
                threading.Timer(left, self._ring, [batch_id]).start()
                return
        self._ring(batch_id)

    def _ring(self, batch_id: int) -> None:
        with self.lock:
            self.is_about_to_ring, self.rung_at = False, time.monotonic()
        _publish("deliver_batch", [[batch_id, Batch.Lane.URGENT]], Batch.Lane.URGENT, waits=False)


_bell = _Bell()


Arguments = Sequence[Sequence[int | str]]


def _ring(name: str, each: Arguments, lane: str = Batch.Lane.BULK) -> None:
    if each:
        _after_commit(lambda: _publish(name, each, lane))


def _after_commit(publish: Callable[[], object]) -> None:
    # Robust: what was committed stands, so a broker's error of whatever kind is logged and never an answer.
    transaction.on_commit(publish, robust=True)


def _publish(name: str, each: Arguments, lane: str, *, waits: bool = True) -> None:
    """One task for each list of arguments; with a broker that is away the first ends it."""
    queue, task = f"{settings.QUEUE_PREFIX}.{lane}", f"campaigns.tasks.{name}"

    def say() -> None:
        for arguments in each:
            current_app.send_task(task, args=arguments, queue=queue)

    bell.ring(say, waits=waits, task=task, queue=queue)
