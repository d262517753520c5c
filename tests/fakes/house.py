"""Real worker and clock processes on the test's own database, with queues of their own on the real broker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest
from django.conf import settings
from django.db import connection
from kombu import Connection, Queue
from psycopg.conninfo import make_conninfo

from config.env import ROOT
from tests.settings import REAL_BROKER_URL

needs_broker = pytest.mark.skipif(
    REAL_BROKER_URL in ("", "memory://"), reason="BROKER_URL names no real broker; `make test` starts one"
)


class House:
    """Started parts by name. Everything still running is killed at the end."""

    def __init__(self, logs: Path, **environment: str) -> None:
        names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
        found = {ours: connection.settings_dict[theirs] for ours, theirs in names.items()}
        self.prefix = f"test-{uuid.uuid4().hex[:8]}"
        self.logs = logs
        self.root = ROOT  # whose code the parts that start from now on run
        self.parts: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **os.environ,
            "DATABASE_URL": make_conninfo(**{name: value for name, value in found.items() if value}),
            "BROKER_URL": REAL_BROKER_URL,
            "QUEUE_PREFIX": self.prefix,
            "CARILLON_MODE": "local",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PUBLIC_URL": settings.PUBLIC_URL,
            "LEASE_SECONDS": "4",
            "BULK_NICENESS": "0",  # other tests run beside
            **environment,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for name in list(self.parts):
            self.kill(name)
        with Connection(REAL_BROKER_URL) as broker:
            for lane in ("bulk", "urgent"):
                broker.default_channel.queue_delete(f"{self.prefix}.{lane}")

    def queue(self, lane: str = "bulk") -> Queue:
        """As its workers declare it: RabbitMQ keeps nothing for a queue that is not there yet."""
        is_amqp = REAL_BROKER_URL.startswith("amqp")
        return Queue(f"{self.prefix}.{lane}", queue_arguments={"x-queue-type": "quorum"} if is_amqp else None)

    def worker(self, name: str, lane: str = "bulk", **environment: str) -> None:
        self._start(
            name,
            "worker",
            "-Q",
            f"{self.prefix}.{lane}",
            "-n",
            f"{name}-{self.prefix}@test",
            "-c",
            "1",
            "-l",
            "INFO",
            **environment,
        )

    def clock(self) -> None:
        self._start("clock", "beat", "-l", "INFO", "--pidfile=")

    def web(self, name: str = "web", **environment: str) -> str:
        """A web process; its address, once it answers."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        bind = f"127.0.0.1:{port}"
        self._run(name, "gunicorn", "config.wsgi", "--bind", bind, "--threads", "4", **environment)
        self.wait(lambda: _listens(port), 30)
        return f"http://{bind}"

    def _start(self, name: str, *arguments: str, **environment: str) -> None:
        self._run(name, "celery", "-A", "config.celery", *arguments, **environment)

    def _run(self, name: str, *arguments: str, **environment: str) -> None:
        command = [sys.executable, "-m", *arguments]
        with (self.logs / f"{name}.log").open("ab") as log:
            self.parts[name] = subprocess.Popen(
                command,
                cwd=self.root,
                env=self.environment | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill_all(self) -> None:
        for name in list(self.parts):
            self.kill(name)

    def kill(self, name: str) -> None:
        """kill -9 of the part and of its children: nobody says goodbye."""
        process = self.parts.pop(name)
        with suppress(ProcessLookupError):  # it ended before
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def wait(self, until: Callable[[], bool], seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while not until():
            dead = [name for name, process in self.parts.items() if process.poll() is not None]
            assert not dead, f"{dead} ended: {(self.logs / f'{dead[0]}.log').read_text()[-3000:]}"
            assert time.monotonic() < end, "it took too long\n" + "\n".join(
                log.read_text()[-2000:] for log in self.logs.glob("*.log")
            )
            time.sleep(0.1)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
