"""Hands messages to an SMTP server over connections that are kept for up to 500 messages.

Where the server offers PIPELINING, a message's body and the next one's envelope travel in one write: one
round trip a message. The one moment that counts: once the body is written, a broken line means that nobody
knows, and the message is UNCERTAIN; the next one, announced behind it, goes out over a new line.
The host is set by administrators only, so any host is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from channels import dkim, domains, mime
from channels.messages import Fact, Fault, Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.providers.base import Step, Take, Tell
from channels.providers.email_form import HOST, EmailForm
from channels.providers.smtp_line import (
    FINAL_DOT_SECONDS,
    Broken,
    Connection,
    Failure,
    Line,
    Parcel,
    connect,
)
from channels.providers.smtp_replies import SIGN_IN_REFUSED, Reply, code_of, outcome_of, printable
from channels.sealing import SealBroken, unseal
from common.wording import joined
from common.wording import worded as _

MESSAGES_PER_CONNECTION = 500
QUEUED_AS = re.compile(r"queued as ([\w.:-]+)", re.IGNORECASE)
UNREADABLE = (SealBroken, KeyError, TypeError, ValueError)
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
TROUBLE = (Fact.UNREACHABLE, Fact.MISCONFIGURED)


class SmtpForm(EmailForm):
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


class Smtp:
    key = "smtp"
    channels = ("email",)
    label = gettext_lazy("SMTP server")
    about = gettext_lazy("Hands every message to a mail server, your own or a provider’s.")
    Form = SmtpForm
    takes_mime = True

    def open(self, configuration: ChannelConfiguration) -> SmtpLane | ClosedLane:
        try:
            return SmtpLane(line_of(configuration), domains.signer_for(configuration))
        except UNREADABLE as error:
            return ClosedLane(Outcome(Fact.MISCONFIGURED, "", _why_unreadable(error)))

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        steps: list[Step] = []

        def said(reply: Reply) -> None:
            steps.append(Step(next(names), True, printable(f"{reply.code} {reply.text}")))

        try:
            line = line_of(configuration)
            mail = _command("MAIL FROM", configuration.sender_email)
        except UNREADABLE as error:
            return [Step(_("Read the settings"), False, _why_unreadable(error))]
        names = _dialogue(line)
        connection = None
        try:
            connection = await connect(line, said)
            said(await connection.command(Fact.MISCONFIGURED, mail.strip(), 250))
            said(await connection.command(Fact.UNREACHABLE, b"RSET", 250))
        except Failure as failure:
            outcome = failure.outcome
            steps.append(Step(next(names), False, joined(outcome.code, outcome.detail)))
        finally:
            if connection is not None:
                await connection.quit()
        return steps


def _why_unreadable(error: Exception) -> str:
    return error.detail if isinstance(error, SealBroken) else _("A setting is missing.")


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


class ClosedLane:
    """A lane that cannot be opened: every message is told why."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    async def send(self, message: Rendered) -> Outcome:
        return self.outcome

    async def close(self) -> None:
        return None


