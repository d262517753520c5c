"""Hosts of their own on this machine: network namespaces on one bridge, each with one line that can be cut.

A cut line drops what is sent on it, as a pulled plug does: nobody is told. The servers stay where they are
and are reached through the bridge's address.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from django.db import connection
from psycopg.conninfo import make_conninfo

from tests.fakes.house import House
from tests.settings import REAL_BROKER_URL

BRIDGE, CENTRE = "carbr0", "10.77.0.1"
# The program keeps its process number, and finds the host's own name.
NAMED = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"']


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def why_not() -> str:
    """Why this account cannot make hosts; empty when it can."""
    try:
        ip("netns", "add", "carprobe")
        ip("netns", "del", "carprobe")
    except FileNotFoundError:
        return "there is no `ip` here (Debian: iproute2)"
    except subprocess.CalledProcessError as error:
        return f"network namespaces are not allowed here: {error.stderr.strip()}"
    return ""


class Hosts:
    """Made and taken away again; at most 200."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.ends: list[socket.socket] = []  # the doors, and both ends of each line through them

    def __enter__(self) -> Self:
        self._take_away()
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("addr", "add", f"{CENTRE}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for number, name in enumerate(self.names, 2):
            ip("netns", "add", name)
            ip("link", "add", f"v-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"v-{name}", "master", BRIDGE, "up")
            for words in (
                ["addr", "add", f"10.77.0.{number}/24", "dev", "eth0"],
                ["link", "set", "eth0", "up"],
                ["link", "set", "lo", "up"],
            ):
                ip("-n", name, *words)
        return self

    def __exit__(self, *error: object) -> None:
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits at it
            end.close()
        self._take_away()

    def _take_away(self) -> None:
        for words in (["link", "del", BRIDGE], *(["netns", "del", name] for name in self.names)):
            with suppress(subprocess.CalledProcessError):
                ip(*words)

    def cut(self, name: str) -> None:
        ip("link", "set", f"v-{name}", "down")

    def mend(self, name: str) -> None:
        ip("link", "set", f"v-{name}", "up")

    def door(self, family: int, address: object) -> int:
        """A port on the bridge that leads to a server of this machine."""
        listening = socket.create_server((CENTRE, 0))
        self.ends.append(listening)
        threading.Thread(target=self._pass_on, args=(listening, family, address), daemon=True).start()
        port: int = listening.getsockname()[1]
        return port

    def _pass_on(self, listening: socket.socket, family: int, address: object) -> None:
        with suppress(OSError):  # closed: the end
            while True:
                caller, _where = listening.accept()
                server = socket.socket(family)
                self.ends += [caller, server]
                try:
                    server.connect(address)  # type: ignore[arg-type]
                except OSError:
                    caller.close()
                    continue
                for ends in ((caller, server), (server, caller)):
                    threading.Thread(target=_pump, args=ends, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65_536):
            sink.sendall(part)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class HousesOn(House):
    """A house whose parts run on hosts: `on` names where the next one is started; empty: here."""

    on = ""

    def __init__(self, hosts: Hosts, *arguments: object, **environment: str) -> None:
        super().__init__(*arguments, **environment)  # type: ignore[arg-type]
        self.hosts = hosts
        self.reached = {"DATABASE_URL": self._database(), "BROKER_URL": self._broker()}

    def _run(self, name: str, *arguments: str, **environment: str) -> None:
        if not self.on:
            super()._run(name, *arguments, **environment)
            return
        self._spawn(name, ["ip", "netns", "exec", self.on, *NAMED, self.on, sys.executable, "-m", *arguments])

    def _spawn(self, name: str, command: Sequence[str]) -> None:
        with (self.logs / f"{name}.log").open("ab") as log:
            self.parts[name] = subprocess.Popen(
                command, env=self.environment | self.reached, stdout=log, stderr=log, start_new_session=True
            )

    def _database(self) -> str:
        given = connection.settings_dict
        host, port = str(given["HOST"]), str(given["PORT"] or 5432)
        if host.startswith("/"):
            door = self.hosts.door(socket.AF_UNIX, f"{host}/.s.PGSQL.{port}")
        else:
            door = self.hosts.door(socket.AF_INET, (host or "127.0.0.1", int(port)))
        named = {"dbname": given["NAME"], "user": given["USER"], "password": given["PASSWORD"]}
        return make_conninfo(host=CENTRE, port=door, **{key: value for key, value in named.items() if value})

    def _broker(self) -> str:
        parts = urlsplit(REAL_BROKER_URL)
        if "socket" in parts.scheme:
            return f"redis://{CENTRE}:{self.hosts.door(socket.AF_UNIX, parts.path)}/0"
        ports = {"redis": 6379, "amqp": 5672}
        door = self.hosts.door(socket.AF_INET, (parts.hostname, parts.port or ports[parts.scheme]))
        secret = parts.netloc.rpartition("@")[0]
        netloc = f"{secret}@{CENTRE}:{door}" if secret else f"{CENTRE}:{door}"
        return urlunsplit((parts.scheme, netloc, parts.path, "", ""))
