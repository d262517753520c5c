"""Reads the bodies of calls strictly: every fault is told with its JSON pointer."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from campaigns.delivery.triggered import MOST_RECIPIENTS, Recipient
from channels.kinds import clean_email, clean_phone, clean_push_token
from common.api import is_moment
from common.errors import Invalid, Problem
from common.text import whole_number

MOST_VALUES = 200 * 1024  # bytes of one `context` or `profile`
TO_AUDIENCE = {"requestId", "campaignId", "audience", "context", "schedule"}
BODY = {"requestId", "campaignId", "recipients"}
RECIPIENT = {"type", "userId", "namespace", "channelData", "profile", "context"}
WITHOUT_EFFECT = {"mergePolicyName", "mergePolicySchema"}  # accepted: there is one profile store
RECIPIENT |= WITHOUT_EFFECT

PUSH = {"appID", "platform", "token"}
# Where a userId is an address by itself, and the channels it serves.
BY_USER_ID: dict[str, tuple[Callable[[str], str], tuple[str, ...]]] = {
    "email": (clean_email, ("email",)),
    "phone": (clean_phone, ("sms", "whatsapp")),
}


class Unitary:
    """A checked body: `request_id`, `campaign_id`, `recipients`."""

    types: tuple[str, ...] = ("aep", "external")

    def __init__(self, body: Any) -> None:
        self.problems: list[Problem] = []
        if not isinstance(body, dict):
            raise Invalid(Problem("not_an_object", _("The body must be a JSON object."), ""))
        _storable(body)
        self._known_keys(body, BODY, "")
        self.request_id = self._text(body, "requestId", "", 255)
        self.campaign_id = self._campaign_id(body)
        self.recipients = self._recipients(body.get("recipients"))
        if self.problems:
            raise Invalid(self.problems)

    def _fault(self, code: str, detail: str, pointer: str) -> None:
        self.problems.append(Problem(code, detail, pointer))

    def _known_keys(self, given: dict[str, Any], known: set[str], pointer: str) -> None:
        for key in sorted(set(given) - known):
            self._fault(
                "unknown_field",
                _("There is no field “%(key)s” here.") % {"key": key[:80]},
                f"{pointer}/{key[:80]}",
            )

    def _text(self, given: dict[str, Any], key: str, pointer: str, longest: int) -> str:
        value = given.get(key)
        if isinstance(value, str) and value.strip() and len(value) <= longest and value.isprintable():
            return value
        detail = _("“%(key)s” must be a text of 1 to %(longest)s printable characters.")
        self._fault("bad_text", detail % {"key": key, "longest": longest}, f"{pointer}/{key}")
        return ""

    def _campaign_id(self, body: dict[str, Any]) -> int:
        value = body.get("campaignId")
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if (number := whole_number(text)) is not None:
            return number
        self._fault("bad_campaign_id", _("“campaignId” must be the id of a campaign."), "/campaignId")
        return 0

    def _recipients(self, given: Any) -> list[Recipient]:
        if not isinstance(given, list) or not 1 <= len(given) <= MOST_RECIPIENTS:
            detail = _("“recipients” must be a list of 1 to %(most)s recipients.") % {"most": MOST_RECIPIENTS}
            self._fault("recipient_count", detail, "/recipients")
            return []
        read = [self._recipient(one, f"/recipients/{place}") for place, one in enumerate(given)]
        seen: set[tuple[str, str]] = set()
        for place, one in enumerate(read):
            if one is None:
                continue
            if (name := (one.namespace, _same(one.namespace, one.user_id))) in seen:
                detail = _("This userId stands in the call twice.")
                self._fault("duplicate_recipient", detail, f"/recipients/{place}/userId")
            seen.add(name)
        return [one for one in read if one is not None]

    def _recipient(self, given: Any, pointer: str) -> Recipient | None:
        if not isinstance(given, dict):
            self._fault("not_an_object", _("A recipient must be an object."), pointer)
            return None
        self._known_keys(given, RECIPIENT, pointer)
        if given.get("type") not in self.types:
            detail = _("“type” must be %(types)s here.") % {"types": _(" or ").join(self.types)}
            self._fault("bad_type", detail, f"{pointer}/type")
        context = self._context(given, pointer)
        namespace = self._text(given, "namespace", pointer, 63)
        user_id = self._text(given, "userId", pointer, 500)
        channel_data = self._mapping(given, "channelData", pointer)
        for key in WITHOUT_EFFECT & given.keys():
            self._text(given, key, pointer, 500)
        return Recipient(
            namespace=namespace,
            user_id=user_id,
            addresses=self._addresses(channel_data, f"{pointer}/channelData"),
            profile=self._values(given, "profile", pointer),
            context=context,
        )

    def _context(self, given: dict[str, Any], pointer: str) -> dict[str, Any]:
        context = self._values(given, "context", pointer)
        if "system" in context:
            detail = _("“context.system” is reserved.")
            self._fault("reserved_name", detail, f"{pointer}/context/system")
        return context

    def _values(self, given: dict[str, Any], key: str, pointer: str) -> dict[str, Any]:
        values = self._mapping(given, key, pointer)
        if len(json.dumps(values, ensure_ascii=False).encode()) > MOST_VALUES:
            detail = _("“%(key)s” is larger than 200 KB.") % {"key": key}
            self._fault(f"{key}_too_large", detail, f"{pointer}/{key}")
        return values

    def _mapping(self, given: dict[str, Any], key: str, pointer: str) -> dict[str, Any]:
        value = given.get(key, {})
        if isinstance(value, dict):
            return value
        self._fault("not_an_object", _("“%(key)s” must be an object.") % {"key": key}, f"{pointer}/{key}")
        return {}

    def _addresses(self, given: dict[str, Any], pointer: str) -> dict[str, str]:
        """By channel. A number serves SMS and WhatsApp alike."""
        self._known_keys(given, {"emailAddress", "mobilePhoneNumber", "pushInfo"}, pointer)
        found = {
            "email": self._cleaned(given, "emailAddress", clean_email, pointer),
            "sms": self._cleaned(given, "mobilePhoneNumber", clean_phone, pointer),
            "push": self._token(self._mapping(given, "pushInfo", pointer), f"{pointer}/pushInfo")
            if "pushInfo" in given
            else "",
        }
        found["whatsapp"] = found["sms"]
        return {channel: address for channel, address in found.items() if address}

    def _token(self, given: dict[str, Any], pointer: str) -> str:
        self._known_keys(given, PUSH, pointer)
        if "appID" in given:
            self._text(given, "appID", pointer, 500)
        platform, token = self._text(given, "platform", pointer, 20), self._text(given, "token", pointer, 480)
        whole = {"token": f"{platform}:{token}"} if platform and token else {}
        return self._cleaned(whole, "token", clean_push_token, pointer)

    def _cleaned(self, given: dict[str, Any], key: str, clean: Callable[[str], str], pointer: str) -> str:
        if key not in given:
            return ""
        address = given[key]
        try:
            return clean(address if isinstance(address, str) else "")
        except Invalid as error:
            for one in error.problems:
                self._fault(one.code, str(one.detail), f"{pointer}/{key}")
            return ""


class HighThroughput(Unitary):
    """Nobody is looked up: the address stands in the call, as the userId where nothing else is said."""

    types = ("external",)

    def _recipient(self, given: Any, pointer: str) -> Recipient | None:
        found = super()._recipient(given, pointer)
        if found is None or not found.user_id:
            return found
        clean, channels = BY_USER_ID.get(found.namespace, (None, ()))
        if clean is None or set(channels) & found.addresses.keys():
            return found
        address = self._cleaned({"userId": found.user_id}, "userId", clean, pointer)
        return replace(found, addresses={**found.addresses, **dict.fromkeys(channels, address)})


class ToAudience(Unitary):
    """A call to an audience: `campaign_id`, `request_id` (may be empty), `audience_id`, `context`,
    `execute_at`.
    """

    def __init__(self, body: Any) -> None:
        self.problems = []
        if not isinstance(body, dict):
            raise Invalid(Problem("not_an_object", _("The body must be a JSON object."), ""))
        _storable(body)
        self._known_keys(body, TO_AUDIENCE, "")
        self.request_id = self._text(body, "requestId", "", 255) if "requestId" in body else ""
        self.campaign_id = self._campaign_id(body)
        self.audience_id = self._audience_id(body)
        self.context = self._context(body, "")
        self.execute_at = self._execute_at(body)
        if self.problems:
            raise Invalid(self.problems)

    def _audience_id(self, body: dict[str, Any]) -> int | None:
        if "audience" not in body:
            return None
        given = self._mapping(body, "audience", "")
        self._known_keys(given, {"id"}, "/audience")
        if (number := whole_number(str(given.get("id")))) is not None:
            return number
        self._fault("bad_audience_id", _("“id” must be the id of an audience."), "/audience/id")
        return None

    def _execute_at(self, body: dict[str, Any]) -> datetime | None:
        given = self._mapping(body, "schedule", "")
        self._known_keys(given, {"executeAt"}, "/schedule")
        if not given:
            return None
        value = given.get("executeAt")
        try:
            found = parse_datetime(value) if isinstance(value, str) and is_moment(value) else None
        except ValueError:
            found = None
        if found is not None:
            with suppress(OverflowError):
                return found.astimezone(UTC)
        detail = _("Give a time with its offset, like 2026-12-01T09:00:00+08:00.")
        self._fault("bad_execute_at", detail, "/schedule/executeAt")
        return None


def _same(namespace: str, user_id: str) -> str:
    """One spelling of what is the same identity, as far as that is told without looking anybody up."""
    text = user_id if user_id.isascii() else unicodedata.normalize("NFKC", user_id)
    text = text.strip().lower()
    if namespace == "email":
        return text.rstrip(".")
    return "".join(one for one in text if one not in " ()-./") if namespace == "phone" else text


def _storable(body: Any) -> None:
    """PostgreSQL stores neither NUL, nor half of a surrogate pair, nor a number like 1e999."""
    try:
        is_storable = "\\u0000" not in json.dumps(body, allow_nan=False) and bool(
            json.dumps(body, ensure_ascii=False).encode()
        )
    except (UnicodeEncodeError, RecursionError, ValueError):
        is_storable = False
    if not is_storable:
        detail = _("The body holds a character or number that cannot be stored, or nests too deeply.")
        raise Invalid(Problem("bad_unicode", detail, ""))
