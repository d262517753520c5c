"""A mail server on a real socket that answers by the recipient's local part, and keeps what it accepted.

`refuse@…` 550 at RCPT, `later@…` 451 at RCPT, `full@…` 552 after the body, `drop@…` ends the line after the
body, `hangup@…` ends it at RCPT, `busy@…` 421 at RCPT; the sender `stranger@…` gets 553 at MAIL. `at_mail`
and `at_rcpt` are said to everybody. Entered again after its end it is back at the same address.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
import warnings
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Accepted:
    sender: str
    recipients: list[str]
    raw: bytes
    connection: int
    at: float = field(default_factory=time.monotonic)

    @property
    def parsed(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=policy.default)  # type: ignore[return-value]


@dataclass
class FakeSmtp:
    password: str = ""
    tls: ssl.SSLContext | None = None
    starttls: ssl.SSLContext | None = None
    accepted: list[Accepted] = field(default_factory=list)
    connections: int = 0
    messages_per_connection: int = 0
    at_mail: str = ""
    at_rcpt: str = ""
    port: int = 0
    _here: dict[int, int] = field(default_factory=dict)

    def __enter__(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        sessions: list[SMTP] = []

        def session() -> SMTP:
            self.connections += 1
            options: dict[str, Any] = {"tls_context": self.starttls, "loop": self._loop}
            if self.password:
                options |= {"authenticator": self._sign_in, "auth_required": True, "auth_require_tls": False}
            with warnings.catch_warnings():  # that passwords travel in the clear is what some tests need
                warnings.simplefilter("ignore")
                sessions.append(SMTP(self, **options))
            return sessions[-1]

        server = await self._loop.create_server(session, "127.0.0.1", self.port, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._end.wait()
        server.close()
        for one in sessions:
            if one.transport is not None:
                one.transport.abort()  # type: ignore[attr-defined]
        await asyncio.sleep(0.005)

    @property
    def settings(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.port, "tls": "none", "username": "", "password": ""}

    def _sign_in(
        self, server: SMTP, session: Session, envelope: Envelope, how: str, given: Any
    ) -> AuthResult:
        is_right = isinstance(given, LoginPassword) and given.password == self.password.encode()
        return AuthResult(success=is_right, handled=is_right)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.at_mail:
            return self.at_mail
        if address.startswith("stranger@"):
            return "553 5.7.1 Sender address rejected: not owned by user"
        if self.messages_per_connection and self._here.get(id(session), 0) >= self.messages_per_connection:
            self._loop.call_later(0.05, server.transport.close)  # type: ignore[union-attr]
            return "421 4.7.0 Too many messages on this line"
        envelope.mail_from = address
        return "250 2.1.0 Ok"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.at_rcpt:
            return self.at_rcpt
        match address.partition("@")[0]:
            case "refuse":
                return "550 5.1.1 <refuse>: Recipient address rejected: User unknown"
            case "later":
                return "451 4.7.1 Greylisted, try again"
            case "busy":
                self._loop.call_later(0.05, server.transport.close)  # type: ignore[union-attr]
                return "421 4.3.2 Going down"
            case "hangup":
                server.transport.abort()  # type: ignore[union-attr]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        name = envelope.rcpt_tos[0].partition("@")[0]
        if name == "drop":
            server.transport.abort()  # type: ignore[union-attr]
            return ""
        if name == "full":
            return "552 5.2.2 Mailbox full"
        raw = envelope.original_content or b""
        self.accepted.append(Accepted(envelope.mail_from or "", envelope.rcpt_tos, raw, id(session)))
        self._here[id(session)] = self._here.get(id(session), 0) + 1
        return f"250 2.0.0 Ok: queued as Q{len(self.accepted)}"
