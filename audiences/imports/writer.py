"""Writes to the database beside the reading of a file: PostgreSQL takes in one page while the next is parsed.

The one connection, and so the one transaction of a test or a claim, serves both in turns: between `write` and
`wait` it is the writer's alone.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from django.db import connections

ALIAS = "default"


class Writer:
    def __init__(self) -> None:
        self.connection: Any = connections[ALIAS]
        self.pool = ThreadPoolExecutor(1, "import", initializer=self._share)
        self.pending: Future[None] | None = None

    def _share(self) -> None:
        connections[ALIAS] = self.connection

    def __enter__(self) -> Writer:
        self.connection.inc_thread_sharing()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is being written is written to its end before anybody else uses the connection."""
        self.pool.shutdown(wait=True)
        self.connection.dec_thread_sharing()

    def write(self, work: Callable[[], None]) -> None:
        self.wait()
        self.pending = self.pool.submit(work)

    def wait(self) -> None:
        """Raises what the writing raised."""
        pending, self.pending = self.pending, None
        if pending is not None:
            pending.result()
