"""Hands messages to an SMTP server over a connection that is kept for up to 500 messages.

Every phase has its own limit (RFC 5321 section 4.5.3.2), certificates are always checked, and what the server
says becomes a fact. The one moment that counts: once the body is written, a broken line means that nobody
knows, and the message is UNCERTAIN. The host is set by administrators only, so any host is allowed.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

import aiosmtplib
from aiosmtplib import SMTPResponse
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels import dkim, domains, mime
from channels.messages import Fact, Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.providers.base import ProviderForm, Step
from channels.sealing import SealBroken, unseal

CONNECT_SECONDS, COMMAND_SECONDS, FINAL_DOT_SECONDS, QUIT_SECONDS = 15.0, 60.0, 600.0, 3.0
MESSAGES_PER_CONNECTION = 500
HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_.:-]*[A-Za-z0-9_])?\Z")
ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\b")
QUEUED_AS = re.compile(r"queued as ([\w.:-]+)", re.IGNORECASE)
SIGN_IN_REFUSED = (530, 534, 535, 538)
UNREADABLE = (SealBroken, KeyError, TypeError, ValueError)
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class SmtpForm(ProviderForm):
    secret_field = "password"  # noqa: S105  the name of a field
    secret_goes_to = ("host",)

    host = forms.CharField(label=gettext_lazy("Server"), max_length=253)
    port = forms.IntegerField(label=gettext_lazy("Port"), min_value=1, max_value=65535, initial=587)
    tls = forms.ChoiceField(
        label=gettext_lazy("Encryption"),
        initial="starttls",
        choices=[
            ("starttls", gettext_lazy("STARTTLS (usual on port 587)")),
            ("tls", gettext_lazy("TLS from the start (usual on port 465)")),
            ("none", gettext_lazy("None")),
        ],
    )
    username = forms.CharField(label=gettext_lazy("User name"), max_length=200, required=False)
    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=500,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("Stored sealed and never shown. Leave it empty to keep the stored one."),
    )

    def clean_host(self) -> str:
        host: str = self.cleaned_data["host"].strip("[] ")
        if not HOST.match(host):
            raise ValidationError(_("Give a server name such as smtp.example.com."), code="bad_host")
        return host.lower()

    def clean(self) -> None:
        given = self.cleaned_data
        if given.get("username") and given.get("tls") == "none" and given.get("host") not in LOOPBACK:
            self.add_error(
                "tls",
                ValidationError(
                    _("Without encryption the password would travel in the clear."), code="clear"
                ),
            )


@dataclass(frozen=True)
class Line:
    """Where to connect and as whom."""

    host: str
    port: int
    tls: str
    username: str
    password: str


class Failure(Exception):
    """Ends a dialogue with an outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


Said = Callable[[SMTPResponse], None]


class Smtp:
    key = "smtp"
    channels = ("email",)
    label = gettext_lazy("SMTP server")
    about = gettext_lazy("Hands every message to a mail server, your own or a provider’s.")
    Form = SmtpForm

    def open(self, configuration: ChannelConfiguration) -> SmtpLane | ClosedLane:
        try:
            return SmtpLane(line_of(configuration), domains.signer_for(configuration))
        except UNREADABLE as error:
            return ClosedLane(Outcome(Fact.MISCONFIGURED, "", _why_unreadable(error)))

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        steps: list[Step] = []

        def said(reply: SMTPResponse) -> None:
            steps.append(Step(next(names), True, f"{reply.code} {reply.message}"[:500]))

        try:
            lane = SmtpLane(line_of(configuration))  # no message, so nothing to sign
        except UNREADABLE as error:
            return [Step(_("Read the settings"), False, _why_unreadable(error))]
        names = _dialogue(lane.line)
        try:
            await lane.connect(said)
            said(await lane.command(Fact.MISCONFIGURED, "MAIL", f"FROM:<{configuration.sender_email}>"))
            said(await lane.command(Fact.UNREACHABLE, "RSET"))
        except Failure as failure:
            outcome = failure.outcome
            steps.append(Step(next(names), False, f"{outcome.code} {outcome.detail}".strip()))
        finally:
            await lane.close()
        return steps


def _why_unreadable(error: Exception) -> str:
    return str(error) if isinstance(error, SealBroken) else _("A setting is missing.")


