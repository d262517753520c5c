"""A mail server in a process of its own that writes every message it accepts into a file, with fsync, before
it says 250. `python -m tests.drill.oracle FILE [SECONDS]` prints its port; every such 250 waits so long.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys

MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


class Oracle:
    def __init__(self, path: str, seconds: float) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.seconds = seconds

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipient = b""
        try:
            writer.write(b"220 oracle\r\n")
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"EHLO":
                    writer.write(b"250-oracle\r\n250 PIPELINING\r\n")
                elif verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    body = await reader.readuntil(b"\r\n.\r\n")
                    await asyncio.sleep(self.seconds)
                    self.keep(recipient, body)
                    writer.write(b"250 2.0.0 kept\r\n")
                elif verb == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    if verb == b"RCPT":
                        recipient = line.partition(b"<")[2].partition(b">")[0]
                    writer.write(b"250 ok\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def keep(self, recipient: bytes, body: bytes) -> None:
        found = MESSAGE_ID.search(body)
        os.write(self.file, recipient + b" " + (found[1] if found else b"-") + b"\n")
        os.fsync(self.file)


async def main(path: str, seconds: float) -> None:
    oracle = Oracle(path, seconds)
    server = await asyncio.start_server(oracle.serve, "127.0.0.1", 0, limit=1 << 24)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 0.0))
