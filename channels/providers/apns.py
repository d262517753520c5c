"""Sends to iPhones, iPads and Macs through Apple's push service, over HTTP/2 with a token of our own.

https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns; reasons:
…/handling-notification-responses-from-apns. `apns-id` is made from our key and the same for every try;
`apns-collapse-id` lets a second copy take the place of the first.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from channels.http import Answer, Client, Request
from channels.kinds import PLATFORMS
from channels.messages import Fact, Fault, Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.providers.base import ProviderForm, Step, secrets_of
from channels.providers.over_http import (
    CODE,
    AddressField,
    ClosedLane,
    HttpLane,
    Meaning,
    NotWritable,
    as_json,
    asked,
    meant,
    opened,
    parsed,
    text_at,
)
from common.wording import worded as _

IDS = uuid.UUID("0f2e6b1c-5a37-4d43-8d1e-9a3a7c1f6b20")
HOSTS = {"apns": "https://api.push.apple.com", "apnssandbox": "https://api.sandbox.push.apple.com"}
MAX_PAYLOAD = 4096
TOKEN_SECONDS = 40 * 60  # Apple wants a new one between 20 and 60 minutes
NOBODY = "0" * 64
REFUSED, LATER, MISCONFIGURED = Fact.REFUSED, Fact.LATER, Fact.MISCONFIGURED
CODES: dict[str, Meaning] = {
    **dict.fromkeys(("BadDeviceToken", "Unregistered", "ExpiredToken"), (REFUSED, Fault.ADDRESS)),
    "DeviceTokenNotForTopic": (REFUSED, Fault.SENDER),  # of another app
    **dict.fromkeys(
        ("BadCollapseId", "BadExpirationDate", "BadMessageId", "BadPriority", "PayloadEmpty",
         "PayloadTooLarge", "InvalidPushType", "DuplicateHeaders"),
        (REFUSED, Fault.CONTENT),
    ),
    **dict.fromkeys(
        ("BadTopic", "MissingTopic", "TopicDisallowed", "BadCertificate", "BadCertificateEnvironment",
         "ExpiredProviderToken", "Forbidden", "InvalidProviderToken", "MissingProviderToken",
         "UnrelatedKeyIdInToken", "BadEnvironmentKeyIdInToken", "BadPath", "MethodNotAllowed"),
        (MISCONFIGURED, None),
    ),
    **dict.fromkeys(
        ("IdleTimeout", "TooManyProviderTokenUpdates", "TooManyRequests", "InternalServerError",
         "ServiceUnavailable", "Shutdown"),
        (LATER, None),
    ),
}  # fmt: skip
_signed: dict[tuple[str, str, str], tuple[str, float]] = {}


class ApnsForm(ProviderForm):
    secret_fields = ("private_key",)
    secret_goes_to = ("team_id", "key_id", "topic", "api_url")

    private_key = forms.CharField(
        label=gettext_lazy("Key (.p8)"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 6, **CODE}),
        help_text=gettext_lazy(
            "The whole file from Apple Developer → Keys. Stored sealed and never shown. Leave it empty to "
            "keep the stored one."
        ),
    )
    key_id = forms.RegexField(
        label=gettext_lazy("Key ID"),
        regex=r"^[A-Z0-9]{10}$",
        error_messages={"invalid": gettext_lazy("It has ten capital letters and digits.")},
    )
    team_id = forms.RegexField(
        label=gettext_lazy("Team ID"),
        regex=r"^[A-Z0-9]{10}$",
        error_messages={"invalid": gettext_lazy("It has ten capital letters and digits.")},
    )
    topic = forms.RegexField(
        label=gettext_lazy("App’s bundle ID"),
        regex=r"^[A-Za-z0-9][A-Za-z0-9.-]{2,150}$",
        error_messages={"invalid": gettext_lazy("Write it like tw.fernhill.shop.")},
    )
    environment = forms.ChoiceField(
        label=gettext_lazy("Environment"),
        choices=[("apns", gettext_lazy("Production")), ("apnssandbox", gettext_lazy("Development"))],
        initial="apns",
        help_text=gettext_lazy("Tokens of one are no use in the other."),
    )
    api_url = AddressField(
        label=gettext_lazy("Address"),
        required=False,
        help_text=gettext_lazy("Empty: Apple’s own for the environment."),
    )

    def clean_private_key(self) -> str:
        text: str = self.cleaned_data["private_key"].strip()
        if text and not _is_key(text):
            detail = _("This is not Apple’s .p8 file: a private key on the curve P-256.")
            raise ValidationError(detail, code="bad_key")
        return text


def _is_key(text: str) -> bool:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        return False
    return isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)


class Apns:
    key = "apns"
    channels = ("push",)
    label = gettext_lazy("Apple Push Notification service")
    about = gettext_lazy("Notifications to iPhones, iPads and Macs, straight to Apple.")
    Form = ApnsForm

    def open(self, configuration: ChannelConfiguration) -> ApnsLane | ClosedLane:
        return opened(ApnsLane, configuration, unset=(jwt.PyJWTError,))

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        """Apple answers no question but a message: one to a token of nothing but zeros shows all else."""
        lane = self.open(configuration)
        if isinstance(lane, ClosedLane):
            return [Step(_("Read the settings"), False, lane.outcome.detail)]
        try:
            name = _("Sign in and address a device that does not exist, as %(topic)s") % {"topic": lane.topic}
            request = lane.request(NOBODY, "rehearsal", {"aps": {"content-available": 1}}, is_shown=False)
            return [await asked(name, lane, request, lane.read_rehearsal)]
        finally:
            await lane.close()


class ApnsLane(HttpLane):
    def __init__(self, configuration: ChannelConfiguration) -> None:
        """Raises SealBroken, or another error when a setting is missing."""
        super().__init__()
        self.client = Client(is_http2=True)
        chosen, secrets = configuration.settings, secrets_of(configuration)
        self.key_id, self.team_id = str(chosen["key_id"]), str(chosen["team_id"])
        self.topic, self.environment = str(chosen["topic"]), str(chosen["environment"])
        self.base = str(chosen.get("api_url") or HOSTS[self.environment]).rstrip("/")
        self.private_key = secrets["private_key"]
        if not _is_key(self.private_key):
            raise ValueError("no key")
        self.hidden = (self.private_key,)

    def write(self, message: Rendered) -> Request:
        platform, _colon, token = message.recipient.partition(":")
        if platform not in PLATFORMS or not PLATFORMS[platform].fullmatch(token):
            raise NotWritable(_("The recipient is not a device’s token."), Fault.ADDRESS)
        if platform != self.environment:
            detail = _("This configuration carries tokens that begin with %(name)s: only.")
            raise NotWritable(detail % {"name": self.environment}, Fault.SENDER)
        payload = payload_of(message)
        return self.request(token, message.key, payload, is_shown=not message.extra.get("background"))

    def request(self, token: str, key: str, payload: dict[str, Any], *, is_shown: bool) -> Request:
        octets = as_json(payload)
        if len(octets) > MAX_PAYLOAD:
            raise NotWritable(_("The notification is longer than 4 kB."), Fault.CONTENT)
        headers = {
            "authorization": f"bearer {self.signed()}",
            "apns-topic": self.topic,
            "apns-push-type": "alert" if is_shown else "background",
            "apns-priority": "10" if is_shown else "5",
            "apns-id": str(uuid.uuid5(IDS, key)),
            "apns-collapse-id": key[:64],
        }
        return Request("POST", f"{self.base}/3/device/{token}", headers, octets)

    def signed(self) -> str:
        """Kept for the whole process: Apple refuses who makes new ones all the time."""
        place = (self.team_id, self.key_id, self.private_key)
        token, ends_at = _signed.get(place, ("", 0.0))
        if not token or ends_at < time.time():
            now = int(time.time())
            claims = {"iss": self.team_id, "iat": now}
            token = jwt.encode(claims, self.private_key, algorithm="ES256", headers={"kid": self.key_id})
            _signed[place] = (token, now + TOKEN_SECONDS)
        return token

    def read(self, answer: Answer) -> Outcome:
        if answer.status == 200:
            return Outcome(Fact.ACCEPTED, "200", provider_id=answer.headers.get("apns-id", ""))
        reason = text_at(parsed(answer), "reason")
        if reason == "ExpiredProviderToken":
            _signed.pop((self.team_id, self.key_id, self.private_key), None)
        return meant(CODES, reason, reason, self.by_status(answer, reason))

    def read_rehearsal(self, answer: Answer) -> Outcome:
        outcome = self.read(answer)
        if outcome.code == "BadDeviceToken":
            return Outcome(Fact.ACCEPTED, "", _("Signed in. Apple knows the app, and no such device."))
        return outcome


def payload_of(message: Rendered) -> dict[str, Any]:
    """Raises NotWritable when there is nothing to show."""
    extra, data = message.extra, message.extra.get("data") or {}
    payload: dict[str, Any] = {str(name): str(value) for name, value in data.items() if name != "aps"}
    payload["carillon_key"] = message.key
    for name, value in (("url", message.url), ("image", message.image), ("buttons", extra.get("buttons"))):
        if value:
            payload[name] = value
    if extra.get("background"):
        return {"aps": {"content-available": 1}, **payload}
    title, text = message.subject.strip(), message.text.strip()
    if not title and not text:
        raise NotWritable(_("The message is empty."), Fault.CONTENT)
    alert = {name: value for name, value in (("title", title), ("body", text)) if value}
    aps: dict[str, Any] = {"alert": alert}
    if not extra.get("silent"):
        aps["sound"] = "default"
    if message.image:
        aps["mutable-content"] = 1  # the app's extension may fetch the picture
    return {"aps": aps, **payload}
