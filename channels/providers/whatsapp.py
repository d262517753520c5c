"""Sends approved templates through the WhatsApp Business Platform (Cloud API).

https://developers.facebook.com/docs/whatsapp/cloud-api; error codes:
https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes. Our own key travels along as
`biz_opaque_callback_data` and comes back in every status.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from channels import signatures
from channels.http import Answer, Request
from channels.keywords import Asked
from channels.messages import Arrival, Fact, Fault, Happened, Outcome, Receipt, Rendered, Reply
from channels.models import ChannelConfiguration
from channels.providers.base import Reading, Step, secrets_of
from channels.providers.keywords_form import KeywordsForm
from channels.providers.over_http import (
    E164,
    AddressField,
    ClosedLane,
    HttpLane,
    Meaning,
    NotWritable,
    SecretField,
    as_json,
    asked,
    at,
    meant,
    opened,
    parsed,
    text_at,
)
from common.errors import Invalid, Problem
from common.wording import worded as _

REFUSED, LATER, MISCONFIGURED = Fact.REFUSED, Fact.LATER, Fact.MISCONFIGURED
CODES: dict[str, Meaning] = {
    **dict.fromkeys(("0", "3", "10", "190", "200"), (MISCONFIGURED, None)),  # sign-in and rights
    **dict.fromkeys(("33", "368", "131005", "131031", "131037"), (MISCONFIGURED, None)),  # number or account
    **dict.fromkeys(("131042", "131045", "133010", "133015"), (MISCONFIGURED, None)),  # payment, registration
    **dict.fromkeys(("1", "2", "131000", "131016", "131057", "133004"), (LATER, None)),  # their own trouble
    **dict.fromkeys(("4", "80007", "130429", "131048", "131056"), (LATER, None)),  # so many in a time
    **dict.fromkeys(("100", "131008", "131009", "131051", "131052", "131053"), (REFUSED, Fault.CONTENT)),
    **dict.fromkeys(("132000", "132001", "132005", "132007", "132012"), (REFUSED, Fault.CONTENT)),
    **dict.fromkeys(("132015", "132016", "132068", "132069"), (REFUSED, Fault.CONTENT)),  # paused, disabled
    "131047": (REFUSED, Fault.CONTENT),  # no template, and 24 hours since they wrote
    "130472": (REFUSED, None),  # the number is part of an experiment of Meta's
    "130497": (REFUSED, Fault.SENDER),  # not to this country
    "131021": (REFUSED, Fault.ADDRESS),  # it is our own number
    "131026": (REFUSED, None),  # not on WhatsApp, or an old version: nothing that holds for ever
    "131030": (REFUSED, Fault.SENDER),  # a test account writes to listed numbers only
    "131049": (REFUSED, None),  # Meta held it back
    "131050": (REFUSED, Fault.OPTED_OUT),
}
STATUSES = {
    "sent": Happened.SENT,
    "delivered": Happened.DELIVERED,
    "read": Happened.OPENED,
    "failed": Happened.FAILED,
}
PREFERENCES = {"stop": str(Asked.STOP), "resume": str(Asked.START)}
MAX_BODY = 64 * 1024


class WhatsAppForm(KeywordsForm):
    secret_fields = ("access_token", "app_secret", "verify_token")
    secret_goes_to = ("phone_number_id", "api_url")

    phone_number_id = forms.RegexField(
        label=gettext_lazy("Phone number ID"),
        regex=r"^[0-9]{5,30}$",
        error_messages={"invalid": gettext_lazy("A phone number ID is digits; it is not the number itself.")},
        help_text=gettext_lazy("Meta’s developer page → WhatsApp → API setup."),
    )
    access_token = SecretField(
        label=gettext_lazy("Access token"),
        help_text=gettext_lazy("Of a system user, with whatsapp_business_messaging. Stored sealed."),
    )
    app_secret = SecretField(
        label=gettext_lazy("App secret"), help_text=gettext_lazy("It checks what WhatsApp tells us.")
    )
    verify_token = SecretField(
        label=gettext_lazy("Verify token"),
        max_length=100,
        help_text=gettext_lazy(
            "A word that you make up, entered here and at Meta beside the address for receipts. "
            "Stored sealed."
        ),
    )
    api_url = AddressField(label=gettext_lazy("API address"), initial="https://graph.facebook.com/v21.0")


class WhatsApp:
    key = "whatsapp"
    channels = ("whatsapp",)
    label = gettext_lazy("WhatsApp")
    about = gettext_lazy("Approved templates through Meta’s WhatsApp Cloud API.")
    Form = WhatsAppForm

    @property
    def receipts_note(self) -> str:
        return _(
            "At Meta: WhatsApp → Configuration → Webhook, with your verify token. Subscribe to: messages."
        )

    def open(self, configuration: ChannelConfiguration) -> WhatsAppLane | ClosedLane:
        return opened(WhatsAppLane, configuration)

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        lane = self.open(configuration)
        if isinstance(lane, ClosedLane):
            return [Step(_("Read the settings"), False, lane.outcome.detail)]
        try:
            fields = "display_phone_number,verified_name,quality_rating,throughput"
            request = Request("GET", f"{lane.base}?fields={fields}", lane.headers)
            return [await asked(_("Sign in and ask about the number"), lane, request, lane.read_number)]
        finally:
            await lane.close()

    def verify(self, configuration: ChannelConfiguration, query: dict[str, str]) -> str:
        """What Meta wants to hear back when the address for receipts is entered there. Raises NotGenuine."""
        expected = secrets_of(configuration).get("verify_token", "")
        if query.get("hub.mode") != "subscribe" or not signatures.is_same(
            expected, query.get("hub.verify_token", "")
        ):
            raise signatures.NotGenuine(_("The verify token is not right."))
        return query.get("hub.challenge", "")[:200]

    def read_receipts(self, configuration: ChannelConfiguration, arrival: Arrival) -> Reading:
        secret = secrets_of(configuration).get("app_secret", "")
        proof = signatures.body_hmac(arrival, secret, header="x-hub-signature-256")
        try:
            body = json.loads(arrival.body)
        except (ValueError, RecursionError) as error:
            raise Invalid(Problem("bad_receipt", _("The receipt is not JSON."))) from error
        ours = str(configuration.settings.get("phone_number_id", ""))
        receipts: list[Receipt] = []
        replies: list[Reply] = []
        for entry in _each(body, "entry"):
            for change in _each(entry, "changes"):
                value = at(change, "value")
                if text_at(value, "metadata", "phone_number_id") not in ("", ours):
                    continue  # Meta tells an app of all its numbers
                receipts += [_receipt(one) for one in _each(value, "statuses") if _is_known(one)]
                replies += [_reply(one, ours) for one in _each(value, "messages") if text_at(one, "from")]
                replies += [
                    _preference(one, ours)
                    for one in _each(value, "user_preferences")
                    if text_at(one, "value") in PREFERENCES and text_at(one, "wa_id")
                ]
        return Reading(proof, tuple(receipts), tuple(replies))


def _each(value: Any, name: str) -> list[Any]:
    found = at(value, name)
    return found if isinstance(found, list) else []


def _is_known(one: Any) -> bool:
    return bool(text_at(one, "id")) and text_at(one, "status") in STATUSES


def _receipt(one: Any) -> Receipt:
    wamid, status = text_at(one, "id"), text_at(one, "status")
    code = text_at(one, "errors", 0, "code")
    detail = text_at(one, "errors", 0, "error_data", "details") or text_at(one, "errors", 0, "title")
    return Receipt(
        event_id=f"{wamid}:{status}",
        happened=STATUSES[status],
        provider_id=wamid,
        key=text_at(one, "biz_opaque_callback_data"),
        code=code,
        detail=detail[:500],
        fault=CODES.get(code, (None, None))[1],
        at=_moment(text_at(one, "timestamp")),
    )


def _reply(one: Any, ours: str) -> Reply:
    text = text_at(one, "text", "body") or text_at(one, "button", "text")
    sender = f"+{text_at(one, 'from').lstrip('+')}"
    return Reply(text_at(one, "id"), sender, ours, text, _moment(text_at(one, "timestamp")))


def _preference(one: Any, ours: str) -> Reply:
    """Somebody pressed “stop marketing messages” or took it back, in WhatsApp itself."""
    sender, value, stamp = text_at(one, "wa_id"), text_at(one, "value"), text_at(one, "timestamp")
    return Reply(f"{sender}:{value}:{stamp}", f"+{sender}", ours, "", _moment(stamp), PREFERENCES[value])


def _moment(stamp: str) -> datetime | None:
    return datetime.fromtimestamp(int(stamp), UTC) if stamp.isdigit() and len(stamp) <= 10 else None


class WhatsAppLane(HttpLane):
    def __init__(self, configuration: ChannelConfiguration) -> None:
        """Raises SealBroken, or KeyError or ValueError when a setting is missing."""
        super().__init__()
        chosen, secrets = configuration.settings, secrets_of(configuration)
        self.base = f"{str(chosen['api_url']).rstrip('/')}/{chosen['phone_number_id']}"
        if not secrets["access_token"]:
            raise ValueError("no secret")
        self.headers = {
            "Authorization": f"Bearer {secrets['access_token']}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        self.hidden = tuple(secrets.values())

    def write(self, message: Rendered) -> Request:
        if not E164.fullmatch(message.recipient):
            raise NotWritable(_("The recipient is not a phone number with its country."), Fault.ADDRESS)
        body: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": message.recipient.lstrip("+"),
            "biz_opaque_callback_data": message.key[:512],
            **content_of(message),
        }
        octets = as_json(body)
        if len(octets) > MAX_BODY:
            raise NotWritable(_("The message is too long."), Fault.CONTENT)
        return Request("POST", f"{self.base}/messages", self.headers, octets)

    def read(self, answer: Answer) -> Outcome:
        body = parsed(answer)
        if answer.status == 200:
            wamid = text_at(body, "messages", 0, "id")
            return Outcome(Fact.ACCEPTED, "200", provider_id=wamid) if wamid else self.unreadable(answer)
        code = text_at(body, "error", "code")
        detail = text_at(body, "error", "error_data", "details") or text_at(body, "error", "message")
        return meant(CODES, code, detail, self.by_status(answer, detail))

    def read_number(self, answer: Answer) -> Outcome:
        body = parsed(answer)
        if answer.status == 200 and (number := text_at(body, "display_phone_number")):
            shown = {
                "number": number,
                "name": text_at(body, "verified_name"),
                "quality": text_at(body, "quality_rating"),
                "level": text_at(body, "throughput", "level"),
            }
            words = _("It is %(number)s, %(name)s; quality %(quality)s, throughput %(level)s.") % shown
            return Outcome(Fact.ACCEPTED, "", words)
        return self.read(answer)


def content_of(message: Rendered) -> dict[str, Any]:
    """A template with its parameters; plain text where there is none, as in an answer to who wrote to us.

    Raises NotWritable. https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates
    """
    extra = message.extra
    if not extra.get("template"):
        text = message.text.strip()
        if not text or extra.get("template") is not None or not message.key.startswith("reply:"):
            raise NotWritable(_("The message names no template."), Fault.CONTENT)
        return {"type": "text", "text": {"body": text[:4096], "preview_url": False}}
    components: list[dict[str, Any]] = []
    if message.image:
        components.append({"type": "header", "parameters": [_image(message.image)]})
    elif extra.get("header"):
        components.append({"type": "header", "parameters": [_text(extra["header"])]})
    if extra.get("body"):
        components.append({"type": "body", "parameters": [_text(one) for one in extra["body"]]})
    for place, button in enumerate(extra.get("buttons") or []):
        kind, value = button["type"], str(button["text"])
        parameter = {
            "url": {"type": "text", "text": value},
            "quick_reply": {"type": "payload", "payload": value},
            "copy_code": {"type": "coupon_code", "coupon_code": value},
        }[kind]
        index = str(button.get("index", place))
        components.append({"type": "button", "sub_type": kind, "index": index, "parameters": [parameter]})
    template: dict[str, Any] = {"name": extra["template"], "language": {"code": extra.get("language", "")}}
    if components:
        template["components"] = components
    return {"type": "template", "template": template}


def _text(value: Any) -> dict[str, Any]:
    """A parameter holds neither line breaks nor tabs nor four spaces in a row."""
    return {"type": "text", "text": " ".join(str(value).split()) or "-"}


def _image(link: str) -> dict[str, Any]:
    return {"type": "image", "image": {"link": link}}
