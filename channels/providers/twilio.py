"""Sends SMS through Twilio's Programmable Messaging, one request for each message.

https://www.twilio.com/docs/messaging/api/message-resource; codes: https://www.twilio.com/docs/api/errors.
Twilio has no key of ours to recognise a second copy by; ours travels in the address for receipts.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from channels import signatures
from channels.http import Answer, Request
from channels.kinds import clean_sms_sender
from channels.messages import Arrival, Fact, Fault, Happened, Outcome, Receipt, Rendered, Reply
from channels.models import ChannelConfiguration
from channels.providers.base import Part, Reading, Step, secrets_of
from channels.providers.keywords_form import REPLIES
from channels.providers.over_http import (
    AddressField,
    ClosedLane,
    HttpLane,
    Meaning,
    SecretField,
    asked,
    at,
    basic_auth,
    meant,
    opened,
    parsed,
    receipts_url,
    sms_of,
    text_at,
)
from channels.providers.sms_form import SmsForm
from common.errors import Invalid
from common.wording import worded as _

SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
REFUSED, LATER, MISCONFIGURED = Fact.REFUSED, Fact.LATER, Fact.MISCONFIGURED
CODES: dict[str, Meaning] = {
    "20003": (MISCONFIGURED, None),  # authentication
    "20005": (MISCONFIGURED, None),  # account not active
    "20008": (MISCONFIGURED, None),  # test credentials
    "20404": (MISCONFIGURED, None),  # no such account
    "20429": (LATER, None),
    "14107": (LATER, None),  # rate of this sender
    "21211": (REFUSED, Fault.ADDRESS),  # invalid To
    "21212": (MISCONFIGURED, None),  # invalid From
    "21408": (REFUSED, Fault.SENDER),  # no permission for this country
    "21601": (MISCONFIGURED, None),  # From cannot send SMS
    "21602": (REFUSED, Fault.CONTENT),  # no body
    "21603": (MISCONFIGURED, None),  # no From
    "21606": (MISCONFIGURED, None),  # From is not ours
    "21608": (REFUSED, Fault.SENDER),  # trial account, number not verified
    "21610": (REFUSED, Fault.OPTED_OUT),
    "21611": (LATER, None),  # the sender's queue is full
    "21612": (REFUSED, Fault.SENDER),  # no way from this From to this To
    "21614": (REFUSED, Fault.ADDRESS),  # not a mobile number
    "21617": (REFUSED, Fault.CONTENT),  # longer than 1,600 characters
    "21619": (REFUSED, Fault.CONTENT),
    "21635": (REFUSED, Fault.ADDRESS),  # a landline
    "21654": (MISCONFIGURED, None),
    "21659": (MISCONFIGURED, None),  # From is no Twilio number
    "21660": (MISCONFIGURED, None),  # From belongs to another account
    "21661": (MISCONFIGURED, None),
    "21701": (MISCONFIGURED, None),  # no such messaging service
    "21703": (MISCONFIGURED, None),  # the messaging service has no senders
    "30002": (MISCONFIGURED, None),  # account suspended
}
LATE_FAULTS = {  # of a message that was accepted and failed
    "30003": None,  # handset off or out of reach
    "30004": Fault.OPTED_OUT,  # blocked by the person or the carrier
    "30005": Fault.ADDRESS,  # unknown
    "30006": Fault.ADDRESS,  # landline
    "30007": Fault.SENDER,  # filtered
    "21610": Fault.OPTED_OUT,
    "21614": Fault.ADDRESS,
}
STATUSES = {
    "sent": Happened.SENT,
    "delivered": Happened.DELIVERED,
    "read": Happened.OPENED,
    "undelivered": Happened.FAILED,
    "failed": Happened.FAILED,
    "canceled": Happened.FAILED,
}


class TwilioForm(SmsForm):
    secret_fields = ("auth_token", "api_key_secret")
    secret_goes_to = ("account_sid", "api_key", "api_url")
    parts = (Part(gettext_lazy("Sign in with an API key"), ("api_key", "api_key_secret")), REPLIES)

    account_sid = forms.RegexField(
        label=gettext_lazy("Account SID"),
        regex=r"^AC[0-9a-fA-F]{32}$",
        error_messages={"invalid": gettext_lazy("An account SID is AC and 32 hexadecimal digits.")},
        help_text=gettext_lazy("Twilio Console → Account info; the auth token stands below it."),
    )
    sender = forms.CharField(
        label=gettext_lazy("Sender"),
        max_length=40,
        help_text=gettext_lazy("A number, a short code, a name, or a messaging service SID (MG…)."),
    )
    auth_token = SecretField(label=gettext_lazy("Auth token"))
    api_key = forms.RegexField(
        label=gettext_lazy("API key SID"),
        regex=r"^SK[0-9a-fA-F]{32}$",
        required=False,
        help_text=gettext_lazy("Optional. Then messages are sent with it; the token checks receipts."),
    )
    api_key_secret = SecretField(label=gettext_lazy("API key secret"))
    api_url = AddressField(
        label=gettext_lazy("API address"),
        initial="https://api.twilio.com",
        help_text=gettext_lazy("Another region has another address."),
    )

    def clean_sender(self) -> str:
        sender: str = self.cleaned_data["sender"].strip()
        try:
            return sender if SERVICE.fullmatch(sender) else clean_sms_sender(sender)
        except Invalid as error:
            raise ValidationError(error.detail, code=error.code) from error


class Twilio:
    key = "twilio"
    channels = ("sms",)
    label = gettext_lazy("Twilio")
    about = gettext_lazy("SMS through a Twilio account.")
    Form = TwilioForm

    def open(self, configuration: ChannelConfiguration) -> TwilioLane | ClosedLane:
        return opened(TwilioLane, configuration)

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        lane = self.open(configuration)
        if isinstance(lane, ClosedLane):
            return [Step(_("Read the settings"), False, lane.outcome.detail)]
        try:
            name = _("Sign in as %(account)s and look for the sender") % {"account": lane.account}
            return [await asked(name, lane, lane.question(), lane.read_numbers)]
        finally:
            await lane.close()

    def read_receipts(self, configuration: ChannelConfiguration, arrival: Arrival) -> Reading:
        proof = signatures.twilio(arrival, secrets_of(configuration).get("auth_token", ""))
        fields = dict(parse_qsl(arrival.body.decode("utf-8", "replace"), keep_blank_values=True))
        sid, status = fields.get("MessageSid", ""), fields.get("MessageStatus", "")
        if "Body" in fields and status in ("", "received"):
            reply = Reply(sid, fields.get("From", ""), fields.get("To", ""), fields["Body"])
            return Reading(proof, replies=(reply,))
        if status not in STATUSES:
            return Reading(proof)  # queued, sending, accepted: nothing we do not know
        code = fields.get("ErrorCode", "")
        receipt = Receipt(
            event_id=f"{sid}:{status}",
            happened=STATUSES[status],
            provider_id=sid,
            key=dict(parse_qsl(urlsplit(arrival.url).query)).get("key", ""),
            code=code,
            detail=fields.get("ErrorMessage", "")[:500],
            fault=LATE_FAULTS.get(code),
        )
        return Reading(proof, receipts=(receipt,))


class TwilioLane(HttpLane):
    def __init__(self, configuration: ChannelConfiguration) -> None:
        """Raises SealBroken, or KeyError or ValueError when a setting is missing."""
        super().__init__()
        chosen, secrets = configuration.settings, secrets_of(configuration)
        self.account, self.sender = str(chosen["account_sid"]), str(chosen["sender"])
        user = str(chosen.get("api_key") or self.account)
        secret = secrets["api_key_secret" if chosen.get("api_key") else "auth_token"]
        if not secret:
            raise ValueError("no secret")
        self.headers = {
            "Authorization": basic_auth(user, secret),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self.hidden = tuple(secrets.values())
        self.base = f"{str(chosen['api_url']).rstrip('/')}/2010-04-01/Accounts/{quote(self.account)}"
        self.receipts = receipts_url(configuration)

    def write(self, message: Rendered) -> Request:
        recipient, text = sms_of(message)
        fields = {"To": recipient, "Body": text}
        fields["MessagingServiceSid" if SERVICE.fullmatch(self.sender) else "From"] = self.sender
        if self.receipts:
            fields["StatusCallback"] = f"{self.receipts}?{urlencode({'key': message.key})}"
        body = urlencode(fields, errors="replace").encode()
        return Request("POST", f"{self.base}/Messages.json", self.headers, body)

    def read(self, answer: Answer) -> Outcome:
        body = parsed(answer)
        if 200 <= answer.status < 300:
            sid = text_at(body, "sid")
            if not sid:
                return self.unreadable(answer)
            return Outcome(Fact.ACCEPTED, str(answer.status), text_at(body, "status"), provider_id=sid)
        detail = text_at(body, "message")
        return meant(CODES, text_at(body, "code"), detail, self.by_status(answer, detail))

    def question(self) -> Request:
        query = {"PageSize": "1"}
        if self.sender.startswith("+"):
            query["PhoneNumber"] = self.sender
        return Request("GET", f"{self.base}/IncomingPhoneNumbers.json?{urlencode(query)}", self.headers)

    def read_numbers(self, answer: Answer) -> Outcome:
        found = at(parsed(answer), "incoming_phone_numbers")
        if answer.status != 200 or not isinstance(found, list):
            return self.read(answer)
        if self.sender.startswith("+") and not found:
            detail = _("The number %(number)s is not in this account.") % {"number": self.sender}
            return Outcome(Fact.MISCONFIGURED, "", detail)
        return Outcome(Fact.ACCEPTED, "", _("Signed in. The sender can be used."))
