"""What providers that speak HTTP share: a lane, a field for an address, and what an HTTP status means.

A provider's own lane writes a message as a Request and reads the Answer as an Outcome. Everything between,
and every way in which it can go wrong, is here.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy

from channels.destinations import check_url
from channels.http import FAILURES, Answer, Client, Failure, Request, said
from channels.messages import Fact, Fault, Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.providers.base import Step
from channels.sealing import SealBroken
from common.errors import Invalid
from common.text import whole_number
from common.wording import joined, rewritten
from common.wording import worded as _

CODE = {"autocomplete": "off", "spellcheck": "false", "class": "mono"}  # of a field for keys, JSON or PEM
MAX_WAIT = 3600.0  # seconds; whoever asks for longer is asked again after that
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
TRY_LATER = {408, 409, 425, 429, 500, 502, 503}
NEVER = {401, 402, 403, 404, 405, 406, 407, 410, 411, 415, 421, 426, 451, 501, 505, 511}

Meaning = tuple[Fact, Fault | None]  # of a vendor's code


Opened = TypeVar("Opened")


class AddressField(forms.CharField):
    """A web address that may be reached."""

    def clean(self, value: Any) -> str:
        text = str(super().clean(value))
        try:
            return check_url(text) if text else ""
        except Invalid as error:
            raise ValidationError(error.detail, code=error.code) from error


class SecretField(forms.CharField):
    """What is stored sealed and never shown again."""

    def __init__(self, **more: Any) -> None:
        kept = gettext_lazy("Stored sealed and never shown. Leave it empty to keep the stored one.")
        hidden = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        super().__init__(
            **{"max_length": 500, "required": False, "help_text": kept, "widget": hidden, **more}
        )


class NotWritable(ValueError):
    """This message cannot be written for the provider."""

    def __init__(self, detail: str, fault: Fault | None = None) -> None:
        super().__init__(detail)
        self.fault = fault


class ClosedLane:
    """A lane that cannot be opened: every message is told why."""

    def __init__(self, detail: str) -> None:
        self.outcome = Outcome(Fact.MISCONFIGURED, "", detail)

    async def send(self, message: Rendered) -> Outcome:
        return self.outcome

    async def close(self) -> None:
        return None


def opened(
    lane: Callable[[ChannelConfiguration], Opened],
    configuration: ChannelConfiguration,
    *,
    unset: tuple[type[Exception], ...] = (),
) -> Opened | ClosedLane:
    """The lane, or one that tells why it is closed. `unset`: what else it raises for want of a setting."""
    faults: tuple[type[Exception], ...] = (KeyError, TypeError, ValueError, *unset)
    try:
        return lane(configuration)
    except (SealBroken, Invalid) as error:
        return ClosedLane(error.detail)
    except faults:
        return ClosedLane(_("A setting is missing."))


class HttpLane:
    """Derived lanes bring `write` and `read`. `hidden` are the secrets, struck from whatever is quoted."""

    hidden: tuple[str, ...] = ()
    quotes = True  # whether the other side's words may be shown

    def __init__(self) -> None:
        self.client = Client()

    def write(self, message: Rendered) -> Request:
        """Raises NotWritable."""
        raise NotImplementedError

    def read(self, answer: Answer) -> Outcome:
        raise NotImplementedError

    async def send(self, message: Rendered) -> Outcome:
        try:
            request = self.write(message)
        except NotWritable as error:
            return Outcome(Fact.REFUSED, "", str(error)[:500], fault=error.fault)
        return await self.exchange(request, self.read)

    async def exchange(self, request: Request, read: Callable[[Answer], Outcome]) -> Outcome:
        try:
            answer = await self.client.exchange(request)
        except Failure as failure:
            return self._struck(Outcome(failure.fact, failure.code, failure.detail))
        return self._struck(read(answer))

    async def close(self) -> None:
        await self.client.close()

    def _struck(self, outcome: Outcome) -> Outcome:
        detail = rewritten(outcome.detail, self._shown)
        detail = detail if len(detail) <= 500 else detail[:500]  # cut, it is a plain text
        return Outcome(
            outcome.fact, outcome.code[:40], detail, outcome.provider_id[:200], outcome.fault,
            outcome.wait,
        )  # fmt: skip

    def _shown(self, text: str) -> str:
        for secret in self.hidden:
            if len(secret) > 3:
                text = text.replace(secret, "•••")
        return said(text)

    # ---- reading --------------------------------------------------------------------------------
    def by_status(self, answer: Answer, detail: str = "") -> Outcome:
        """What the status alone says of a request that was not accepted."""
        code, words = str(answer.status), said(detail) or self.words(answer)
        wait = wait_told(answer)
        if 300 <= answer.status < 400:
            detail = _("The address answers with a redirect, which is never followed.")
            return Outcome(Fact.MISCONFIGURED, code, detail)
        if answer.status in NEVER:
            return Outcome(Fact.MISCONFIGURED, code, words)
        if answer.status in TRY_LATER:
            return Outcome(Fact.LATER, code, words, wait=wait)
        if 400 <= answer.status < 500:
            return Outcome(Fact.REFUSED, code, words, fault=Fault.CONTENT if answer.status == 413 else None)
        if 500 <= answer.status < 600 and answer.status != 504:
            return Outcome(Fact.LATER, code, words, wait=wait)
        return Outcome(Fact.UNCERTAIN, code, words)  # a gateway gave up; whoever is behind it may have it

    def unreadable(self, answer: Answer) -> Outcome:
        """A success by its status, but not in words we know: it may have been taken."""
        detail = _("The answer cannot be read: %(words)s") % {"words": self.words(answer)}
        return Outcome(Fact.UNCERTAIN, str(answer.status), detail)

    def words(self, answer: Answer) -> str:
        status = _("HTTP status %(status)s") % {"status": answer.status}
        text = said(answer.body[:2000].decode("utf-8", "replace")) if self.quotes else ""
        return joined(status, text, by=": ")


def meant(table: Mapping[str, Meaning], code: str, detail: str, otherwise: Outcome) -> Outcome:
    """What a vendor's own code means; `otherwise` where the table does not know it."""
    if code not in table:
        return Outcome(otherwise.fact, code or otherwise.code, detail or otherwise.detail,
                       fault=otherwise.fault, wait=otherwise.wait)  # fmt: skip
    fact, fault = table[code]
    wait = otherwise.wait if fact is Fact.LATER else None
    return Outcome(fact, code, detail or otherwise.detail, fault=fault, wait=wait)