class SmtpLane:
    """`ahead` was taken while the one before it travelled."""

    def __init__(self, line: Line, signer: dkim.Signer | None = None) -> None:
        self.line, self.signer = line, signer
        self.connection: Connection | None = None
        self.ahead: Parcel | None = None

    async def send(self, message: Rendered) -> Outcome:
        todo, outcomes = iter([message]), list[Outcome]()
        await self.stream(lambda: next(todo, None), lambda _message, outcome: outcomes.append(outcome))
        return outcomes[0]

    async def stream(self, take: Take, tell: Tell) -> None:
        """Sends what `take` gives until it gives nothing, or until no message can leave."""
        try:
            while parcel := self._taken_ahead() or self._pack(take, tell):
                outcome = await self._deliver(parcel, take, tell)
                tell(parcel.message, outcome)
                if outcome.fact in TROUBLE:
                    if self.ahead is not None:
                        tell(self.ahead.message, outcome)
                        self._drop()
                    return
        except BaseException:  # cancelled in the middle: replies would no longer match commands
            self._drop()
            raise
        finally:
            self.ahead = None

    async def close(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.quit()

    def _drop(self) -> None:
        if self.connection is not None:
            self.connection.abort()
        self.connection = None

    def _taken_ahead(self) -> Parcel | None:
        parcel, self.ahead = self.ahead, None
        return parcel

    # ---- a message --------------------------------------------------------------------------------
    def _pack(self, take: Take, tell: Tell) -> Parcel | None:
        """The next message that can be written; what cannot is told so."""
        while (message := take()) is not None:
            try:
                return parcel_of(message, mime.build(message, now=datetime.now(UTC), signer=self.signer))
            except ValueError as error:
                tell(message, Outcome(Fact.REFUSED, "", printable(str(error)), fault=Fault.CONTENT))
        return None

    async def _deliver(self, parcel: Parcel, take: Take, tell: Tell) -> Outcome:
        connection = self.connection
        if connection is None or not connection.has_taken(parcel):
            try:
                connection, refusal = await self._propose(parcel)
            except Failure as failure:
                self._drop()
                return failure.outcome
            if refusal is not None:
                return refusal
        return await self._hand_over(connection, parcel, take, tell)

    async def _propose(self, parcel: Parcel) -> tuple[Connection, Outcome | None]:
        """A kept line that went away while it rested is made anew, once. Raises Failure."""
        connection, is_kept = await self._ready(parcel)
        try:
            return connection, _too_large(connection, parcel) or await connection.propose(parcel)
        except Broken:
            self._drop()
            if not is_kept:
                raise
        connection, _is_kept = await self._ready(parcel)
        return connection, _too_large(connection, parcel) or await connection.propose(parcel)

    async def _ready(self, parcel: Parcel) -> tuple[Connection, bool]:
        """A connection on which it can be announced or was, and whether it carried others before."""
        held = self.connection
        if held is not None:
            is_fit = held.is_at_rest and held.carried < MESSAGES_PER_CONNECTION
            if is_fit or held.announced is parcel:
                return held, True
            await self.close()
        self.connection = await connect(self.line)
        return self.connection, False

    async def _hand_over(self, connection: Connection, parcel: Parcel, take: Take, tell: Tell) -> Outcome:
        connection.carried += 1
        following = b""
        if connection.pipelining and connection.carried < MESSAGES_PER_CONNECTION:
            self.ahead = self._pack(take, tell)
            if self.ahead is not None and _too_large(connection, self.ahead) is None:
                following = connection.envelope(self.ahead)
        connection.write(parcel.body + following)
        try:
            reply = await connection.reply(FINAL_DOT_SECONDS)
        except Broken as broken:
            self._drop()
            detail = _("The line broke after the message was handed over: %(error)s")
            return Outcome(Fact.UNCERTAIN, "", printable(detail % {"error": broken.outcome.detail}))
        if 200 <= reply.code < 300:
            queued = QUEUED_AS.search(reply.text)
            return Outcome(
                Fact.ACCEPTED,
                code_of(reply),
                printable(reply.text),
                provider_id=queued.group(1) if queued else "",  # our own Message-ID follows from the key
            )
        if reply.code == 421 or reply.code < 400:  # out of place: did it see the dot?
            self._drop()
            return Outcome(Fact.UNCERTAIN, code_of(reply), printable(reply.text))
        if reply.code in SIGN_IN_REFUSED:
            self._drop()
        return outcome_of(reply, Fact.REFUSED)


def _too_large(connection: Connection, parcel: Parcel) -> Outcome | None:
    limit = connection.largest
    if not limit or len(parcel.body) <= limit:
        return None
    detail = _("The message has %(size)s octets; the server takes at most %(limit)s.")
    shown = {"size": len(parcel.body), "limit": limit}
    return Outcome(Fact.REFUSED, "", detail % shown, fault=Fault.CONTENT)


def parcel_of(message: Rendered, body: bytes) -> Parcel:
    """`body` as mime.py builds it. Raises ValueError for an address that cannot stand in a command."""
    sender = message.envelope_sender or message.sender_email
    commands = (_command("MAIL FROM", sender), _command("RCPT TO", message.recipient))
    copies = _command("RCPT TO", message.bcc) if message.bcc else b""
    return Parcel(message, commands, copies, body + b".\r\n")


def _command(verb: str, address: str) -> bytes:
    return b"%b:<%b>\r\n" % (verb.encode(), mime.checked_address(address).encode("ascii"))
