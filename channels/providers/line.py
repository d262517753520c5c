"""Sends through a LINE Official Account; one message to many goes out in one call.

https://developers.line.biz/en/reference/messaging-api/. A short-lived token is asked for with the channel's
id and secret. Each message has a retry key of its own, which LINE remembers for 24 hours: a second copy of
one that was taken is answered 409, which tells us that the first arrived.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.utils.translation import gettext_lazy

from channels import signatures
from channels.http import Answer, Request
from channels.keywords import Asked
from channels.kinds import clean_line_user
from channels.messages import Arrival, Fact, Fault, Outcome, Rendered, Reply
from channels.models import ChannelConfiguration
from channels.providers.base import Reading, Step, secrets_of
from channels.providers.keywords_form import KeywordsForm
from channels.providers.over_http import (
    AddressField,
    ClosedLane,
    NotWritable,
    SecretField,
    as_json,
    asked,
    at,
    in_words,
    opened,
    parsed,
    text_at,
)
from channels.providers.signing_in import SigningInLane
from common.errors import Invalid, Problem
from common.wording import worded as _

KEYS = uuid.UUID("5e0a2ad3-3c41-4bb1-9d06-0f0a4f2c8a51")
MAX_TEXT = 5000  # UTF-16 code units
MAX_BODY = 500_000
SPENT = "monthly limit"  # of the two things that 429 can mean
WHOLE = {"follow": str(Asked.START), "unfollow": str(Asked.STOP)}


class LineForm(KeywordsForm):
    secret_fields = ("channel_secret",)
    secret_goes_to = ("channel_id", "api_url")

    channel_id = forms.RegexField(
        label=gettext_lazy("Channel ID"),
        regex=r"^[0-9]{6,20}$",
        error_messages={"invalid": gettext_lazy("A channel ID is digits.")},
        help_text=gettext_lazy("LINE Developers Console → your Messaging API channel → Basic settings."),
    )
    channel_secret = SecretField(label=gettext_lazy("Channel secret"))
    api_url = AddressField(label=gettext_lazy("API address"), initial="https://api.line.me")


class Line:
    key = "line"
    channels = ("line",)
    label = gettext_lazy("LINE")
    about = gettext_lazy("Messages to the followers of a LINE Official Account (Messaging API).")
    Form = LineForm

    def open(self, configuration: ChannelConfiguration) -> LineLane | ClosedLane:
        return opened(LineLane, configuration)

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        lane = self.open(configuration)
        if isinstance(lane, ClosedLane):
            return [Step(_("Read the settings"), False, lane.outcome.detail)]
        try:
            name = _("Sign in as channel %(id)s") % {"id": lane.channel_id}
            if (trouble := await lane.sign_in(is_anew=True)) is not None:
                return [Step(name, False, in_words(trouble))]
            steps = [Step(name, True, _("Signed in."))]
            for question, path, read in (
                (_("Ask whose account it is"), "info", lane.read_account),
                (_("Ask how many messages are left this month"), "message/quota", lane.read_quota),
                (_("Ask how many were sent"), "message/quota/consumption", lane.read_usage),
            ):
                request = Request("GET", f"{lane.base}/v2/bot/{path}", lane.headers)
                steps.append(await asked(question, lane, request, read))
            return steps
        finally:
            await lane.close()

    def read_receipts(self, configuration: ChannelConfiguration, arrival: Arrival) -> Reading:
        """What followers do and write. LINE tells nothing of a message's delivery."""
        secret = secrets_of(configuration).get("channel_secret", "")
        proof = signatures.body_hmac(arrival, secret, header="x-line-signature")
        try:
            body = json.loads(arrival.body)
        except (ValueError, RecursionError) as error:
            raise Invalid(Problem("bad_receipt", _("The receipt is not JSON."))) from error
        events = at(body, "events")
        found = (
            _reply(one, text_at(body, "destination")) for one in (events if isinstance(events, list) else [])
        )
        return Reading(proof, replies=tuple(one for one in found if one is not None))


def _reply(event: Any, ours: str) -> Reply | None:
    user, kind = text_at(event, "source", "userId"), text_at(event, "type")
    text = text_at(event, "message", "text")
    if not user or not (kind in WHOLE or (kind == "message" and text)):
        return None
    stamp = at(event, "timestamp")
    is_time = isinstance(stamp, int) and 0 < stamp < 10**14
    when = datetime.fromtimestamp(stamp / 1000, UTC) if is_time else None
    return Reply(
        event_id=text_at(event, "webhookEventId"),
        sender=user,
        recipient=ours,
        text=text,
        at=when,
        asks=WHOLE.get(kind, ""),
    )