def wait_of(value: str, now: datetime) -> float | None:
    """Retry-After in seconds, from its number or its date (RFC 9110 section 10.2.3); at most an hour."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), MAX_WAIT)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 0.0), MAX_WAIT)


def wait_told(answer: Answer) -> float | None:
    return wait_of(answer.headers.get("retry-after", ""), timezone.now())


def parsed(answer: Answer) -> Any:
    """The answer's JSON; None where there is none."""
    try:
        return answer.json()
    except ValueError:
        return None


def at(value: Any, *path: str | int) -> Any:
    """What stands at a path of names and numbers in parsed JSON; None where the path ends early."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def text_at(value: Any, *path: str | int) -> str:
    """A text or number at a path, as text; empty for anything else."""
    found = at(value, *path)
    is_plain = isinstance(found, str | int | float) and not isinstance(found, bool)
    return str(found)[:1000] if is_plain else ""


def along(value: Any, path: str) -> Any:
    """What stands at a dotted path such as `messages.0.id`; the whole where the path is empty."""
    for step in path.split(".") if path else []:
        place = whole_number(step) if isinstance(value, list) else None
        value = at(value, step if place is None else place)
    return value


def moment(value: Any) -> datetime | None:
    """A vendor's ISO 8601 time; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# ---- writing ------------------------------------------------------------------------------------
def as_json(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def basic_auth(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def sms_of(message: Rendered) -> tuple[str, str]:
    """Recipient and text of an SMS. Raises NotWritable."""
    if not E164.fullmatch(message.recipient):
        raise NotWritable(_("The recipient is not a phone number with its country."), Fault.ADDRESS)
    text = message.text.strip()
    if not text:
        raise NotWritable(_("The message is empty."), Fault.CONTENT)
    return message.recipient, text


def receipts_url(configuration: ChannelConfiguration) -> str:
    """Where the provider may send receipts for this configuration."""
    return str(settings.PUBLIC_URL) + reverse("hooks:receipts", args=[configuration.pk])


def in_words(outcome: Outcome) -> str:
    """What went wrong, after the vendor's own code for it. A code of ours adds nothing to its words."""
    return outcome.detail if outcome.code in FAILURES else joined(outcome.code, outcome.detail)


async def asked(name: str, lane: HttpLane, request: Request, read: Callable[[Answer], Outcome]) -> Step:
    """One question of a rehearsal, as a step."""
    outcome = await lane.exchange(request, read)
    is_ok = outcome.fact is Fact.ACCEPTED
    return Step(name, is_ok, outcome.detail if is_ok else in_words(outcome))
