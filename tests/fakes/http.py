"""An HTTP server on a real socket. It keeps what it was asked and misbehaves on request, by its `manner`.

Vendors' servers (`tests/fakes/vendors.py`) derive from it and answer otherwise as the vendor does.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Received:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes
    connection: int

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Response:
    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def octets(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


ANSWERS = {
    "too_many": Response(429, b"{}", {"Retry-After": "7"}),
    "busy": Response(503, b"", {"Retry-After": "7"}),
    "broken": Response(500, b"<h1>Internal Server Error</h1>", {"Content-Type": "text/html"}),
    "gateway": Response(504, b""),
    "invalid_json": Response(200, b'{"messages": [{'),
    "not_json": Response(200, b"\xff\xfe<html>", {"Content-Type": "text/html"}),
    "deep": Response(200, b"[" * 60_000),
    "gzip_bomb": Response(200, gzip.compress(bytes(50_000_000)), {"Content-Encoding": "gzip"}),
    "unauthorized": Response(401, b""),
    "forbidden": Response(403, b""),
}


class FakeHttp:
    """Entered again after its end it is back at the same address."""

    scheme = "http"
    port: int

    def __init__(self, manner: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.port = 0  # any that is free
        self.manner = manner
        self.requests: list[Received] = []
        self.connections = 0
        self.named: list[str | None] = []  # what the client called us in the TLS greeting
        self.tls = tls
        self.ended = threading.Event()

    def __enter__(self) -> Self:
        fake = self
        self.ended.clear()

        class Handler(_Handler):
            owner = fake

        self.server = _Server(("127.0.0.1", self.port), Handler)
        self.server.fake = self
        self.port = self.server.server_address[1]
        if self.tls is not None:
            self.scheme = "https"
            self.tls.sni_callback = lambda connection, name, context: self.named.append(name)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.005,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.server.hang_up()
        self.thread.join(10)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def answer(self, request: Received) -> Response:
        return Response(200, {"ok": True})

    def aside(self, request: Received) -> Response | None:
        """What is neither kept nor subject to the manner, such as signing in."""
        return None

    def misbehave(self, request: Received, handler: _Handler) -> bool:
        """Whether the manner is one that every server can have, and was carried out."""
        simple = {**ANSWERS, "redirect": Response(302, b"", {"Location": f"{self.url}/elsewhere"})}
        if self.manner in simple:
            handler.write(simple[self.manner])
        elif (raw := getattr(handler, f"raw_{self.manner}", None)) is not None:
            raw()
        else:
            return False
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # who connects ten times at once is no fault to be tested
    fake: FakeHttp

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.open: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.fake.connections += 1
        if self.fake.tls is not None:
            connection = self.fake.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        self.open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        with contextlib.suppress(OSError):
            super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: FakeHttp

    def log_message(self, format: str, *arguments: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        request = Received(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query)),
            {name.lower(): value for name, value in self.headers.items()},
            body,
            id(self.connection),
        )
        if (aside := self.owner.aside(request)) is not None:
            self.write(aside)
            return
        self.owner.requests.append(request)
        if not self.owner.misbehave(request, self):
            self.write(self.owner.answer(request))

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  the standard library names them

    def write(self, response: Response) -> None:
        self.send_response(response.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(response.octets))}
        for name, value in (headers | response.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.octets)

    # ---- manners that no ordinary answer has ------------------------------------------------------
    def raw_drop(self) -> None:
        """The line ends with a reset after the request was taken."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def raw_silent(self) -> None:
        self.close_connection = True
        self.owner.ended.wait(30)

    def raw_drip(self) -> None:
        """One byte now and then, for ever."""
        self._start("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not self.owner.ended.wait(0.05):
            self.wfile.write(b"x")

    def raw_slow_headers(self) -> None:
        self._start("HTTP/1.1 200 OK\r\n")
        while not self.owner.ended.wait(0.05):
            self.wfile.write(b"X-A: b\r\n")

    def raw_endless(self) -> None:
        """A gigabyte."""
        self._start(f"HTTP/1.1 200 OK\r\nContent-Length: {10**9}\r\n\r\n")
        for _megabyte in range(1000):
            self.wfile.write(b"x" * 10**6)

    def raw_many_headers(self) -> None:
        self._start("HTTP/1.1 200 OK\r\n")
        self.wfile.write(b"".join(b"X-%d: y\r\n" % number for number in range(100_000)) + b"\r\n")

    def raw_long_line(self) -> None:
        self._start("HTTP/1.1 200 OK\r\nX-A: ")
        self.wfile.write(b"x" * 1_000_000)

    def raw_many_interim(self) -> None:
        """100 Continue without end."""
        self._start("")
        while not self.owner.ended.is_set():
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    def raw_garbage(self) -> None:
        self._start("SSH-2.0-OpenSSH_9.2\r\n\x00\xff\r\n")

    def raw_truncated(self) -> None:
        """The status is there, the body ends early."""
        self._start('HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{"sid": "SM')

    def _start(self, text: str) -> None:
        self.close_connection = True
        self.wfile.write(text.encode("latin-1"))
        self.wfile.flush()


def wait_for(condition: Any, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