class LineLane(SigningInLane):
    batch_size = 500  # of one multicast

    def __init__(self, configuration: ChannelConfiguration) -> None:
        """Raises SealBroken, or KeyError or ValueError when a setting is missing."""
        super().__init__()
        chosen, secrets = configuration.settings, secrets_of(configuration)
        self.channel_id, self.base = str(chosen["channel_id"]), str(chosen["api_url"]).rstrip("/")
        self.secret = secrets["channel_secret"]
        if not self.secret:
            raise ValueError("no secret")
        self.hidden = (self.secret,)
        self.identity = f"{self.base} {self.channel_id} {self.secret}"
        self.configuration_id = configuration.pk

    def question(self) -> Request:
        """https://developers.line.biz/en/reference/messaging-api/#issue-stateless-channel-access-token"""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.channel_id,
            "client_secret": self.secret,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return Request("POST", f"{self.base}/oauth2/v3/token", headers, urlencode(form).encode())

    # ---- sending --------------------------------------------------------------------------------
    def write(self, message: Rendered) -> Request:
        user, body = written(message)
        return self._request("push", {"to": user, **body}, [message.key])

    async def send_many(self, messages: Sequence[Rendered]) -> list[Outcome]:
        """Those who get the very same go out in one multicast, everybody else by themselves."""
        outcomes: dict[int, Outcome] = {}
        alike: dict[str, list[int]] = defaultdict(list)
        for number, message in enumerate(messages):
            try:
                alike[as_json(written(message)[1]).decode()].append(number)
            except NotWritable as error:
                outcomes[number] = Outcome(Fact.REFUSED, "", str(error)[:500], fault=error.fault)
        for numbers in alike.values():
            same = [messages[number] for number in numbers]
            said = [await self.send(same[0])] if len(same) == 1 else await self._multicast(same)
            outcomes.update(zip(numbers, said, strict=True))
        return [outcomes[number] for number in range(len(messages))]

    async def _multicast(self, messages: list[Rendered]) -> list[Outcome]:
        """One outcome for all, unless LINE finds fault with one of them: then each goes by itself."""
        if (trouble := await self.sign_in()) is not None:
            return [trouble] * len(messages)
        users = list(dict.fromkeys(message.recipient for message in messages))
        body = {"to": users, **written(messages[0])[1]}
        request = self._request("multicast", body, [message.key for message in messages])
        outcome = await self.exchange(request, self.read)
        self.forget(outcome)
        if outcome.fact is Fact.REFUSED:
            return [await self.send(message) for message in messages]
        return [outcome] * len(messages)

    def _request(self, call: str, body: dict[str, Any], keys: list[str]) -> Request:
        named = uuid.uuid5(KEYS, " ".join([str(self.configuration_id), *sorted(keys)]))
        octets = as_json(body)
        if len(octets) > MAX_BODY:
            raise NotWritable(_("The message is too long."), Fault.CONTENT)
        headers = {**self.headers, "X-Line-Retry-Key": str(named)}
        return Request("POST", f"{self.base}/v2/bot/message/{call}", headers, octets)

    def read(self, answer: Answer) -> Outcome:
        body = parsed(answer)
        request_id = answer.headers.get("x-line-request-id", "")
        sent = text_at(body, "sentMessages", 0, "id")
        detail = text_at(body, "message")
        if answer.status == 409:
            taken = answer.headers.get("x-line-accepted-request-id", "")
            return Outcome(Fact.ACCEPTED, "409", detail, provider_id=sent or taken)
        if answer.status == 200 and isinstance(body, dict):
            return Outcome(Fact.ACCEPTED, "200", provider_id=sent or request_id)
        if 200 <= answer.status < 300:
            return self.unreadable(answer)
        if answer.status == 429 and SPENT in detail:
            return Outcome(Fact.MISCONFIGURED, "429", detail)
        outcome = self.by_status(answer, detail)
        if outcome.fact is Fact.REFUSED:
            named = [text_at(one, "property") for one in at(body, "details") or [] if isinstance(one, dict)]
            is_address = "to" in named or "'to'" in detail
            fault = Fault.ADDRESS if is_address else (Fault.CONTENT if named else outcome.fault)
            more = "; ".join(text_at(one, "message") for one in at(body, "details") or [])
            return Outcome(Fact.REFUSED, outcome.code, f"{outcome.detail} {more}".strip(), fault=fault)
        return outcome

    # ---- rehearsing -----------------------------------------------------------------------------
    def read_account(self, answer: Answer) -> Outcome:
        body = parsed(answer)
        if answer.status == 200 and (name := text_at(body, "basicId")):
            shown = {"name": text_at(body, "displayName"), "id": name}
            return Outcome(Fact.ACCEPTED, "", _("It is %(name)s (%(id)s).") % shown)
        return self.read(answer)

    def read_quota(self, answer: Answer) -> Outcome:
        body = parsed(answer)
        if answer.status == 200 and text_at(body, "type") == "none":
            return Outcome(Fact.ACCEPTED, "", _("There is no limit."))
        if answer.status == 200 and (value := text_at(body, "value")):
            return Outcome(Fact.ACCEPTED, "", _("%(count)s messages a month.") % {"count": value})
        return self.read(answer)

    def read_usage(self, answer: Answer) -> Outcome:
        if answer.status == 200 and (used := text_at(parsed(answer), "totalUsage")):
            return Outcome(Fact.ACCEPTED, "", _("%(count)s were sent this month.") % {"count": used})
        return self.read(answer)


def written(message: Rendered) -> tuple[str, dict[str, Any]]:
    """The user's id and what is the same for all who get the same. Raises NotWritable."""
    try:
        user = clean_line_user(message.recipient)
    except Invalid as error:
        raise NotWritable(error.detail, Fault.ADDRESS) from error
    entries = list(message.extra.get("messages") or [])
    text = message.text.strip()
    if not entries and not text:
        raise NotWritable(_("The message is empty."), Fault.CONTENT)
    if len(text.encode("utf-16-le", "replace")) > 2 * MAX_TEXT:
        raise NotWritable(_("The text is longer than 5,000 characters."), Fault.CONTENT)
    body: dict[str, Any] = {"messages": entries or [{"type": "text", "text": text}]}
    if message.extra.get("silent"):
        body["notificationDisabled"] = True
    return user, body
