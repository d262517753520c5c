"""The parts of a running demo, each a program with a log of its own.

A part has the same verbs as an embedded server (start, has_died, stop), so that the supervisor
treats both alike.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from config.embedded.process import spawn, tail

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 12  # seconds a part has to end its work when asked to


class Part:
    """One program. It leads a process group, and leaves none of the group behind."""

    def __init__(self, name: str, arguments: list[str], logs: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.command: list[str | Path] = [sys.executable, *arguments]
        self.log = logs / f"{name.replace(' ', '-')}.log"
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = spawn(self.command, log=self.log, cwd=ROOT, environment=self.environment)

    def has_died(self) -> bool:
        """Whether it ended. What it leaves of its group is ended before its number is given away."""
        if self.process is None:
            return True
        ended = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return False
        self.kill_group()
        self.process.wait()
        self.process = None
        return True

    def ask_to_stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)

    def stop(self, deadline: float) -> None:
        while not self.has_died() and time.monotonic() < deadline:
            time.sleep(0.05)
        while not self.has_died():
            self.kill_group()
            time.sleep(0.05)

    def kill_group(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def run_to_end(self) -> str:
        """Run a program that ends by itself. Returns the end of its log if it failed, else nothing."""
        self.log.unlink(missing_ok=True)
        self.start()
        while (process := self.process) and not self.has_died():
            time.sleep(0.02)
        return tail(self.log) if process and process.returncode else ""


def programs(bind: str, mailbox: Path, logs: Path, environment: Mapping[str, str]) -> list[Part]:
    prefix = environment.get("QUEUE_PREFIX", "carillon")

    def worker(lane: str, concurrency: int) -> list[str]:
        return [
            *("-m", "celery", "-A", "config.celery", "worker", "-Q", f"{prefix}.{lane}", "-n", f"{lane}@%h"),
            *(
                "--concurrency",
                str(concurrency),
                "--loglevel",
                "INFO",
                "--without-gossip",
                "--without-mingle",
            ),
        ]

    web = ["-m", "gunicorn", "config.wsgi", "--bind", bind, "--threads", "8", "--access-logfile", "-"]
    beat = ["-m", "celery", "-A", "config.celery", "beat", "--loglevel", "INFO", "--pidfile="]
    commands = {
        "mail server": ["-m", "config.demo.mailserver", str(mailbox)],
        "web": web,
        "worker bulk": worker("bulk", 2),
        "worker urgent": worker("urgent", 1),
        "beat": beat,
    }
    return [Part(name, command, logs, environment) for name, command in commands.items()]
