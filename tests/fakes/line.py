"""A line to a server that breaks when told to: at once, or the moment certain words have passed.

with Line(connect) as line:            # connect() opens a socket to the real server
    line.port                          # where clients find it, on 127.0.0.1
    line.cut()                         # every connection is reset
    line.cut_at(b"COMMIT", 1, "answer")    # the first one: the server does it, nobody hears the answer
    line.cut_at(b"COMMIT", 3, "order")     # the third one from now: the server never hears it
    line.is_down = True                # nobody gets through
    line.delay = 2                     # seconds that every answer takes
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit, urlunsplit

PORTS = {"redis": 6379, "amqp": 5672}
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST
CHUNK = 65536


class Line:
    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self.connect = connect
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.door.getsockname()[1]
        self.is_down = False
        self.delay = 0.0
        self.cuts = 0
        self._words, self._nth, self._loses = b"", 0, ""
        self._pairs: list[tuple[socket.socket, socket.socket]] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._answer, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.is_down = True
        self.door.close()
        self.cut()

    def cut(self) -> None:
        _reset_all(self._taken())

    def _taken(self) -> list[tuple[socket.socket, socket.socket]]:
        """All connections there are: who comes back after the cut has a new one."""
        pairs, self._pairs = self._pairs, []
        return pairs

    def cut_at(self, words: bytes, nth: int, loses: str) -> None:
        """At the nth time from now that a client says the words; once."""
        self._words, self._nth, self._loses = words, nth, loses

    def _answer(self) -> None:
        with contextlib.suppress(OSError):  # the door was closed
            while True:
                client, _where = self.door.accept()
                if self.is_down:
                    _reset(client)
                    continue
                server = self.connect()
                self._pairs.append((client, server))
                threading.Thread(target=self._from_client, args=(client, server), daemon=True).start()
                threading.Thread(target=self._from_server, args=(server, client), daemon=True).start()

    def _from_client(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while said := client.recv(CHUNK):
                self._nth -= bool(self._words) and self._words in said
                if not self._words or self._nth > 0:
                    server.sendall(said)
                    continue
                self._words = b""
                self.cuts += 1
                pairs = self._taken()
                if self._loses == "answer":
                    _reset(client)
                    server.sendall(said)
                _reset_all(pairs)
                return
        _reset(server)

    def _from_server(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while said := server.recv(CHUNK):
                time.sleep(self.delay)
                client.sendall(said)
        _reset(client)


class BrokerLine(Line):
    """To the broker at an address; `url` leads there over the line."""

    def __init__(self, url: str) -> None:
        self.there = urlsplit(url)
        super().__init__(self._reach)

    @property
    def url(self) -> str:
        if "socket" in self.there.scheme:
            return f"redis://127.0.0.1:{self.port}/0"
        secret = self.there.netloc.rpartition("@")[0]
        netloc = f"{secret}@127.0.0.1:{self.port}" if secret else f"127.0.0.1:{self.port}"
        return urlunsplit((self.there.scheme, netloc, self.there.path, "", ""))

    def _reach(self) -> socket.socket:
        if "socket" not in self.there.scheme:
            port = self.there.port or PORTS[self.there.scheme]
            return socket.create_connection((self.there.hostname or "127.0.0.1", port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.there.path)
        return server


def _reset_all(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    for client, server in pairs:
        _reset(client)
        _reset(server)


def _reset(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        one.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        one.close()
