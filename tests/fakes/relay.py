"""A mail server that offers PIPELINING and misbehaves by the recipient's local part, before or after the dot.

At RCPT: `refuse` 550, `policy` 550 5.7.1, `later` 451, `busy` 421, `hangup` ends the line, `garbage`, `long`
(100 kB without a line end) and `endless` (a reply of several lines that never ends) answer in no known form;
`flood` says what is given as `flood` again and again, up to 256 MB.
After the dot: `full` 552, `defer` 452, `bye` 421, `drop` ends the line, `mute` says nothing, `odd` answers
in no known form.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any, Self

RCPT = {
    "refuse": b"550 5.1.1 User unknown\r\n",
    "policy": b"550 5.7.1 Blocked, see our policy\r\n",
    "later": b"451 4.7.1 Greylisted\r\n",
    "busy": b"421 4.3.2 Going down\r\n",
    "hangup": b"",
    "garbage": b"HTTP/1.1 400 \xff\xfe\r\n",
    "long": b"x" * 100_000,
    "endless": b"250-more\r\n" * 5_000,
}
DOT = {
    "full": b"552 5.2.2 Mailbox full\r\n",
    "defer": b"452 4.3.1 No room\r\n",
    "bye": b"421 4.3.2 Going down\r\n",
    "drop": b"",
    "odd": b"\x00\x01\r\n",
}


@dataclass
class FakeRelay:
    """`accepted` are (sender, recipients, body) in their order; `segment` cuts what it says into pieces;
    `poured` counts the octets of floods that were taken off its hands.
    """

    pipelining: bool = True
    waits_after_refusal: bool = False  # answers DATA with 354 although no recipient was taken
    segment: int = 0
    size: int = 0
    messages_per_connection: int = 0
    greeting: bytes = b"220 relay.example ESMTP\r\n"
    accepted: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    connections: int = 0
    flood: bytes = b""
    poured: int = 0

    def __enter__(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    @property
    def settings(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.port, "tls": "none", "username": "", "password": ""}

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._talks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0, limit=1 << 24)
        self.port: int = server.sockets[0].getsockname()[1]
        started.set()
        await self._end.wait()
        server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._talks.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await _Talk(self, reader, writer).hold()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()


@dataclass
class _Talk:
    relay: FakeRelay
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sender: str | None = None
    recipients: list[str] = field(default_factory=list)
    carried: int = 0

    async def say(self, octets: bytes) -> None:
        piece = self.relay.segment or len(octets)
        for start in range(0, len(octets), piece or 1):
            self.writer.write(octets[start : start + piece])
            if self.relay.segment:
                await asyncio.sleep(0)
        await self.writer.drain()

    async def hold(self) -> None:
        await self.say(self.relay.greeting)
        is_on = True
        while is_on:
            line = await self.reader.readuntil(b"\r\n")
            verb, argument = line[:4].upper(), line.partition(b":<")[2].rpartition(b">")[0].decode()
            is_on = await getattr(self, f"on_{verb.decode('ascii', 'replace').strip()}")(argument)

    async def on_EHLO(self, argument: str) -> bool:
        offers = [b"PIPELINING"] if self.relay.pipelining else []
        offers += [b"SIZE %d" % self.relay.size] if self.relay.size else []
        rows = [b"relay.example", *offers]
        marks = [b"250-"] * (len(rows) - 1) + [b"250 "]
        await self.say(b"".join(mark + row + b"\r\n" for mark, row in zip(marks, rows, strict=True)))
        return True

    async def on_RSET(self, argument: str) -> bool:
        self.sender, self.recipients = None, []
        await self.say(b"250 2.0.0 Ok\r\n")
        return True

    async def on_QUIT(self, argument: str) -> bool:
        await self.say(b"221 2.0.0 Bye\r\n")
        return False

    async def on_MAIL(self, argument: str) -> bool:
        most = self.relay.messages_per_connection
        if most and self.carried >= most:
            await self.say(b"421 4.7.0 Too many messages on this line\r\n")
            return False
        if self.sender is not None:
            await self.say(b"503 5.5.1 Nested MAIL\r\n")
            return True
        if argument.startswith("stranger@"):
            await self.say(b"553 5.7.1 Not yours\r\n")
            return True
        self.sender = argument
        await self.say(b"250 2.1.0 Ok\r\n")
        return True

    async def on_RCPT(self, argument: str) -> bool:
        if self.sender is None:
            await self.say(b"503 5.5.1 MAIL first\r\n")
            return True
        manner = argument.partition("@")[0].partition("+")[0]
        if manner == "flood":
            while self.relay.poured < 256 << 20:
                await self.say(self.relay.flood)
                self.relay.poured += len(self.relay.flood)
            return False
        if manner in RCPT:
            await self.say(RCPT[manner])
            return manner in ("refuse", "policy", "later", "garbage", "long", "endless")
        self.recipients.append(argument)
        await self.say(b"250 2.1.5 Ok\r\n")
        return True

    async def on_DATA(self, argument: str) -> bool:
        if not self.recipients and not self.relay.waits_after_refusal:
            await self.say(b"554 5.5.1 No valid recipients\r\n")
            return True
        await self.say(b"354 End with a dot\r\n")
        body = b""
        while (line := await self.reader.readuntil(b"\r\n")) != b".\r\n":
            body += line[1:] if line.startswith(b".") else line
        sender, recipients = self.sender, self.recipients
        self.sender, self.recipients = None, []
        if not recipients:
            await self.say(b"554 5.5.1 Nobody to send it to\r\n")
            return True
        manner = recipients[0].partition("@")[0].partition("+")[0]
        if manner == "mute":
            await asyncio.sleep(3600)
        if manner in DOT:
            await self.say(DOT[manner])
            return manner in ("full", "defer")
        self.carried += 1
        self.relay.accepted.append((str(sender), recipients, body))
        await self.say(b"250 2.0.0 Ok: queued as R%d\r\n" % len(self.relay.accepted))
        return True