def _dialogue(line: Line) -> Iterator[str]:
    """The steps of a rehearsal by name, in the order in which the other side answers them."""
    yield _("Connect to %(host)s, port %(port)s") % {"host": line.host, "port": line.port}
    yield _("Greet")
    if line.tls == "starttls":
        yield _("Encrypt")
        yield _("Greet again")
    if line.username:
        yield _("Sign in as %(user)s") % {"user": line.username}
    yield _("Announce the sender")
    yield _("Withdraw it; nothing is sent")


def line_of(configuration: ChannelConfiguration) -> Line:
    """Raises SealBroken, or KeyError or ValueError when a setting is missing."""
    chosen, credential = configuration.settings, configuration.credential
    password = unseal(credential.sealed, row=credential.pk) if credential else ""
    return Line(
        str(chosen["host"]),
        int(chosen["port"]),
        str(chosen["tls"]),
        str(chosen.get("username", "")),
        password,
    )


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def our_name() -> str:
    """How we introduce ourselves. An address literal stands in brackets (RFC 5321 section 4.1.3)."""
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    if ":" in host:
        return f"[IPv6:{host}]"
    return f"[{host}]" if host.replace(".", "").isdigit() else host


def outcome_of(reply: SMTPResponse, permanent: Fact, unknown: Fact = Fact.UNREACHABLE) -> Outcome:
    """A refusal as a fact: what a 5xx means in this phase, and what a reply means that is out of place."""
    enhanced = ENHANCED.match(reply.message)
    code = f"{reply.code} {enhanced.group(1)}" if enhanced else str(reply.code)
    if reply.code in SIGN_IN_REFUSED:
        fact = Fact.MISCONFIGURED
    elif 400 <= reply.code < 500:
        fact = Fact.LATER
    else:
        fact = permanent if 500 <= reply.code < 600 else unknown
    return Outcome(fact, code, _printable(reply.message))


def _printable(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:500]


