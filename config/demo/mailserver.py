"""The demo's mail server: takes any message over SMTP and keeps it as one file in the mailbox.

A file is the message as it came, below two lines that say for whom and from whom it was accepted.
It is written aside and renamed, so a reader never sees half a message. Names sort by time.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import time
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from config import env

HOST, PORT = "127.0.0.1", env.demo_mail_port()
SIZE_LIMIT = 20 * 1024 * 1024


class Mailbox:
    """aiosmtpd's handler. `directory` must exist."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.numbers = itertools.count()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content or b""
        self.keep(envelope.mail_from or "", envelope.rcpt_tos, content)
        return "250 2.0.0 Kept"

    def keep(self, sender: str, recipients: list[str], content: bytes) -> Path:
        name = f"{time.time_ns():020d}-{next(self.numbers) % 10_000:04d}"
        top = f"Delivered-To: {', '.join(recipients)}\r\nReturn-Path: <{sender}>\r\n"
        draft, path = self.directory / f"{name}.tmp", self.directory / f"{name}.eml"
        draft.write_bytes(top.encode() + content)
        draft.replace(path)
        return path


async def serve(directory: Path, host: str = HOST, port: int = PORT) -> None:
    """Serve until SIGTERM or SIGINT."""
    directory.mkdir(parents=True, exist_ok=True)
    handler, loop, ended = Mailbox(directory), asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)

    def session() -> SMTP:
        return SMTP(handler, data_size_limit=SIZE_LIMIT, enable_SMTPUTF8=True, ident="Carillon demo mailbox")

    server = await loop.create_server(session, host, port)
    sys.stdout.write(f"process {os.getpid()} keeps mail for {host}:{port} in {directory}\n")
    sys.stdout.flush()
    await ended.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
