"""One connection to an SMTP server: connect, greet, encrypt, sign in; then envelopes, bodies and replies.

Commands may travel ahead of their replies (PIPELINING, RFC 2920), so replies are matched by their order and
a connection that was left in the middle is never used again. Every wait has its limit, which no slow octet
extends (RFC 5321 section 4.5.3.2).
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from channels.http import why
from channels.messages import Fact, Outcome, Rendered
from channels.providers.smtp_replies import Garbage, Reader, Reply, outcome_of, printable
from common.wording import rewritten
from common.wording import worded as _

CONNECT_SECONDS, GREETING_SECONDS, COMMAND_SECONDS, FINAL_DOT_SECONDS = 15.0, 60.0, 60.0, 600.0
QUIT_SECONDS = 3.0
BUFFER = 1 << 18


@dataclass(frozen=True)
class Line:
    """Where to connect and as whom."""

    host: str
    port: int
    tls: str
    username: str
    password: str


class Parcel(NamedTuple):
    """A message as it travels: `commands` are MAIL and RCPT, `copies` the RCPT of whom nobody waits for;
    `body` has no line that begins with a dot, and ends with the one that says it is over.
    """

    message: Rendered
    commands: tuple[bytes, bytes]
    copies: bytes
    body: bytes


class Failure(Exception):
    """Ends a dialogue with an outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


class Broken(Failure):
    """The connection is of no use any more; what was not handed over was not."""


Said = Callable[[Reply], None]


def _broken(error: BaseException | str) -> Broken:
    words = error if isinstance(error, str) else why(error)
    return Broken(Outcome(Fact.UNREACHABLE, "", rewritten(words, printable) or _("The line broke.")))


@cache
def tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def our_name() -> str:
    """How we introduce ourselves. An address literal stands in brackets (RFC 5321 section 4.1.3)."""
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    if ":" in host:
        return f"[IPv6:{host}]"
    return f"[{host}]" if host.replace(".", "").isdigit() else host


