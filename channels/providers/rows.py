"""Lanes that hand messages to our own database, as to an inbox.

Django refuses its connection inside an event loop, since two tasks could mix their statements on it. These
lanes use the driver's connection, and each statement runs from beginning to end without giving the loop a
turn, so nothing can mix. In another thread than the one they were opened in, they have a connection of
their own.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connection

from channels.messages import Fact, Outcome, Rendered


class RowsLane:
    """Derived lanes bring `write_all`, which returns one outcome for each message, in one statement."""

    batch_size = 500

    def __init__(self) -> None:
        connection.ensure_connection()
        self.thread = threading.get_ident()
        self.theirs: psycopg.Connection[Any] = connection.connection
        self.own: psycopg.Connection[Any] | None = None
        self.parameters = connection.get_connection_params()

    @property
    def database(self) -> psycopg.Connection[Any]:
        if threading.get_ident() == self.thread:
            return self.theirs
        if self.own is None or self.own.closed:
            self.own = psycopg.connect(**self.parameters)
            self.own.autocommit = True
        return self.own

    def write_all(self, messages: Sequence[Rendered]) -> list[Outcome]:
        raise NotImplementedError

    async def send(self, message: Rendered) -> Outcome:
        return (await self.send_many([message]))[0]

    async def send_many(self, messages: Sequence[Rendered]) -> list[Outcome]:
        try:
            with self.database.transaction():
                return self.write_all(messages)
        except psycopg.Error as error:
            trouble = Outcome(Fact.UNREACHABLE, "", f"The database: {type(error).__name__}")
            return [trouble] * len(messages)

    async def close(self) -> None:
        if self.own is not None:
            self.own.close()
