"""Mail services with an API of their own, as django-anymail knows them.

Anymail writes the request and reads the answer; the exchange between is ours (see `channels/http.py`), with
its checks of where a name leads, its time-outs and no redirects. What differs between services stands in
`anymail_table.py`. The envelope is the service's: it takes bounces itself, the bounce address is not used.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin

import requests
from anymail.exceptions import AnymailError, AnymailInvalidAddress
from django.core.mail import EmailMultiAlternatives
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from channels import mime
from channels.http import Answer, Request
from channels.messages import Arrival, Fact, Fault, Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.providers.anymail_service import Batch, Service
from channels.providers.anymail_table import SERVICES
from channels.providers.base import ProviderForm, Reading, Step, secrets_of
from channels.providers.mail_hooks import HOOKS
from channels.providers.over_http import (
    ClosedLane,
    HttpLane,
    Meaning,
    NotWritable,
    along,
    as_json,
    asked,
    basic_auth,
    meant,
    opened,
    parsed,
    text_at,
    wait_told,
)
from channels.signatures import NotGenuine
from common.wording import worded as _

UNREADABLE = (AnymailError, AttributeError, KeyError, TypeError, ValueError, IndexError)
NO_SUCH = {"invalid", "rejected"}
TURNED_DOWN = {*NO_SUCH, "failed"}


class MailService:
    channels = ("email",)

    def __init__(self, service: Service) -> None:
        self.service = service
        self.key, self.label = service.key, service.label
        self.about = format_lazy(gettext_lazy("Mail through a {name} account."), name=service.label)
        self.Form: type[ProviderForm] = service.form
        self.hook = HOOKS[service.key]

    def open(self, configuration: ChannelConfiguration) -> MailLane | ClosedLane:
        return opened(self._lane, configuration)

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        lane = self.open(configuration)
        if isinstance(lane, ClosedLane):
            return [Step(_("Read the settings"), False, lane.outcome.detail)]
        try:
            name = _("Sign in at %(service)s") % {"service": self.label}
            return [await asked(name, lane, lane.question(), lane.read_account)]
        finally:
            await lane.close()

    def read_receipts(self, configuration: ChannelConfiguration, arrival: Arrival) -> Reading:
        return self.hook.reading(configuration, arrival)

    def verify(self, configuration: ChannelConfiguration, query: dict[str, str]) -> str:
        """Some look whether there is anything at the address; they get an empty answer."""
        if not self.hook.greets:
            raise NotGenuine(_("Receipts are sent here with POST."))
        return ""

    @property
    def receipts_note(self) -> str:
        """Where the address is entered at the service, and what is ticked there."""
        words = _("At %(service)s: %(where)s. Tick: %(ticks)s. Opens and clicks are counted here already.")
        told = words % {"service": self.label, "where": self.hook.where, "ticks": self.hook.ticks}
        return f"{told} {self.hook.note}"

    def _lane(self, configuration: ChannelConfiguration) -> MailLane:
        lane = MailBatchLane if self.service.batch else MailLane
        return lane(self.service, configuration)


@dataclass(frozen=True)
class Written:
    """One mail on its way: for whom, as anymail holds it, and as the request that carries it."""

    recipient: str
    mail: Any
    payload: Any
    request: Request


class MailLane(HttpLane):
    def __init__(self, service: Service, configuration: ChannelConfiguration) -> None:
        """Raises SealBroken, or KeyError or ValueError when a setting is missing."""
        super().__init__()
        self.service, chosen = service, configuration.settings
        self.secret = secrets_of(configuration)[service.secret]
        if not self.secret:
            raise ValueError("no secret")
        self.options = {option: str(chosen[option]) for option in service.options if chosen.get(option)}
        user = self.options.get(service.user, service.user)
        self.basic = basic_auth(user, self.secret).removeprefix("Basic ")
        self.hidden = (self.secret, self.basic)
        with warnings.catch_warnings():  # anymail has no account at SendGrid to test with, and says so
            warnings.simplefilter("ignore")
            self.backend: Any = service.backend(
                api_url=str(chosen["api_url"]), **{service.secret: self.secret}, **self.options
            )

    async def send(self, message: Rendered) -> Outcome:
        written = self._written(message)
        if isinstance(written, Outcome):
            return written
        return await self.exchange(written.request, lambda answer: self._read(written, answer))

    def _written(self, message: Rendered) -> Written | Outcome:
        """A request with one mail, or why there can be none."""
        try:
            mail = _mail_of(message)
            _dressed(self.service, mail, message.key)
            payload = self.backend.build_message_payload(mail, {})
            return Written(message.recipient, mail, payload, self._request(payload))
        except NotWritable as error:
            return Outcome(Fact.REFUSED, "", str(error)[:500], fault=error.fault)
        except AnymailError as error:
            is_address = isinstance(error, AnymailInvalidAddress)
            fault = Fault.ADDRESS if is_address else Fault.CONTENT
            return self._struck(Outcome(Fact.REFUSED, "", str(error), fault=fault))

    def _request(self, payload: Any) -> Request:
        params = payload.get_request_params(self.backend.api_url)
        ready = requests.Request(**params).prepare()
        body = ready.body or b""
        headers = {name: str(value) for name, value in ready.headers.items() if name != "Content-Length"}
        octets = body if isinstance(body, bytes) else str(body).encode()
        return Request(str(ready.method), str(ready.url), headers, octets)

    # ---- reading ----------------------------------------------------------------------------------
    def _read(self, written: Written, answer: Answer) -> Outcome:
        if 200 <= answer.status < 300:
            return self._accepted(written, answer)
        body, outcome = parsed(answer), self.by_status(answer)
        if answer.status in self.service.later:
            outcome = outcome._replace(fact=Fact.LATER, wait=wait_told(answer))
        if answer.status in (400, 422) and self._is_nobody(written, answer):
            outcome = Outcome(Fact.REFUSED, outcome.code, outcome.detail, fault=Fault.ADDRESS)
        if (because := self._because(answer)) and answer.status in (400, 422):
            outcome = outcome._replace(fact=because[0], fault=because[1])
        found = along(body, self.service.code) if self.service.code else None
        code = text_at({"code": found}, "code")
        if outcome.fault is None and code:
            return meant(self.service.codes, code, outcome.detail, outcome)
        return outcome

    def _is_nobody(self, written: Written, answer: Answer) -> bool:
        if self.service.nobody.search(self.words(answer)):
            return True
        return answer.status == 422 and self._status(written, answer)[0] in NO_SUCH

    def _because(self, answer: Answer) -> Meaning | None:
        """What the service's own reason for turning a recipient down means."""
        found = re.search(self.service.reason, self.words(answer)) if self.service.reason else None
        return self.service.reasons.get(found.group(1)) if found else None

    def _accepted(self, written: Written, answer: Answer) -> Outcome:
        if answer.status != self.service.accepts or not answer.is_whole:
            return self.unreadable(answer)
        if answer.body and parsed(answer) is None:
            return self.unreadable(answer)
        status, found = self._status(written, answer)
        if status in TURNED_DOWN:
            otherwise = (Fact.REFUSED, Fault.ADDRESS if status in NO_SUCH else None)
            fact, fault = self._because(answer) or otherwise
            return Outcome(fact, str(answer.status), self.words(answer), found, fault=fault)
        if not found:
            return self.unreadable(answer)
        return Outcome(Fact.ACCEPTED, str(answer.status), status, provider_id=found)

    def _status(self, written: Written, answer: Answer) -> tuple[str, str]:
        """What anymail reads of the recipient, and the message's number there; nothing where it cannot."""
        response: Any = requests.Response()
        response.status_code, response._content, response.encoding = answer.status, answer.body, "utf-8"
        response.headers.update(answer.headers)
        response.headers.setdefault("Content-Type", "")
        try:
            found = self.backend.parse_recipient_status(response, written.payload, written.mail)
            one = {address.lower(): status for address, status in found.items()}[written.recipient.lower()]
        except UNREADABLE:
            return "", ""
        statuses = one.status if isinstance(one.status, str) else ""
        return statuses, str(one.message_id or "")

    # ---- what became of a message -----------------------------------------------------------------
    @property
    def can_find(self) -> bool:
        return self.service.search is not None

    async def find(self, key: str, recipient: str) -> Outcome:
        search = self.service.search
        if search is None:
            return Outcome(Fact.UNCERTAIN)
        named = {"message_stream": "", **self.options, "key": key, "recipient": recipient}
        query = {name: text.format_map(named) for name, text in search.query.items()}
        path = search.path.format_map(named)
        request = self._signed(f"{path}?{urlencode({name: one for name, one in query.items() if one})}")

        def read(answer: Answer) -> Outcome:
            if answer.status != 200:
                return self.by_status(answer) if answer.status != 404 else Outcome(Fact.UNCERTAIN, "404")
            try:
                found = search.read(answer.json(), key)
            except UNREADABLE:
                return self.unreadable(answer)
            return found or Outcome(Fact.UNCERTAIN)

        return await self.exchange(request, read)

    # ---- rehearsing -------------------------------------------------------------------------------
    def question(self) -> Request:
        request = self._signed(self.service.question.format(**self.options))
        if self.service.asks is None:
            return request
        body = as_json(self.service.asks(self.secret))
        return Request("POST", request.url, {**request.headers, "Content-Type": "application/json"}, body)

    def _signed(self, path: str) -> Request:
        name, _colon, value = self.service.sign_in.partition(": ")
        headers = {name: value.format(secret=self.secret, basic=self.basic), "Accept": "application/json"}
        return Request("GET", urljoin(self.backend.api_url, path), headers)

    def read_account(self, answer: Answer) -> Outcome:
        body = parsed(answer)
        if self.service.proven and text_at(body, self.service.code) == self.service.proven:
            return Outcome(Fact.ACCEPTED, "", _("The key may send, and do nothing else."))
        found = along(body, self.service.shows)
        if answer.status != 200 or not isinstance(found, str):
            return self.by_status(answer) if answer.status != 200 else self.unreadable(answer)
        detail = _("Signed in: %(account)s. A test message shows whether the sender may be used.")
        return Outcome(Fact.ACCEPTED, "", detail % {"account": found[:200]})