class Connection(asyncio.Protocol):
    """Belongs to one task. `announced`: whose envelope travelled ahead; `carried` counts bodies."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.replies: deque[Reply] = deque()
        self.waiter: asyncio.Future[None] | None = None
        self.ended: Broken | None = None
        self.deadline = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.extensions: dict[str, str] = {}
        self.largest = 0  # octets of a message, 0 where the server names no limit (RFC 1870)
        self.pipelining = False
        self.must_reset = False
        self.reset_sent = False
        self.announced: Parcel | None = None
        self.carried = 0

    # ---- the protocol's side ----------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.loop, self.transport = asyncio.get_running_loop(), transport
        transport.set_write_buffer_limits(BUFFER)

    def data_received(self, octets: bytes) -> None:
        try:
            self.replies.extend(self.reader.feed(octets))
        except Garbage as error:
            self._end(error)
            self.transport.abort()
        if self.replies:
            self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or _("The line broke."))
        if self.timer is not None:
            self.timer.cancel()

    def _end(self, why: BaseException | str) -> None:
        self.ended = self.ended or _broken(why)
        self._wake()

    def _wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    # ---- one reply --------------------------------------------------------------------------------
    @property
    def is_open(self) -> bool:
        return self.ended is None and not self.transport.is_closing()

    @property
    def is_at_rest(self) -> bool:
        """Open, and nothing has been said that nobody asked for (a server that hangs up says 421 first)."""
        return self.is_open and not self.replies and self.reader.is_between

    async def reply(self, seconds: float) -> Reply:
        """The next reply. Raises Broken."""
        while not self.replies:
            if self.ended is not None:
                raise Broken(self.ended.outcome)
            self.waiter = self.loop.create_future()
            self._limit(seconds)
            try:
                await self.waiter
            finally:
                self.waiter = None
        return self.replies.popleft()

    def _limit(self, seconds: float) -> None:
        """One timer for all the waits of a connection; it looks at its deadline when it goes off."""
        self.deadline = self.loop.time() + seconds
        if self.timer is None or self.timer.cancelled() or self.timer.when() > self.deadline:
            if self.timer is not None:
                self.timer.cancel()
            self.timer = self.loop.call_at(self.deadline, self._look)

    def _look(self) -> None:
        self.timer = None
        if self.waiter is None:
            return
        if self.loop.time() < self.deadline:
            self.timer = self.loop.call_at(self.deadline, self._look)
        else:
            self._end(_("The server does not answer."))
            self.transport.abort()

    def write(self, octets: bytes) -> None:
        self.transport.write(octets)

    async def command(self, permanent: Fact, line: bytes, *wanted: int) -> Reply:
        """One command and its reply, outside a message. Raises Failure."""
        self.write(line + b"\r\n")
        reply = await self.reply(COMMAND_SECONDS)
        if reply.code not in wanted:
            raise Failure(outcome_of(reply, permanent, temporary=Fact.UNREACHABLE))
        return reply

    # ---- a message --------------------------------------------------------------------------------
    def envelope(self, parcel: Parcel) -> bytes:
        """What announces it, in one write. Only for a server that offers PIPELINING."""
        reset, self.must_reset = b"RSET\r\n" if self.must_reset else b"", False
        self.announced, self.reset_sent = parcel, bool(reset)
        return b"%b%b%b%bDATA\r\n" % (reset, *parcel.commands, parcel.copies)

    def has_taken(self, parcel: Parcel) -> bool:
        """Whether its envelope travelled ahead, and all that was said of it is here and good: as usual."""
        said = self.replies
        if self.announced is not parcel or self.reset_sent or parcel.copies or len(said) != 3:
            return False
        mail, recipient, data = said
        if mail.code >= 300 or recipient.code >= 300 or data.code != 354:
            return False
        said.clear()
        self.announced = None
        return True

    async def propose(self, parcel: Parcel) -> Outcome | None:
        """Announces it; None when the server waits for its body. Raises Broken, also for a 421: nothing of
        this message was handed over.
        """
        if not self.pipelining:
            return await self._propose_in_steps(parcel)
        if self.announced is not parcel:
            self.write(self.envelope(parcel))
        self.announced = None
        if self.reset_sent:
            self._must_be_well(await self._answer())
        mail, recipient = await self._answer(), await self._answer(Fact.LATER)
        copies = [await self._answer() for _one in range(parcel.copies.count(b"\n"))]
        data = await self._answer()
        refusal = _judged(mail, recipient, data)
        if refusal is not None:
            self.must_reset = True
            if data.code == 354:
                await self._end_empty(is_anybody=any(one.code < 300 for one in (recipient, *copies)))
        return refusal

    async def _propose_in_steps(self, parcel: Parcel) -> Outcome | None:
        if self.must_reset:
            self._must_be_well(await self._ask(b"RSET\r\n"))
            self.must_reset = False
        mail = await self._ask(parcel.commands[0])
        self.must_reset = mail.code < 300
        if mail.code >= 300:
            return _judged(mail, mail, mail)
        self.write(parcel.commands[1])
        recipient = await self._answer(Fact.LATER)
        if recipient.code >= 300:
            return _judged(mail, recipient, recipient)
        for copy in parcel.copies.splitlines(keepends=True):
            await self._ask(copy)
        return _judged(mail, recipient, await self._ask(b"DATA\r\n"))

    async def _ask(self, line: bytes) -> Reply:
        self.write(line)
        return await self._answer()

    async def _answer(self, ended: Fact = Fact.UNREACHABLE) -> Reply:
        """`ended` is what a 421 means here. That of a recipient counts as a try: a server may say it of one
        address for ever, and the others must not wait behind it.
        """
        reply = await self.reply(COMMAND_SECONDS)
        if reply.code == 421:
            raise Broken(outcome_of(reply, Fact.UNREACHABLE, temporary=ended))
        return reply

    def _must_be_well(self, reply: Reply) -> None:
        if reply.code != 250:
            raise Broken(outcome_of(reply, Fact.UNREACHABLE, temporary=Fact.UNREACHABLE))

    async def _end_empty(self, *, is_anybody: bool) -> None:
        """The server wants a body although it refused the envelope (RFC 2920 section 3.1). Where somebody
        else would get it, the line ends before the dot.
        """
        if is_anybody:
            self.abort()
            return
        self.write(b".\r\n")
        await self.reply(COMMAND_SECONDS)

    # ---- the end ----------------------------------------------------------------------------------
    def abort(self) -> None:
        self._end(_("The line was ended."))
        self.transport.abort()

    async def quit(self) -> None:
        """Politely, when nothing is under way; never for long."""
        if self.is_at_rest and self.announced is None:
            self.write(b"QUIT\r\n")
            try:
                await self.reply(QUIT_SECONDS)
            except Broken:
                return
        self.abort()


def _judged(mail: Reply, recipient: Reply, data: Reply) -> Outcome | None:
    """The first refusal. What is said of the sender, or of all mail, is not held against the message."""
    if mail.code >= 300:
        return outcome_of(mail, Fact.MISCONFIGURED, temporary=Fact.UNREACHABLE)
    if recipient.code >= 300:
        return outcome_of(recipient, Fact.REFUSED)
    return None if data.code == 354 else outcome_of(data, Fact.REFUSED)


# ---- making one -----------------------------------------------------------------------------------
async def connect(line: Line, said: Said = lambda reply: None) -> Connection:
    """Connect, greet, encrypt and sign in. Raises Failure."""
    connection: Connection | None = None
    try:
        connection = await _opened(line)
        await _welcome(connection, line, said)
    except Failure:
        if connection is not None:
            connection.abort()
        raise
    except BaseException:
        if connection is not None:
            connection.abort()
        raise
    return connection


async def _opened(line: Line) -> Connection:
    loop = asyncio.get_running_loop()
    tls = tls_context() if line.tls == "tls" else None
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _transport, made = await loop.create_connection(
                Connection, line.host, line.port, ssl=tls, server_hostname=line.host if tls else None
            )
    except (ssl.SSLError, ssl.CertificateError) as error:
        raise _untrusted(error) from error
    except TimeoutError as error:
        raise _broken(_("The server does not answer.")) from error
    except (OSError, UnicodeError) as error:
        raise _broken(error) from error
    return made


def _untrusted(error: Exception) -> Failure:
    return Failure(
        Outcome(Fact.MISCONFIGURED, "", _("TLS failed: %(error)s") % {"error": printable(str(error))})
    )


async def _welcome(connection: Connection, line: Line, said: Said) -> None:
    greeting = await connection.reply(GREETING_SECONDS)
    if greeting.code != 220:
        raise Failure(outcome_of(greeting, Fact.MISCONFIGURED, temporary=Fact.UNREACHABLE))
    said(greeting)
    said(await _greet(connection))
    if line.tls == "starttls":
        said(await _encrypt(connection, line))
        said(await _greet(connection))
    if line.username:
        said(await _sign_in(connection, line))


async def _greet(connection: Connection) -> Reply:
    reply = await connection.command(Fact.MISCONFIGURED, f"EHLO {our_name()}".encode(), 250)
    offered = (row.partition(" ") for row in reply.text.upper().split("\n")[1:])
    connection.extensions = {name.strip(): value.strip() for name, _space, value in offered}
    connection.pipelining = "PIPELINING" in connection.extensions
    size = connection.extensions.get("SIZE", "")
    connection.largest = int(size) if size.isdecimal() else 0
    return reply


async def _encrypt(connection: Connection, line: Line) -> Reply:
    if "STARTTLS" not in connection.extensions:
        raise Failure(Outcome(Fact.MISCONFIGURED, "", _("The server does not offer STARTTLS.")))
    reply = await connection.command(Fact.MISCONFIGURED, b"STARTTLS", 220)
    if connection.replies or not connection.reader.is_between:  # said in the clear, to be taken for encrypted
        raise _broken(_("The server spoke out of turn."))
    try:
        transport = await connection.loop.start_tls(
            connection.transport,
            connection,
            tls_context(),
            server_hostname=line.host,
            ssl_handshake_timeout=CONNECT_SECONDS,
        )
    except (ssl.SSLError, ssl.CertificateError) as error:
        raise _untrusted(error) from error
    except (OSError, TimeoutError) as error:
        raise _broken(error) from error
    assert isinstance(transport, asyncio.Transport)
    connection.transport = transport
    return reply


async def _sign_in(connection: Connection, line: Line) -> Reply:
    """By what the server offers: PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195)."""
    offered = connection.extensions.get("AUTH", "").split()
    user, password = line.username.encode(), line.password.encode()

    async def say(text: bytes, *wanted: int) -> Reply:
        return await connection.command(Fact.MISCONFIGURED, text, *wanted)

    if "PLAIN" in offered:
        return await say(b"AUTH PLAIN " + base64.b64encode(b"\0" + user + b"\0" + password), 235)
    if "LOGIN" in offered:
        await say(b"AUTH LOGIN", 334)
        await say(base64.b64encode(user), 334)
        return await say(base64.b64encode(password), 235)
    if "CRAM-MD5" in offered:
        challenge = await say(b"AUTH CRAM-MD5", 334)
        try:
            seen = base64.b64decode(challenge.text, validate=True)
        except ValueError as error:
            raise _broken(_("The server spoke out of turn.")) from error
        digest = hmac.new(password, seen, "md5").hexdigest().encode()
        return await say(base64.b64encode(user + b" " + digest), 235)
    raise Failure(Outcome(Fact.MISCONFIGURED, "", _("The server offers no way to sign in.")))
