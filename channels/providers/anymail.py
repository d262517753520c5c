"""Mail services with an API of their own, as django-anymail knows them.

Anymail writes the request and reads the answer; the exchange between is ours (see `channels/http.py`), with
its checks of where a name leads, its time-outs and no redirects. What differs between services stands in
`anymail_table.py`. The envelope is the service's: it takes bounces itself, the bounce address is not used.
"""

from __future__ import annotations

import re
import warnings
from typing import Any
from urllib.parse import urljoin

import requests
from anymail.exceptions import AnymailError, AnymailInvalidAddress
from django.core.mail import EmailMultiAlternatives
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels import mime
from channels.http import Answer, Request
from channels.messages import Fact, Fault, Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.providers.anymail_table import SERVICES, Service
from channels.providers.base import ProviderForm, Step, secrets_of
from channels.providers.over_http import (
    ClosedLane,
    HttpLane,
    NotWritable,
    along,
    asked,
    basic_auth,
    meant,
    opened,
    parsed,
    text_at,
)

UNREADABLE = (AnymailError, AttributeError, KeyError, TypeError, ValueError, IndexError)
NO_SUCH = {"invalid", "rejected"}


class MailService:
    channels = ("email",)

    def __init__(self, service: Service) -> None:
        self.service = service
        self.key, self.label = service.key, service.label
        self.about = format_lazy(gettext_lazy("Mail through a {name} account."), name=service.label)
        self.Form: type[ProviderForm] = service.form

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

    def _lane(self, configuration: ChannelConfiguration) -> MailLane:
        return MailLane(self.service, configuration)


class MailLane(HttpLane):
    def __init__(self, service: Service, configuration: ChannelConfiguration) -> None:
        """Raises SealBroken, or KeyError or ValueError when a setting is missing."""
        super().__init__()
        self.service, chosen = service, configuration.settings
        (name,) = service.form.secret_fields
        self.secret = secrets_of(configuration)[name]
        if not self.secret:
            raise ValueError("no secret")
        self.basic = basic_auth("api", self.secret).removeprefix("Basic ")
        self.hidden = (self.secret, self.basic)
        self.options = {option: str(chosen[option]) for option in service.options if chosen.get(option)}
        with warnings.catch_warnings():  # anymail has no account at SendGrid to test with, and says so
            warnings.simplefilter("ignore")
            self.backend: Any = service.backend(
                api_url=str(chosen["api_url"]), **{name: self.secret}, **self.options
            )

    async def send(self, message: Rendered) -> Outcome:
        try:
            mail = _mail_of(message)
            payload = self.backend.build_message_payload(mail, {})
            request = self._request(payload)
        except NotWritable as error:
            return Outcome(Fact.REFUSED, "", str(error)[:500], fault=error.fault)
        except AnymailError as error:
            is_address = isinstance(error, AnymailInvalidAddress)
            fault = Fault.ADDRESS if is_address else Fault.CONTENT
            return self._struck(Outcome(Fact.REFUSED, "", str(error), fault=fault))
        return await self.exchange(
            request, lambda answer: self._read(message.recipient, mail, payload, answer)
        )

    def _request(self, payload: Any) -> Request:
        params = payload.get_request_params(self.backend.api_url)
        ready = requests.Request(**params).prepare()
        body = ready.body or b""
        headers = {name: str(value) for name, value in ready.headers.items() if name != "Content-Length"}
        octets = body if isinstance(body, bytes) else str(body).encode()
        return Request(str(ready.method), str(ready.url), headers, octets)

    def _read(self, recipient: str, mail: Any, payload: Any, answer: Answer) -> Outcome:
        if 200 <= answer.status < 300:
            return self._accepted(recipient, mail, payload, answer)
        body, outcome = parsed(answer), self.by_status(answer)
        if answer.status in (400, 422) and self._is_nobody(recipient, mail, payload, answer):
            outcome = Outcome(Fact.REFUSED, outcome.code, outcome.detail, fault=Fault.ADDRESS)
        code = text_at(body, self.service.code) if self.service.code else ""
        return meant(self.service.codes, code, outcome.detail, outcome) if code else outcome

    def _is_nobody(self, recipient: str, mail: Any, payload: Any, answer: Answer) -> bool:
        if self.service.nobody.search(self.words(answer)):
            return True
        return answer.status == 422 and self._status(recipient, mail, payload, answer)[0] in NO_SUCH

    def _accepted(self, recipient: str, mail: Any, payload: Any, answer: Answer) -> Outcome:
        if answer.status != self.service.accepts or not answer.is_whole:
            return self.unreadable(answer)
        if answer.body and parsed(answer) is None:
            return self.unreadable(answer)
        status, found = self._status(recipient, mail, payload, answer)
        if status in NO_SUCH:
            return Outcome(Fact.REFUSED, str(answer.status), self.words(answer), found, fault=Fault.ADDRESS)
        if not found:
            return self.unreadable(answer)
        return Outcome(Fact.ACCEPTED, str(answer.status), status, provider_id=found)

    def _status(self, recipient: str, mail: Any, payload: Any, answer: Answer) -> tuple[str, str]:
        """What anymail reads of the recipient, and the message's number there; nothing where it cannot."""
        response: Any = requests.Response()
        response.status_code, response._content, response.encoding = answer.status, answer.body, "utf-8"
        try:
            one = self.backend.parse_recipient_status(response, payload, mail)[recipient]
        except UNREADABLE:
            return "", ""
        return str(one.status or ""), str(one.message_id or "")

    def question(self) -> Request:
        name, _colon, value = self.service.sign_in.partition(": ")
        headers = {name: value.format(secret=self.secret, basic=self.basic), "Accept": "application/json"}
        url = urljoin(self.backend.api_url, self.service.question.format(**self.options))
        return Request("GET", url, headers)

    def read_account(self, answer: Answer) -> Outcome:
        found = along(parsed(answer), self.service.shows)
        if answer.status != 200 or not isinstance(found, str):
            return self.by_status(answer) if answer.status != 200 else self.unreadable(answer)
        detail = _("Signed in: %(account)s. A test message shows whether the sender may be used.")
        return Outcome(Fact.ACCEPTED, "", detail % {"account": found[:200]})


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