class MailBatchLane(MailLane):
    """Of a service that takes many whole mails in one call and says what became of each."""

    @property
    def batch_size(self) -> int:
        return self._batch.most

    @property
    def _batch(self) -> Batch:
        assert self.service.batch is not None
        return self.service.batch

    async def send_many(self, messages: Sequence[Rendered]) -> list[Outcome]:
        """Mails with files go one by one: many of them would make one request too large."""
        outcomes: list[Outcome | None] = [None] * len(messages)
        together: dict[int, Written] = {}
        for place, message in enumerate(messages):
            written = self._written(message)
            if isinstance(written, Outcome):
                outcomes[place] = written
            elif message.attachments:
                outcomes[place] = await self.send(message)
            else:
                together[place] = written
        for place, outcome in (await self._send_together(together)).items():
            outcomes[place] = outcome
        return [one for one in outcomes if one is not None]

    async def _send_together(self, many: dict[int, Written]) -> dict[int, Outcome]:
        if len(many) > 1:
            told: dict[int, Outcome] = {}
            whole = await self.exchange(self._joined(list(many.values())), lambda answer: self._each(
                many, answer, told
            ))  # fmt: skip
            if told:
                return told
            if whole.fact is not Fact.REFUSED:
                return dict.fromkeys(many, whole)
        return {place: await self._send_alone(one) for place, one in many.items()}  # it sent nobody’s

    async def _send_alone(self, written: Written) -> Outcome:
        return await self.exchange(written.request, lambda answer: self._read(written, answer))

    def _joined(self, many: list[Written]) -> Request:
        bodies = [json.loads(one.request.body) for one in many]
        url = urljoin(self.backend.api_url, self._batch.path)
        return Request("POST", url, many[0].request.headers, as_json(self._batch.join(bodies)))

    def _each(self, many: dict[int, Written], answer: Answer, told: dict[int, Outcome]) -> Outcome:
        """Tells each one's outcome; returns what is true of all where they are not told apart."""
        try:
            parts = self._batch.split(answer.json())
        except UNREADABLE:
            parts = []
        if len(parts) == len(many):
            for (place, written), (status, body) in zip(many.items(), parts, strict=True):
                single = Answer(status, answer.headers, as_json(body))
                told[place] = self._struck(self._read(written, single))
        if answer.status == self._batch.accepts or told:
            return self.unreadable(answer)
        return self._read(next(iter(many.values())), answer)


