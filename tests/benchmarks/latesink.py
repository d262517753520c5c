"""A server that takes everything and answers each command as late as a far one: `latesink PORT SECONDS`."""

from __future__ import annotations

import asyncio
import sys

REPLIES = {b"EHLO": b"250-late\r\n250 PIPELINING\r\n", b"DATA": b"354 Go on\r\n", b"QUIT": b"221 Bye\r\n"}


class Late(asyncio.Protocol):
    def __init__(self, delay: float) -> None:
        self.delay, self.rest, self.is_body = delay, b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.loop = transport, asyncio.get_running_loop()
        self.say(b"220 late\r\n")

    def say(self, octets: bytes) -> None:
        self.loop.call_later(self.delay, self.transport.write, octets)

    def data_received(self, octets: bytes) -> None:
        self.rest += octets
        while self.rest:
            mark = b"\r\n.\r\n" if self.is_body else b"\r\n"
            piece, found, rest = self.rest.partition(mark)
            if not found:
                return
            self.rest = rest
            if self.is_body:
                self.is_body = False
                self.say(b"250 Ok\r\n")
                continue
            self.say(REPLIES.get(piece[:4].upper(), b"250 Ok\r\n"))
            self.is_body = piece[:4].upper() == b"DATA"


async def main(port: int, delay: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Late(delay), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
