"""Keeps a whole Carillon running on one machine: servers, web, workers, clock and mail server.

Starts them in order, prints the address and the people, restarts what dies and says so, and gives
up loudly when a part keeps dying. On Ctrl-C it stops what it started and nothing else.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import time
from collections import defaultdict, deque
from types import FrameType
from typing import IO

from django.core.exceptions import ImproperlyConfigured

from config import env
from config.demo import mailserver
from config.demo.parts import PATIENCE, ROOT, Part, programs
from config.demo.people import PEOPLE
from config.embedded.process import Server, ServerError, tail
from config.embedded.wanted import wanted

DEATHS, WITHIN = 5, 60  # so many deaths within so many seconds are given up on
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DemoError(Exception):
    """The demo cannot start, or cannot go on."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    for number in SIGNALS:
        signal.signal(number, ask_to_stop)
    supervisor = Supervisor()
    try:
        supervisor.run()
    except KeyboardInterrupt:
        say("\nStopping.")
    except (DemoError, ServerError, ImproperlyConfigured) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        for number in SIGNALS:  # a second Ctrl-C must not leave anything half stopped
            signal.signal(number, signal.SIG_IGN)
        supervisor.stop()
    return 0


def ask_to_stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class Supervisor:
    def __init__(self) -> None:
        self.data = env.var(env.DEMO)
        self.logs = self.data / "logs"
        self.bind = os.environ.get("BIND") or "127.0.0.1:8000"
        self.environment = {
            **os.environ,
            "CARILLON_MODE": env.DEMO,
            "BIND": self.bind,
            "PYTHONUNBUFFERED": "1",
        }
        self.servers: list[Server] = []
        self.parts: list[Part] = []
        self.deaths: defaultdict[str, deque[float]] = defaultdict(deque)
        self.lock: IO[str] | None = None

    def run(self) -> None:
        check_mode(self.bind)
        self.be_the_only_one()
        for address in (self.bind, f"{mailserver.HOST}:{mailserver.PORT}"):
            check_free(address)
        self.start_servers()
        self.prepare_data()
        self.parts = programs(self.bind, self.data / "mailbox", self.logs, self.environment)
        for part in self.parts:
            part.start()
        self.wait_for_web()
        self.introduce()
        while True:
            self.revive()
            time.sleep(0.2)

    def be_the_only_one(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        self.lock = (self.data / "demo.lock").open("a")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoError("The demo is already running; stop it first (Ctrl-C in its window).") from error

    def start_servers(self) -> None:
        for server in wanted(os.environ, self.data):
            self.servers.append(server)
            self.environment[server.variable] = server.start()

    def prepare_data(self) -> None:
        for verb in (["migrate", "--no-input"], ["seed_demo"]):
            part = Part(verb[0], ["manage.py", *verb], self.logs, self.environment)
            self.parts = [part]
            if failure := part.run_to_end():
                raise DemoError(f"manage.py {verb[0]} failed:\n{failure}")

    def wait_for_web(self, patience: float = 60) -> None:
        deadline = time.monotonic() + patience
        while not is_answering(self.bind):
            self.revive()
            if time.monotonic() > deadline:
                raise DemoError(f"The web server does not answer on {self.bind}; see {self.logs}.")
            time.sleep(0.1)

    def introduce(self) -> None:
        say(f"\nCarillon is running at http://{self.bind}/")
        say(f"  mailbox      http://{self.bind}/demo/mailbox/")
        say(f"  sign in as   http://{self.bind}/demo/")
        for person in PEOPLE:
            say(f"    {person.role:<14} {person.email:<24} {person.name}")
        say(f"Logs are in {os.path.relpath(self.logs, ROOT)}. Ctrl-C stops everything.\n")

    def revive(self) -> None:
        """Start again whatever died since the last look."""
        everything: list[Server | Part] = [*self.servers, *self.parts]
        for part in everything:
            if part.has_died():
                self.count_death(part)
                part.start()
                say(f"{part.name} had stopped and was started again.")

    def count_death(self, part: Server | Part) -> None:
        now, deaths = time.monotonic(), self.deaths[part.name]
        deaths.append(now)
        while deaths[0] < now - WITHIN:
            deaths.popleft()
        if len(deaths) >= DEATHS:
            raise DemoError(
                f"{part.name} stopped {DEATHS} times within {WITHIN} seconds. GIVING UP.\n"
                f"The end of {part.log}:\n{tail(part.log)}"
            )

    def stop(self) -> None:
        """The programs first and together, then the servers they work with."""
        for part in self.parts:
            part.ask_to_stop()
        deadline = time.monotonic() + PATIENCE
        for part in self.parts:
            part.stop(deadline)
        for server in reversed(self.servers):
            server.stop()
        if self.lock is not None:
            self.lock.close()


def check_mode(bind: str) -> None:
    """Raises ImproperlyConfigured for anything but this machine, or with production's settings."""
    if os.environ.get("CARILLON_MODE", env.DEMO) != env.DEMO:
        raise ImproperlyConfigured("CARILLON_MODE is set to something other than demo; unset it.")
    hosts = [host for host in os.environ.get("ALLOWED_HOSTS", "").split(",") if host]
    env.check_demo(os.environ.get("PUBLIC_URL") or f"http://{bind}", hosts, bind)


def parse(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        raise DemoError(f"{address!r} is not an address; give BIND as host:port, such as 127.0.0.1:8000.")
    return host.strip("[]"), int(port)


def check_free(address: str) -> None:
    host, port = parse(address)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise DemoError(
                f"{address} cannot be used: {error.strerror}. Something else may listen there."
            ) from error


def is_answering(address: str) -> bool:
    try:
        socket.create_connection(parse(address), timeout=1).close()
    except OSError:
        return False
    return True
