"""Servers of a test's own, to be killed and started again as it likes: a PostgreSQL cluster with the test
database's schema in it, and a Valkey.

with Cluster(folder) as cluster, cluster.database():   # Django's connection leads there
    cluster.kill()                                     # kill -9 of the postmaster
    cluster.start()
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import psycopg
from django.db import connection
from psycopg.conninfo import make_conninfo
from redis import Redis

from config.embedded.postgres import PORT, Postgres
from config.embedded.process import Server
from config.embedded.valkey import Valkey

SIZE = """
SELECT (SELECT count(*) FROM pg_class c WHERE relnamespace = 'public'::regnamespace),
       (SELECT count(*) FROM pg_constraint WHERE contype <> 'n' AND connamespace = 'public'::regnamespace),
       (SELECT count(*) FROM pg_trigger)
"""  # not null is a constraint of its own since PostgreSQL 18
MODEL = "as_the_test_database"


S = TypeVar("S", bound=Server)


class Breakable(Generic[S]):
    """What both can do."""

    server: S

    def start(self) -> None:
        self.server.start()

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        assert self.server.process
        self.server.process.send_signal(how)
        self.server.process.wait(30)

    def __exit__(self, *error: object) -> None:
        if not self.server.has_died():
            self.kill()
        self.server.stop()
        self.server.erase()


class Quick(Postgres):
    """It keeps what it has committed over any kill, if not over a power cut."""

    def command(self) -> list[str | Path]:
        return [*super().command(), "-c", "fsync=off", "-c", "full_page_writes=off"]


class Cluster(Breakable[Quick]):
    def __init__(self, folder: Path) -> None:
        self.server = Quick(folder)
        self.made = 0

    def __enter__(self) -> Self:
        self.start()
        with self.server.connect() as admin:
            admin.execute(f"CREATE DATABASE {MODEL}")
        told = connection.settings_dict
        names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
        given = make_conninfo(**{name: told[key] for name, key in names.items() if told[key]})
        dump = ["pg_dump", "--no-owner", "--no-acl", "--dbname", given]
        here = make_conninfo(dbname=MODEL, user="postgres", host=str(self.server.sockets), port=PORT)
        load = ["psql", "-qX", "--dbname", here]  # not ended by what only the other server knows: see below
        with subprocess.Popen(self._program(dump), stdout=subprocess.PIPE) as read:
            done = subprocess.run(self._program(load), stdin=read.stdout, capture_output=True, check=True)
        assert size_of(here) == size_of(given) and read.returncode == 0, done.stderr[-2000:]
        return self

    @contextmanager
    def database(self) -> Iterator[Self]:
        """A new one, like the test's; Django's connection leads to it."""
        self.made += 1
        name = f"test_{self.made}"
        with self.server.connect() as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {MODEL}")
        told: dict[str, Any] = dict(connection.settings_dict)
        connection.close()
        place = {"NAME": name, "USER": "postgres", "PASSWORD": "", "PORT": PORT}
        connection.settings_dict |= {**place, "HOST": str(self.server.sockets)}
        try:
            yield self
        finally:
            connection.close()
            connection.settings_dict |= told

    def _program(self, command: list[str]) -> list[str]:
        return [str(self.server.binaries / command[0]), *command[1:]]


def size_of(database: str) -> Any:
    """How many tables, indexes, constraints and triggers it has."""
    with psycopg.connect(database) as one:
        return one.execute(SIZE).fetchone()


class Bell(Breakable[Valkey]):
    def __init__(self, folder: Path) -> None:
        self.server = Valkey(folder)

    def __enter__(self) -> Self:
        self.start()
        return self

    @property
    def url(self) -> str:
        return self.server.url

    def ask(self, *words: str) -> Any:
        with Redis(unix_socket_path=str(self.server.sockets / "valkey.sock")) as client:
            return client.execute_command(*words)