def _dressed(service: Service, mail: Any, key: str) -> None:
    """What brings a receipt back to the message it is about."""
    if service.dress is not None:
        service.dress(mail, key)
    else:
        mail.metadata = {"carillon": key}


def _mail_of(message: Rendered) -> EmailMultiAlternatives:
    """Raises NotWritable."""
    if not (message.text.strip() or message.html.strip()):
        raise NotWritable(_("The message is empty."), Fault.CONTENT)
    try:
        recipient = mime.checked_address(message.recipient)
    except ValueError as error:
        raise NotWritable(str(error), Fault.ADDRESS) from error
    try:
        name = re.sub(r'([\\"])', r"\\\1", _plain(message.sender_name))
        sender = mime.checked_address(message.sender_email)
        mail = EmailMultiAlternatives(
            subject=_plain(message.subject),
            body=_writable(message.text),
            from_email=f'"{name}" <{sender}>' if name else sender,
            to=[recipient],
            bcc=[mime.checked_address(message.bcc)] if message.bcc not in ("", recipient) else [],
            reply_to=[mime.checked_address(message.reply_to)] if message.reply_to else [],
            headers={_header_name(key): mime.header_text(text) for key, text in message.headers.items()},
        )
    except ValueError as error:
        raise NotWritable(str(error), Fault.CONTENT) from error
    if message.html.strip():
        mail.attach_alternative(_writable(message.html), "text/html")
    for one in message.attachments:
        mail.attach(_plain(one.name), one.octets, one.kind)
    return mail


def _header_name(name: str) -> str:
    lower = name.lower()
    if not mime.HEADER_NAME.match(name) or lower in mime.OWN_HEADERS or lower.startswith("content-"):
        raise ValueError(f"{name[:80]!r} cannot be set as a header")
    return name


def _plain(text: str) -> str:
    """On one line, without what no header may hold."""
    return " ".join(mime.CONTROLS.sub(" ", text).split())


def _writable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


MAIL_SERVICES = tuple(MailService(service) for service in SERVICES)
