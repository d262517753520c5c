"""Sends SMS through any gateway that takes HTTP requests.

The address, the sign-in, the payload (see `payload.py`), and what the answers and receipts mean are settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy

from channels import client_certificate, signatures
from channels.http import Answer, Client, Request
from channels.messages import Arrival, Fact, Fault, Happened, Outcome, Receipt, Rendered, Reply
from channels.models import ChannelConfiguration
from channels.payload import Payload
from channels.providers.base import Part, Reading, Step, secrets_of
from channels.providers.gateway_auth import AUTH, PART, TLS_PART, GatewayAuthForm, SignIn, claims_of
from channels.providers.keywords_form import REPLIES
from channels.providers.over_http import (
    CODE,
    AddressField,
    ClosedLane,
    NotWritable,
    SecretField,
    along,
    as_json,
    in_words,
    opened,
    parsed,
    sms_of,
    text_at,
)
from channels.providers.signing_in import SigningInLane
from channels.providers.sms_form import SmsForm
from channels.providers.webhook import headers_of, reached
from channels.sandbox import RenderError
from channels.segments import segment
from channels.signatures import NotGenuine, Proof
from common.errors import Invalid, Problem
from common.wording import worded as _

NAMES = {"fromNumber", "toNumber", "message", "messageId", "encoding", "parts"}
SAMPLE = {"from": "{{ fromNumber }}", "to": "{{ toNumber }}", "text": "{{ message }}"}
PATH = r"^[\w-]{1,100}(\.[\w-]{1,100}){0,9}$"
TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,60}")
RECEIPTS = [
    ("none", gettext_lazy("Takes no receipts")),
    ("header", gettext_lazy("Token in a header")),
    ("query", gettext_lazy("Token in the address")),
    ("basic", gettext_lazy("User name and password (Basic)")),
    ("hmac", gettext_lazy("HMAC-SHA256 of the body in a header")),
]


class PathField(forms.RegexField):
    """Names from the outside in, with dots."""

    def __init__(self, **more: Any) -> None:
        wrong = gettext_lazy("Write the names from the outside in with dots, such as messages.0.id.")
        super().__init__(**{"regex": PATH, "required": False, "error_messages": {"invalid": wrong}, **more})


class ListField(forms.CharField):
    """Words separated by commas; see `_words`."""

    def clean(self, value: Any) -> str:
        return ", ".join(_split(str(super().clean(value))))


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(word for word in (one.strip() for one in text.split(",")) if word))


class PayloadField(forms.CharField):
    """A JSON object with templates in it, as text that has been checked."""

    def clean(self, value: Any) -> str:
        text = str(super().clean(value))
        try:
            Payload(text, NAMES)
        except Invalid as error:
            raise ValidationError(error.detail, code=error.code) from error
        return text


class SmsHttpForm(GatewayAuthForm, SmsForm):
    secret_fields = ("auth_secret", "receipts_secret", "client_certificate")
    secret_goes_to = ("url", "auth", "auth_name", "auth_token_url")
    parts = (
        PART,
        TLS_PART,
        Part(
            gettext_lazy("What it answers"),
            ("id_path", "ok_path", "ok_values", "later_values", "settings_values"),
            gettext_lazy(
                "Where names lead into a JSON answer: messages.0.id. Values have commas between them."
            ),
        ),
        Part(
            gettext_lazy("Delivery receipts"),
            (
                *("receipts", "receipts_name", "receipts_secret", "receipts_path"),
                *("receipt_id", "receipt_status", "receipt_error"),
                *("sent_values", "delivered_values", "failed_values", "gone_values"),
            ),
            gettext_lazy("The address to enter at the gateway is shown once this is saved."),
        ),
        Part(
            gettext_lazy("Replies"),
            ("reply_from", "reply_to", "reply_text", "reply_id"),
            gettext_lazy("Where a request of the gateway holds what somebody wrote back."),
        ),
        REPLIES,
    )

    url = AddressField(label=gettext_lazy("Web address"))
    method = forms.ChoiceField(
        label=gettext_lazy("Method"), choices=[("POST", "POST"), ("GET", "GET")], initial="POST"
    )
    sent_as = forms.ChoiceField(
        label=gettext_lazy("The payload is sent as"),
        initial="json",
        choices=[
            ("json", "JSON"),
            ("form", gettext_lazy("Form fields")),
            ("query", gettext_lazy("Parts of the address")),
        ],
    )
    sender = forms.CharField(
        label=gettext_lazy("Sender"),
        max_length=40,
        help_text=gettext_lazy("A number, a short code or a name; fromNumber in the payload."),
    )
    plus = forms.BooleanField(label=gettext_lazy("Numbers begin with +"), required=False, initial=True)
    auth = forms.ChoiceField(label=gettext_lazy("Sign-in"), choices=AUTH, initial="none")
    auth_name = forms.CharField(
        label=gettext_lazy("Name for the sign-in"),
        required=False,
        max_length=100,
        help_text=gettext_lazy(
            "The user name, the client’s id, or the name of the header or of the part of the address."
        ),
    )
    auth_secret = SecretField(label=gettext_lazy("Password, token or key"))
    payload = PayloadField(
        label=gettext_lazy("Payload"),
        max_length=10_000,
        initial=json.dumps(SAMPLE, indent=2),
        widget=forms.Textarea(attrs={"rows": 6, **CODE}),
        help_text=gettext_lazy(
            "A JSON object. Its texts can hold {{ fromNumber }}, {{ toNumber }}, {{ message }}, "
            "{{ messageId }}, {{ encoding }} and {{ parts }}."
        ),
    )
    id_path = PathField(label=gettext_lazy("Where the answer holds the message’s id"))
    ok_path = PathField(
        label=gettext_lazy("Where the answer says whether it was accepted"),
        help_text=gettext_lazy("Empty: the HTTP status says it."),
    )
    ok_values = ListField(label=gettext_lazy("Values that mean accepted"), required=False, max_length=500)
    later_values = ListField(
        label=gettext_lazy("Values that mean try again later"), required=False, max_length=500
    )
    settings_values = ListField(
        label=gettext_lazy("Values that mean our settings are wrong"),
        required=False,
        max_length=500,
        help_text=gettext_lazy("Then nobody’s message counts as failed, and sending waits."),
    )
    receipts = forms.ChoiceField(
        label=gettext_lazy("How receipts prove whom they are from"), choices=RECEIPTS, initial="none"
    )
    receipts_name = forms.CharField(
        label=gettext_lazy("Name for receipts"), required=False, max_length=100,
        help_text=gettext_lazy("The user name, or the name of the header or of the part of the address."),
    )  # fmt: skip
    receipts_secret = SecretField(label=gettext_lazy("Secret for receipts"))
    receipts_path = PathField(label=gettext_lazy("Where a request holds its list of receipts"))
    receipt_id = PathField(label=gettext_lazy("Message’s id in a receipt"))
    receipt_status = PathField(label=gettext_lazy("Status in a receipt"))
    receipt_error = PathField(label=gettext_lazy("Error code in a receipt"))
    sent_values = ListField(label=gettext_lazy("Statuses of sent"), required=False, max_length=500)
    delivered_values = ListField(label=gettext_lazy("Statuses of delivered"), required=False, max_length=500)
    failed_values = ListField(label=gettext_lazy("Statuses of failed"), required=False, max_length=500)
    gone_values = ListField(
        label=gettext_lazy("Error codes of numbers that do not exist"), required=False, max_length=500
    )
    reply_from = PathField(label=gettext_lazy("Sender’s number in a reply"))
    reply_to = PathField(label=gettext_lazy("Our number in a reply"))
    reply_text = PathField(label=gettext_lazy("Text of a reply"))
    reply_id = PathField(label=gettext_lazy("Id of a reply"))

    @classmethod
    def needed_secret(cls, settings: Mapping[str, Any]) -> str:
        return "" if settings.get("auth") == "none" else super().needed_secret(settings)

    def clean(self) -> None:
        given = self.cleaned_data
        for field in ("auth", "receipts"):
            name = given.get(f"{field}_name", "")
            if given.get(field) in ("header", "query", "hmac") and not TOKEN.fullmatch(name):
                self.add_error(f"{field}_name", ValidationError(_("Give the name."), code="name_needed"))
            if given.get(field) == "basic" and (":" in name or not name.isprintable()):
                self.add_error(
                    f"{field}_name", ValidationError(_("Give a user name without “:”."), code="name")
                )
        self.check_token()
        self.check_certificate()
        if given.get("method") == "GET" and given.get("sent_as") != "query":
            detail = _("A GET request carries its payload in the address.")
            self.add_error("sent_as", ValidationError(detail, code="get_has_no_body"))
        payload = given.get("payload")
        if given.get("sent_as") in ("form", "query") and payload and not Payload(payload, NAMES).is_flat:
            detail = _("Only JSON can be nested. Write texts and numbers only.")
            self.add_error("payload", ValidationError(detail, code="nested"))
        if given.get("ok_path") and not given.get("ok_values"):
            self.add_error(
                "ok_values", ValidationError(_("Give the values that mean accepted."), code="values_needed")
            )


class SmsHttp:
    key = "sms_http"
    channels = ("sms",)
    label = gettext_lazy("HTTP gateway")
    about = gettext_lazy("SMS through any gateway that takes HTTP requests.")
    Form = SmsHttpForm

    def open(self, configuration: ChannelConfiguration) -> SmsHttpLane | ClosedLane:
        return opened(SmsHttpLane, configuration)

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        """Writes a sample, connects and sends nothing: a gateway has no question that costs nothing."""
        lane = self.open(configuration)
        if isinstance(lane, ClosedLane):
            return [Step(_("Read the settings"), False, lane.outcome.detail)]
        try:
            shown = json.dumps(lane.payload.fill(lane.values("+886900000000", "Sample", "sample")))
        except RenderError as error:
            return [Step(_("Write a sample message"), False, error.detail)]
        steps = [Step(_("Write a sample message"), True, shown[:500])]
        if (identity := lane.client.identity) is not None:
            told = {"name": identity.name, "day": identity.ends_at.date().isoformat()}
            said = _("%(name)s, until %(day)s") % told
            steps.append(Step(_("Read the client certificate"), True, said))
        if lane.auth.kind == "oauth":
            name = _("Sign in as %(account)s") % {"account": lane.auth.name}
            try:
                trouble = await lane.sign_in(is_anew=True)
            finally:
                await lane.close()
            if trouble is not None:
                return [*steps, Step(name, False, in_words(trouble))]
            steps.append(Step(name, True, _("Signed in.")))
        return [*steps, await reached(lane.url, lane.client)]

    def read_receipts(self, configuration: ChannelConfiguration, arrival: Arrival) -> Reading:
        chosen = configuration.settings
        proof = _proof(chosen, arrival, secrets_of(configuration).get("receipts_secret", ""))
        found = along(_content(arrival), str(chosen.get("receipts_path") or ""))
        entries = found if isinstance(found, list) else [found]
        receipts = [one for one in (_receipt(chosen, entry) for entry in entries) if one is not None]
        replies = [one for one in (_reply(chosen, entry) for entry in entries) if one is not None]
        return Reading(proof, tuple(receipts), tuple(replies))


def _proof(chosen: Mapping[str, Any], arrival: Arrival, secret: str) -> Proof:
    name = str(chosen.get("receipts_name") or "")
    match chosen.get("receipts"):
        case "header":
            return signatures.shared_token(arrival, secret, header=name)
        case "query":
            return signatures.shared_token(arrival, secret, query=name)
        case "basic":
            return signatures.basic(arrival, username=name, password=secret)
        case "hmac":
            return signatures.body_hmac(arrival, secret, header=name)
    raise NotGenuine(_("This configuration takes no receipts."))


def _content(arrival: Arrival) -> Any:
    """What was sent: JSON, or form fields, or the parts of the address."""
    if not arrival.body:
        return dict(parse_qsl(arrival.url.partition("?")[2], keep_blank_values=True))
    try:
        if "form-urlencoded" in arrival.headers.get("content-type", ""):
            return dict(parse_qsl(arrival.body.decode("utf-8", "replace"), keep_blank_values=True))
        return json.loads(arrival.body)
    except (ValueError, RecursionError) as error:
        raise Invalid(Problem("bad_receipt", _("The receipt is not JSON."))) from error


def _words(chosen: Mapping[str, Any], name: str) -> list[str]:
    return _split(str(chosen.get(name) or ""))


def _read(chosen: Mapping[str, Any], name: str, entry: Any) -> str:
    path = str(chosen.get(name) or "")
    return text_at(along(entry, path)) if path else ""


def _receipt(chosen: Mapping[str, Any], entry: Any) -> Receipt | None:
    status, message = _read(chosen, "receipt_status", entry), _read(chosen, "receipt_id", entry)
    meanings = (
        ("sent_values", Happened.SENT),
        ("delivered_values", Happened.DELIVERED),
        ("failed_values", Happened.FAILED),
    )
    happened = next((kind for name, kind in meanings if status in _words(chosen, name)), None)
    if not message or not status or happened is None:
        return None
    error = _read(chosen, "receipt_error", entry)
    is_gone = happened is Happened.FAILED and error in _words(chosen, "gone_values")
    return Receipt(
        event_id=f"{message}:{status}",
        happened=happened,
        provider_id=message,
        code=error or status,
        fault=Fault.ADDRESS if is_gone else None,
    )


def _reply(chosen: Mapping[str, Any], entry: Any) -> Reply | None:
    sender, text = _read(chosen, "reply_from", entry), along(entry, str(chosen.get("reply_text") or "-"))
    if not sender or not isinstance(text, str):
        return None
    person = f"+{sender.lstrip('+')}" if sender.lstrip("+").isdigit() else sender
    return Reply(_read(chosen, "reply_id", entry), person, _read(chosen, "reply_to", entry), text[:5000])


class SmsHttpLane(SigningInLane):
    def __init__(self, configuration: ChannelConfiguration) -> None:
        """Raises SealBroken, Invalid, or KeyError or ValueError when a setting is missing."""
        super().__init__()
        chosen, secrets = configuration.settings, secrets_of(configuration)
        self.chosen = chosen
        self.url, self.sender = str(chosen["url"]), str(chosen["sender"])
        self.method, self.sent_as = str(chosen["method"]), str(chosen["sent_as"])
        self.payload = Payload(str(chosen["payload"]), NAMES)
        secret = secrets.get("auth_secret", "")
        self.auth = SignIn(
            str(chosen["auth"]), str(chosen.get("auth_name") or ""), secret,
            hash=str(chosen.get("auth_hash") or "sha256-hex"),
            claims=claims_of(str(chosen.get("auth_claims") or "")),
            token_url=str(chosen.get("auth_token_url") or ""),
            sent_as=str(chosen.get("auth_sent_as") or "form"),
        )  # fmt: skip
        if self.auth.kind != "none" and not secret:
            raise ValueError("no secret")
        self.further = headers_of(str(chosen.get("headers") or ""))
        self.identity = f"{self.auth.token_url} {self.auth.name} {secret} {json.dumps(self.auth.claims)}"
        self.hidden = tuple(secrets.values())
        if chosen.get("mutual_tls"):
            shown = client_certificate.read(secrets.get("client_certificate", ""), timezone.now())
            self.client = Client(identity=shown)

    async def sign_in(self, *, is_anew: bool = False) -> Outcome | None:
        return await super().sign_in(is_anew=is_anew) if self.auth.kind == "oauth" else None

    def question(self) -> Request:
        return self.auth.question()

    def values(self, recipient: str, text: str, key: str) -> dict[str, Any]:
        parts = segment(text)
        return {
            "fromNumber": self._number(self.sender),
            "toNumber": self._number(recipient),
            "message": text,
            "messageId": key,
            "encoding": parts.encoding,
            "parts": parts.count,
        }

    def _number(self, value: str) -> str:
        return value if self.chosen.get("plus", True) else value.removeprefix("+")

    def write(self, message: Rendered) -> Request:
        recipient, text = sms_of(message)
        try:
            filled = self.payload.fill(self.values(recipient, text, message.key))
        except RenderError as error:
            raise NotWritable(error.detail, Fault.CONTENT) from error
        query, body, headers = self.auth.query(), b"", dict(self.further)
        if self.sent_as == "json":
            headers["Content-Type"], body = "application/json", as_json(filled)
        elif self.sent_as == "form":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(filled, errors="replace").encode()
        else:
            query = {**filled, **query}
        sent = body or urlencode(query, errors="replace").encode()
        headers |= self.auth.headers(sent, self.token)
        sign = "&" if "?" in self.url else "?"
        url = f"{self.url}{sign}{urlencode(query, errors='replace')}" if query else self.url
        return Request(self.method, url, headers, body)

    def read(self, answer: Answer) -> Outcome:
        if not 200 <= answer.status < 300:
            return self.by_status(answer)
        body, chosen = parsed(answer), self.chosen
        ok_path, id_path = str(chosen.get("ok_path") or ""), str(chosen.get("id_path") or "")
        if ok_path:
            word = text_at(along(body, ok_path))
            if not word:
                return self.unreadable(answer)
            if (fact := self._fact_of(word)) is not Fact.ACCEPTED:
                return Outcome(fact, word, self.words(answer))
        found = text_at(along(body, id_path)) if id_path else ""
        if id_path and not found:
            return self.unreadable(answer)
        return Outcome(Fact.ACCEPTED, str(answer.status), self.words(answer), provider_id=found)

    def _fact_of(self, word: str) -> Fact:
        """What the gateway's own word for an outcome was said to mean."""
        meanings = (
            ("ok_values", Fact.ACCEPTED),
            ("later_values", Fact.LATER),
            ("settings_values", Fact.MISCONFIGURED),
        )
        return next((fact for name, fact in meanings if word in _words(self.chosen, name)), Fact.REFUSED)
