"""Sends SMS through Vonage's Messages API, one request for each message.

https://developer.vonage.com/en/api/messages; codes: https://developer.vonage.com/en/api-errors/messages.
The account's SMS setting must be “Messages API”, so that receipts come in that form.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.utils.translation import gettext_lazy

from channels import signatures
from channels.http import Answer, Request
from channels.messages import Arrival, Fact, Fault, Happened, Outcome, Receipt, Rendered, Reply
from channels.models import ChannelConfiguration
from channels.providers.base import Reading, Step, secrets_of
from channels.providers.over_http import (
    AddressField,
    ClosedLane,
    HttpLane,
    Meaning,
    SecretField,
    as_json,
    asked,
    at,
    basic_auth,
    meant,
    moment,
    opened,
    parsed,
    receipts_url,
    sms_of,
    text_at,
)
from channels.providers.sms_form import SmsForm
from channels.segments import segment
from common.errors import Invalid, Problem
from common.wording import worded as _

REFUSED, LATER, MISCONFIGURED = Fact.REFUSED, Fact.LATER, Fact.MISCONFIGURED
CODES: dict[str, Meaning] = {
    "1000": (LATER, None),  # throttled
    "1010": (REFUSED, None),
    "1030": (LATER, None),  # internal error
    "1040": (REFUSED, None),  # “unable to process”, which may be the number or the message
    "1050": (REFUSED, Fault.ADDRESS),  # number barred
    "1060": (MISCONFIGURED, None),  # account barred
    "1070": (MISCONFIGURED, None),  # no credit
    "1080": (MISCONFIGURED, None),
    "1090": (REFUSED, Fault.CONTENT),  # too long
    "1100": (LATER, None),  # not submitted
    "1120": (MISCONFIGURED, None),  # sender
    "1140": (MISCONFIGURED, None),  # facility not enabled
    "1160": (REFUSED, Fault.SENDER),  # trial account, number not on its list
    "1170": (REFUSED, Fault.ADDRESS),  # invalid number
    "1180": (LATER, None),  # absent for now
    "1190": (REFUSED, Fault.ADDRESS),  # absent for ever
    "1210": (REFUSED, Fault.SENDER),  # taken for spam
    "1220": (LATER, None),  # handset busy
    "1230": (LATER, None),  # network
    "1240": (REFUSED, Fault.OPTED_OUT),
    "1420": (MISCONFIGURED, None),  # sender
    "1430": (REFUSED, Fault.ADDRESS),
    "1460": (LATER, None),  # the day's limit
    "unauthorized": (MISCONFIGURED, None),
    "forbidden": (MISCONFIGURED, None),
    "unprovisioned": (MISCONFIGURED, None),
    "account-suspended": (MISCONFIGURED, None),
    "low-balance": (MISCONFIGURED, None),
    "invalid-api-key": (MISCONFIGURED, None),
    "throttled": (LATER, None),
}
PARAMETERS = {  # what an “invalid parameters” answer names
    "to": (REFUSED, Fault.ADDRESS),
    "from": (MISCONFIGURED, None),
    "text": (REFUSED, Fault.CONTENT),
}
STATUSES = {
    "submitted": Happened.SENT,
    "delivered": Happened.DELIVERED,
    "read": Happened.OPENED,
    "rejected": Happened.FAILED,
    "undeliverable": Happened.FAILED,
}


class VonageForm(SmsForm):
    secret_fields = ("api_secret", "signature_secret")
    secret_goes_to = ("api_key", "api_url")

    api_key = forms.RegexField(
        label=gettext_lazy("API key"),
        regex=r"^[0-9A-Za-z]{6,40}$",
        error_messages={"invalid": gettext_lazy("An API key is letters and digits.")},
        help_text=gettext_lazy("Vonage dashboard → API settings; the secret stands beside it."),
    )
    sender = forms.CharField(
        label=gettext_lazy("Sender"), max_length=40, help_text=gettext_lazy("A number or a name.")
    )
    api_secret = SecretField(label=gettext_lazy("API secret"))
    signature_secret = SecretField(
        label=gettext_lazy("Signature secret"),
        help_text=gettext_lazy("From the account’s settings; it checks receipts."),
    )
    api_url = AddressField(
        label=gettext_lazy("API address"),
        initial="https://api.nexmo.com",
        help_text=gettext_lazy("Another region has another address."),
    )


class Vonage:
    key = "vonage"
    channels = ("sms",)
    label = gettext_lazy("Vonage")
    about = gettext_lazy("SMS through a Vonage account (Messages API).")
    Form = VonageForm

    def open(self, configuration: ChannelConfiguration) -> VonageLane | ClosedLane:
        return opened(VonageLane, configuration)

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        lane = self.open(configuration)
        if isinstance(lane, ClosedLane):
            return [Step(_("Read the settings"), False, lane.outcome.detail)]
        try:
            name = _("Sign in as %(account)s and ask for the balance") % {"account": lane.api_key}
            return [await asked(name, lane, lane.question(), lane.read_balance)]
        finally:
            await lane.close()

    def read_receipts(self, configuration: ChannelConfiguration, arrival: Arrival) -> Reading:
        proof = signatures.vonage(
            arrival,
            secrets_of(configuration).get("signature_secret", ""),
            api_key=str(configuration.settings.get("api_key", "")),
        )
        try:
            body = json.loads(arrival.body)
        except (ValueError, RecursionError) as error:
            raise Invalid(Problem("bad_receipt", _("The receipt is not JSON."))) from error
        uuid, status = text_at(body, "message_uuid"), text_at(body, "status")
        if not status and at(body, "text") is not None:
            sender, recipient = text_at(body, "from"), text_at(body, "to")
            sent_at = moment(text_at(body, "timestamp"))
            reply = Reply(uuid, f"+{sender.lstrip('+')}", recipient, text_at(body, "text"), sent_at)
            return Reading(proof, replies=(reply,))
        if status not in STATUSES or not uuid:
            return Reading(proof)
        code, detail = problem_of(at(body, "error"))
        receipt = Receipt(
            event_id=f"{uuid}:{status}",
            happened=STATUSES[status],
            provider_id=uuid,
            key=text_at(body, "client_ref"),
            code=code,
            detail=detail[:500],
            fault=CODES.get(code, (None, None))[1],
            at=moment(text_at(body, "timestamp")),
        )
        return Reading(proof, receipts=(receipt,))


class VonageLane(HttpLane):
    def __init__(self, configuration: ChannelConfiguration) -> None:
        """Raises SealBroken, or KeyError or ValueError when a setting is missing."""
        super().__init__()
        chosen, secrets = configuration.settings, secrets_of(configuration)
        self.api_key, self.sender = str(chosen["api_key"]), str(chosen["sender"])
        if not secrets["api_secret"]:
            raise ValueError("no secret")
        self.headers = {
            "Authorization": basic_auth(self.api_key, secrets["api_secret"]),
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        self.hidden = tuple(secrets.values())
        self.base = str(chosen["api_url"]).rstrip("/")
        self.receipts = receipts_url(configuration)

    def write(self, message: Rendered) -> Request:
        recipient, text = sms_of(message)
        body: dict[str, Any] = {
            "channel": "sms",
            "message_type": "text",
            "to": recipient.lstrip("+"),
            "from": self.sender.lstrip("+"),
            "text": text,
            "client_ref": message.key[:100],
            "sms": {"encoding_type": "text" if segment(text).encoding == "GSM-7" else "unicode"},
        }
        if self.receipts:
            body["webhook_url"], body["webhook_version"] = self.receipts, "v1"
        return Request("POST", f"{self.base}/v1/messages", self.headers, as_json(body))

    def read(self, answer: Answer) -> Outcome:
        body = parsed(answer)
        if 200 <= answer.status < 300:
            uuid = text_at(body, "message_uuid")
            if not uuid:
                return self.unreadable(answer)
            return Outcome(Fact.ACCEPTED, str(answer.status), provider_id=uuid)
        code, detail = problem_of(body)
        outcome = meant(CODES, code, detail, self.by_status(answer, detail))
        named = text_at(body, "invalid_parameters", 0, "name")
        if named in PARAMETERS and code not in CODES:
            fact, fault = PARAMETERS[named]
            reason = text_at(body, "invalid_parameters", 0, "reason")
            return Outcome(fact, code or str(answer.status), f"{detail} {named}: {reason}", fault=fault)
        return outcome

    def question(self) -> Request:
        """The balance stands on the older host, unless the address is one of ours."""
        host = urlsplit(self.base).hostname or ""
        is_theirs = host.endswith((".nexmo.com", ".vonage.com"))
        base = "https://rest.nexmo.com" if is_theirs else self.base
        return Request("GET", f"{base}/account/get-balance", self.headers)

    def read_balance(self, answer: Answer) -> Outcome:
        if answer.status == 200 and (value := text_at(parsed(answer), "value")):
            detail = _("Signed in. The balance is %(balance)s.") % {"balance": value}
            return Outcome(Fact.ACCEPTED, "", detail)
        return self.read(answer)


def problem_of(body: Any) -> tuple[str, str]:
    """Code and words of an RFC 7807 problem; the code is the last part of its type."""
    code = re.split(r"[#/]", text_at(body, "type"))[-1]
    words = [text_at(body, "title"), text_at(body, "detail")]
    return code, ": ".join(word for word in words if word and word != code)
