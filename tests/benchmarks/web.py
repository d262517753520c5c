"""Asks one server over connections that stay open, and notes how long each answer took."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence

AGENT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
)


def getting(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {AGENT}\r\n\r\n".encode()


def posting(path: str, body: bytes, token: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Asker(asyncio.Protocol):
    """One connection that sends one request after the other, each once the last one is answered."""

    def __init__(self, requests: list[bytes], status: bytes, over: asyncio.Future[None]) -> None:
        self.requests, self.status, self.over = requests, status, over
        self.took: list[float] = []
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._ask()

    def _ask(self) -> None:
        if not self.requests:
            self.transport.close()
            self.over.set_result(None)
            return
        self.began = time.perf_counter()
        self.transport.write(self.requests.pop())

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if len(body) < length:
            return
        assert head[9:12] == self.status, self.buffer[:2000]
        self.took.append(time.perf_counter() - self.began)
        self.buffer = b""
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(ConnectionError(f"the server hung up: {error}"))


async def _asked(
    port: int, requests: Sequence[bytes], status: bytes, connections: int
) -> tuple[float, list[float]]:
    loop = asyncio.get_running_loop()
    shares = [list(requests[number::connections]) for number in range(connections)]
    askers = [Asker(share, status, loop.create_future()) for share in shares]
    began = time.perf_counter()
    for one in askers:
        await loop.create_connection(lambda one=one: one, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(one.over for one in askers))
    seconds = time.perf_counter() - began
    return seconds, [took for one in askers for took in one.took]


def ask(port: int, requests: Sequence[bytes], status: bytes, connections: int) -> tuple[float, float]:
    """Requests a second, and the p99 in milliseconds. Every answer must have the status."""
    seconds, took = asyncio.run(_asked(port, requests, status, connections))
    return len(requests) / seconds, 1000 * statistics.quantiles(took, n=100)[98]