class ClosedLane:
    """A lane that cannot be opened: every message is told why."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    async def send(self, message: Rendered) -> Outcome:
        return self.outcome

    async def close(self) -> None:
        return None


class SmtpLane:
    def __init__(self, line: Line, signer: dkim.Signer | None = None) -> None:
        self.line, self.signer = line, signer
        self.smtp: aiosmtplib.SMTP | None = None
        self.sent = 0
        self.must_reset = False

    async def send(self, message: Rendered) -> Outcome:
        try:
            body = mime.build(message, now=timezone.now(), signer=self.signer)
        except ValueError as error:
            return Outcome(Fact.REFUSED, "", _printable(str(error)))
        try:
            await self._ready()
            await self._announce(message)
            return await self._hand_over(message, body)
        except Failure as failure:
            return failure.outcome
        except BaseException:  # cancelled in the middle: replies would no longer match commands
            self._drop()
            raise

    async def close(self) -> None:
        smtp, self.smtp = self.smtp, None
        if smtp is None:
            return
        with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            if smtp.is_connected:
                await smtp.quit(timeout=QUIT_SECONDS)
        smtp.close()

    def _drop(self) -> None:
        if self.smtp is not None:
            self.smtp.close()
        self.smtp = None

    # ---- the dialogue ---------------------------------------------------------------------------
    async def _ready(self) -> None:
        """A connection on which a message can be announced: the kept one, or a new one."""
        if self.smtp is not None and (self.sent >= MESSAGES_PER_CONNECTION or not self.smtp.is_connected):
            await self.close()
        if self.smtp is None:
            await self.connect()

    async def _announce(self, message: Rendered) -> None:
        """The envelope. A kept line that went away while it rested is made anew, once."""
        is_kept = self.sent > 0 or self.must_reset
        try:
            await self._mail(message)
        except Failure:
            if not is_kept or self.smtp is not None:
                raise
            await self.connect()
            await self._mail(message)
        await self.command(Fact.REFUSED, "RCPT", f"TO:<{message.recipient}>")

    async def _mail(self, message: Rendered) -> None:
        if self.must_reset:
            await self.command(Fact.UNREACHABLE, "RSET")
            self.must_reset = False
        await self.command(Fact.MISCONFIGURED, "MAIL", f"FROM:<{message.sender_email}>")
        self.must_reset = True

    async def _hand_over(self, message: Rendered, body: bytes) -> Outcome:
        await self.command(Fact.REFUSED, "DATA", wanted=354)
        reply = await self._write_body(body)
        self.sent += 1
        self.must_reset = reply.code >= 400
        if not 200 <= reply.code < 300:
            if reply.code == 421 or not 400 <= reply.code < 600:
                self._drop()
            raise Failure(outcome_of(reply, Fact.REFUSED, unknown=Fact.UNCERTAIN))
        enhanced, queued = ENHANCED.match(reply.message), QUEUED_AS.search(reply.message)
        return Outcome(
            Fact.ACCEPTED,
            f"{reply.code} {enhanced.group(1)}" if enhanced else str(reply.code),
            _printable(reply.message),
            provider_id=queued.group(1) if queued else mime.message_id(message),
        )

    async def _write_body(self, body: bytes) -> SMTPResponse:
        protocol = self.smtp.protocol if self.smtp else None
        try:
            if protocol is None:
                raise aiosmtplib.SMTPServerDisconnected("Connection lost")
            protocol.write(body.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        except aiosmtplib.SMTPServerDisconnected as error:
            self._drop()
            raise Failure(Outcome(Fact.UNREACHABLE, "", _printable(str(error)))) from error
        try:
            return await protocol.read_response(timeout=FINAL_DOT_SECONDS)
        except (aiosmtplib.SMTPException, OSError) as error:
            self._drop()
            detail = _("The line broke after the message was handed over: %(error)s") % {"error": error}
            raise Failure(Outcome(Fact.UNCERTAIN, "", _printable(detail))) from error

    async def command(
        self, permanent: Fact, verb: str, argument: str = "", *, wanted: int = 250
    ) -> SMTPResponse:
        """One command and its reply. Raises Failure; `permanent` is what a 5xx means here."""
        assert self.smtp is not None
        try:
            words = [word.encode("ascii") for word in (verb, argument) if word]
            reply = await self.smtp.execute_command(*words, timeout=COMMAND_SECONDS)
        except ValueError as error:  # not ASCII, or a control character
            raise Failure(Outcome(permanent, "", _("This address cannot be written in SMTP."))) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            self._drop()
            raise Failure(Outcome(Fact.UNREACHABLE, "", _printable(str(error)))) from error
        if reply.code == 421:
            self._drop()
        if reply.code != wanted and not (verb == "RCPT" and reply.code == 251):
            raise Failure(outcome_of(reply, permanent))
        return reply

    async def connect(self, said: Said = lambda reply: None) -> None:
        """Connect, greet, encrypt and sign in. Raises Failure."""
        line = self.line
        smtp = aiosmtplib.SMTP(
            hostname=line.host,
            port=line.port,
            use_tls=line.tls == "tls",
            start_tls=False,  # done by hand below, so that each step can be shown
            tls_context=_tls() if line.tls == "tls" else None,
            local_hostname=our_name(),
            timeout=COMMAND_SECONDS,
        )
        self.smtp, self.sent, self.must_reset = smtp, 0, False
        try:
            greeting = await asyncio.wait_for(smtp.connect(timeout=CONNECT_SECONDS), CONNECT_SECONDS * 2)
            said(greeting)
            said(await smtp.ehlo())
            if line.tls == "starttls":
                said(await smtp.starttls(tls_context=_tls(), timeout=CONNECT_SECONDS))
                said(await smtp.ehlo())
            if line.username:
                said(await smtp.login(line.username, line.password))
        except Exception as error:
            self._drop()
            raise Failure(_why_not_connected(error)) from error
        except BaseException:
            self._drop()
            raise


def _why_not_connected(error: Exception) -> Outcome:
    """Nobody's message was handed over; either the settings are wrong or the server is away."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError | ssl.CertificateError):
            return Outcome(Fact.MISCONFIGURED, "", _printable(_("TLS failed: %(error)s") % {"error": cause}))
        cause = cause.__cause__
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 400:
        return outcome_of(SMTPResponse(error.code, error.message), Fact.MISCONFIGURED)
    if isinstance(error, aiosmtplib.SMTPException | OSError | TimeoutError):
        is_away = isinstance(
            error, OSError | TimeoutError
        )  # the rest: an extension the server does not offer
        return Outcome(Fact.UNREACHABLE if is_away else Fact.MISCONFIGURED, "", _printable(str(error)))
    return Outcome(Fact.MISCONFIGURED, "", _printable(f"{type(error).__name__}: {error}"))
