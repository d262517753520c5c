"""Sends SMS through Infobip, up to 500 messages in one request.

https://www.infobip.com/docs/api/channels/sms (version 3); statuses and errors:
https://www.infobip.com/docs/essentials/response-status-and-error-codes. A message's id is our own key, so a
second copy of one that was taken is recognised and refused there, which tells us that the first arrived.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

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
    NotWritable,
    SecretField,
    as_json,
    asked,
    at,
    meant,
    moment,
    opened,
    parsed,
    receipts_url,
    sms_of,
    text_at,
)
from channels.providers.sms_form import SmsForm
from common.errors import Invalid, Problem
from common.wording import worded as _

REFUSED, LATER, MISCONFIGURED = Fact.REFUSED, Fact.LATER, Fact.MISCONFIGURED
TAKEN = {"ACCEPTED", "PENDING", "DELIVERED"}  # groups of a send's own answer
CODES: dict[str, Meaning] = {
    "REJECTED_DUPLICATE_MESSAGE_ID": (Fact.ACCEPTED, None),  # the first copy was taken
    "REJECTED_PREFIX_MISSING": (REFUSED, Fault.ADDRESS),
    "REJECTED_DESTINATION": (REFUSED, Fault.OPTED_OUT),  # on a block list
    "REJECTED_INVALID_DESTINATION": (REFUSED, Fault.ADDRESS),
    "MISSING_TO": (REFUSED, Fault.ADDRESS),
    "REJECTED_DND": (REFUSED, Fault.OPTED_OUT),  # on a do-not-disturb register
    "REJECTED_SOURCE": (MISCONFIGURED, None),
    "REJECTED_SENDER": (MISCONFIGURED, None),
    "REJECTED_NOT_ENOUGH_CREDITS": (MISCONFIGURED, None),
    "REJECTED_PREPAID_PACKAGE_EXPIRED": (MISCONFIGURED, None),
    "REJECTED_DESTINATION_NOT_REGISTERED": (REFUSED, Fault.SENDER),  # trial account
    "REJECTED_ROUTE_NOT_AVAILABLE": (REFUSED, Fault.SENDER),
    "REJECTED_NETWORK": (REFUSED, Fault.SENDER),
    "REJECTED_FLOODING_FILTER": (LATER, None),  # so many an hour for one number
    "REJECTED_SYSTEM_ERROR": (LATER, None),
    "REJECTED_MESSAGE_TOO_LONG": (REFUSED, Fault.CONTENT),
    "REJECTED_INVALID_UDH": (REFUSED, Fault.CONTENT),
    "UNAUTHORIZED": (MISCONFIGURED, None),
    "E401": (MISCONFIGURED, None),
    "E403": (MISCONFIGURED, None),
    "TOO_MANY_REQUESTS": (LATER, None),
    "E429": (LATER, None),
}
LATE_FAULTS = {  # of the error in a delivery report
    "EC_UNKNOWN_SUBSCRIBER": Fault.ADDRESS,
    "EC_ILLEGAL_SUBSCRIBER": Fault.ADDRESS,
    "EC_DEST_ADDRESS_BLACKLISTED": Fault.OPTED_OUT,
}
GROUPS = {
    "DELIVERED": Happened.DELIVERED,
    "UNDELIVERABLE": Happened.FAILED,
    "EXPIRED": Happened.FAILED,
    "REJECTED": Happened.FAILED,
    "PENDING": Happened.SENT,
}


class InfobipForm(SmsForm):
    secret_fields = ("api_key", "webhook_password")
    secret_goes_to = ("api_url",)

    api_url = AddressField(
        label=gettext_lazy("Base URL"),
        help_text=gettext_lazy("Your account’s own, such as https://xxxxx.api.infobip.com."),
    )
    sender = forms.CharField(
        label=gettext_lazy("Sender"), max_length=40, help_text=gettext_lazy("A number or a name.")
    )
    api_key = SecretField(label=gettext_lazy("API key"))
    webhook_username = forms.CharField(
        label=gettext_lazy("User name for receipts"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("With the password, what Infobip signs in with when it sends receipts."),
    )
    webhook_password = SecretField(label=gettext_lazy("Password for receipts"))


class Infobip:
    key = "infobip"
    channels = ("sms",)
    label = gettext_lazy("Infobip")
    about = gettext_lazy("SMS through an Infobip account.")
    Form = InfobipForm

    def open(self, configuration: ChannelConfiguration) -> InfobipLane | ClosedLane:
        return opened(InfobipLane, configuration)

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        lane = self.open(configuration)
        if isinstance(lane, ClosedLane):
            return [Step(_("Read the settings"), False, lane.outcome.detail)]
        try:
            question = Request("GET", f"{lane.base}/account/1/balance", lane.headers)
            return [await asked(_("Sign in and ask for the balance"), lane, question, lane.read_balance)]
        finally:
            await lane.close()

    def read_receipts(self, configuration: ChannelConfiguration, arrival: Arrival) -> Reading:
        proof = signatures.basic(
            arrival,
            username=str(configuration.settings.get("webhook_username", "")),
            password=secrets_of(configuration).get("webhook_password", ""),
        )
        try:
            results = at(json.loads(arrival.body), "results")
        except (ValueError, RecursionError) as error:
            raise Invalid(Problem("bad_receipt", _("The receipt is not JSON."))) from error
        found = [one for one in results if text_at(one, "messageId")] if isinstance(results, list) else []
        receipts = [_receipt(one) for one in found if text_at(one, "status", "groupName") in GROUPS]
        replies = [_reply(one) for one in found if at(one, "status") is None and at(one, "text") is not None]
        return Reading(proof, tuple(receipts), tuple(replies))


def _receipt(one: Any) -> Receipt:
    key, status = text_at(one, "messageId"), text_at(one, "status", "name")
    error = text_at(one, "error", "name")
    is_about_error = error not in ("", "NO_ERROR")
    is_passing = is_about_error and at(one, "error", "permanent") is False
    said = text_at(one, *(("error",) if is_about_error else ("status",)), "description")
    return Receipt(
        event_id=f"{key}:{status}",
        happened=GROUPS[text_at(one, "status", "groupName")],
        provider_id=key,
        key=text_at(one, "callbackData") or key,
        code=error if is_about_error else status,
        detail=said[:500],
        fault=None if is_passing else LATE_FAULTS.get(error, CODES.get(status, (None, None))[1]),
        at=moment(text_at(one, "doneAt")),
    )


def _reply(one: Any) -> Reply:
    sender = text_at(one, "from")
    person = f"+{sender.lstrip('+')}" if sender.lstrip("+").isdigit() else sender
    received_at = moment(text_at(one, "receivedAt"))
    return Reply(text_at(one, "messageId"), person, text_at(one, "to"), text_at(one, "text"), received_at)


class InfobipLane(HttpLane):
    batch_size = 500

    def __init__(self, configuration: ChannelConfiguration) -> None:
        """Raises SealBroken, or KeyError or ValueError when a setting is missing."""
        super().__init__()
        chosen, secrets = configuration.settings, secrets_of(configuration)
        self.base, self.sender = str(chosen["api_url"]).rstrip("/"), str(chosen["sender"])
        if not secrets["api_key"]:
            raise ValueError("no secret")
        self.headers = {
            "Authorization": f"App {secrets['api_key']}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        self.hidden = tuple(secrets.values())
        self.receipts = receipts_url(configuration)

    async def send(self, message: Rendered) -> Outcome:
        return (await self.send_many([message]))[0]

    async def send_many(self, messages: Sequence[Rendered]) -> list[Outcome]:
        """What cannot be written is refused by itself and holds up nothing."""
        outcomes: dict[int, Outcome] = {}
        written: dict[int, dict[str, Any]] = {}
        for number, message in enumerate(messages):
            try:
                written[number] = self.entry(message)
            except NotWritable as error:
                outcomes[number] = Outcome(Fact.REFUSED, "", str(error)[:500], fault=error.fault)
        if written:
            body = as_json({"messages": list(written.values())})
            request = Request("POST", f"{self.base}/sms/3/messages", self.headers, body)
            entries: dict[str, Outcome] = {}
            whole = await self.exchange(request, lambda answer: self.read_many(answer, entries))
            if whole.fact is Fact.REFUSED and len(written) > 1:  # one of them is at fault, and none was taken
                return await self._halves(messages)
            for number in written:
                outcomes[number] = entries.get(messages[number].key[:200], whole)
        return [outcomes[number] for number in range(len(messages))]

    async def _halves(self, messages: Sequence[Rendered]) -> list[Outcome]:
        middle = len(messages) // 2
        return [*await self.send_many(messages[:middle]), *await self.send_many(messages[middle:])]

    def entry(self, message: Rendered) -> dict[str, Any]:
        """Raises NotWritable."""
        recipient, text = sms_of(message)
        entry: dict[str, Any] = {
            "sender": self.sender.lstrip("+"),
            "destinations": [{"to": recipient.lstrip("+"), "messageId": message.key[:200]}],
            "content": {"text": text},
        }
        if self.receipts:
            hook = {"delivery": {"url": self.receipts}, "contentType": "application/json"}
            entry["webhooks"] = {**hook, "callbackData": message.key[:200]}
        return entry

    def read_many(self, answer: Answer, entries: dict[str, Outcome]) -> Outcome:
        """Fills in what is said of each message, by its key; returns what holds for all others."""
        body = parsed(answer)
        if not 200 <= answer.status < 300:
            error = at(body, "requestError", "serviceException")
            code = text_at(body, "errorCode") or text_at(error, "messageId")
            detail = text_at(body, "description") or text_at(error, "text")
            return meant(CODES, code, detail, self.by_status(answer, detail))
        found = at(body, "messages")
        for entry in found if isinstance(found, list) else []:
            entries[text_at(entry, "messageId")] = self.read_entry(answer, entry)
        return self.unreadable(answer)

    def read_entry(self, answer: Answer, entry: Any) -> Outcome:
        key, name = text_at(entry, "messageId"), text_at(entry, "status", "name")
        group, detail = text_at(entry, "status", "groupName"), text_at(entry, "status", "description")
        if group in TAKEN and key:
            return Outcome(Fact.ACCEPTED, name, detail[:500], provider_id=key)
        if not group:
            return self.unreadable(answer)
        outcome = meant(CODES, name, detail, Outcome(Fact.REFUSED, name, detail))
        return Outcome(
            outcome.fact, outcome.code[:40], outcome.detail[:500], key[:200], outcome.fault, outcome.wait
        )

    def read_balance(self, answer: Answer) -> Outcome:
        body = parsed(answer)
        if answer.status == 200 and (balance := text_at(body, "balance")):
            shown = {"balance": f"{balance} {text_at(body, 'currency')}".strip()}
            return Outcome(Fact.ACCEPTED, "", _("Signed in. The balance is %(balance)s.") % shown)
        return self.read_many(answer, {})
