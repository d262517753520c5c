"""Sends to browsers, through each one's own service: encrypted (RFC 8291) and signed (VAPID, RFC 8292).

The recipient is the browser's subscription. The service cannot read what it carries; the script that shows
it is `static/js/push-worker.js`. A second copy takes the place of the first: both have our key as their tag.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import time
from typing import Any
from urllib.parse import urlsplit

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from channels.http import Answer, Request
from channels.kinds import clean_subscription
from channels.messages import Fact, Fault, Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.providers.base import ProviderForm, Step, secrets_of
from channels.providers.over_http import ClosedLane, HttpLane, NotWritable, SecretField, as_json, opened
from common.errors import Invalid
from common.wording import worded as _

KEEP = 24 * 3600  # seconds the service keeps it for a browser that is away
MAX_PLAIN = 3800  # of 4,096 bytes with everything around it (RFC 8291, section 4)
SIGNED_FOR = 12 * 3600  # at most a day (RFC 8292, section 2)
# What Google (403) and Mozilla (401) say of a browser that subscribed with another key: it is left out, and
# the breaker opens when they are many. Every other 401 and 403, such as Apple's BadJwtToken, holds for all.
OTHER_KEY = re.compile(rb"do not correspond|public key mismatch", re.I)


class WebPushForm(ProviderForm):
    secret_fields = ("private_key",)

    contact = forms.CharField(
        label=gettext_lazy("Contact"),
        max_length=200,
        help_text=gettext_lazy("Push services write here when something is wrong: mailto:… or https://…."),
    )
    new_keys = forms.BooleanField(
        label=gettext_lazy("Make a new pair of keys"),
        required=False,
        help_text=gettext_lazy("Browsers that subscribed with other keys have to subscribe again."),
    )
    private_key = SecretField(
        label=gettext_lazy("Private key"),
        help_text=gettext_lazy(
            "Your own VAPID key in base64url, where you have one: then no pair is made. Never shown."
        ),
    )
    public_key = forms.CharField(
        label=gettext_lazy("Public key"),
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"readonly": True}),
        help_text=gettext_lazy("It belongs to the private key and is found by itself."),
    )
    site_name = forms.CharField(
        label=gettext_lazy("Name on the page that asks"), required=False, max_length=100
    )

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        if not self.initial.get("public_key"):
            self.fields["new_keys"].initial = True

    def clean_contact(self) -> str:
        text: str = self.cleaned_data["contact"].strip()
        if not (text.startswith(("mailto:", "https://")) and len(text) > 10 and text.isprintable()):
            raise ValidationError(_("Write it like mailto:push@example.com."), code="bad_contact")
        return text

    def clean_private_key(self) -> str:
        text: str = self.cleaned_data["private_key"].strip()
        if text:
            try:
                _key(text)
            except ValueError as error:
                detail = _("This is no VAPID key: 32 bytes in base64url.")
                raise ValidationError(detail, code="bad_key") from error
        return text

    def clean(self) -> None:
        super().clean()
        given = self.cleaned_data
        if given.get("new_keys") and not given.get("private_key"):
            number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
            given["private_key"] = base64url(number.to_bytes(32, "big"))
        if given.get("private_key"):
            given["public_key"] = public_of(given["private_key"])

    def plain_settings(self) -> dict[str, Any]:
        return {name: value for name, value in super().plain_settings().items() if name != "new_keys"}


def base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def octets_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _key(text: str) -> ec.EllipticCurvePrivateKey:
    """Raises ValueError."""
    octets = octets_of(text)
    if len(octets) != 32:
        raise ValueError("no key")
    return ec.derive_private_key(int.from_bytes(octets, "big"), ec.SECP256R1())


def public_of(private_key: str) -> str:
    point = _key(private_key).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64url(point)


class WebPush:
    key = "webpush"
    channels = ("webpush",)
    label = gettext_lazy("Web push")
    about = gettext_lazy("Notifications to browsers that subscribed, without any account elsewhere.")
    Form = WebPushForm

    def open(self, configuration: ChannelConfiguration) -> WebPushLane | ClosedLane:
        return opened(WebPushLane, configuration, unset=(jwt.PyJWTError,))

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        """There is nobody to ask: each browser brings its own service with its subscription."""
        lane = self.open(configuration)
        if isinstance(lane, ClosedLane):
            return [Step(_("Read the settings"), False, lane.outcome.detail)]
        name = _("Sign with the key and check the signature")
        token = lane.signed("https://push.example.net")
        public = lane.private_key.public_key()
        try:
            jwt.decode(token, public, algorithms=["ES256"], audience="https://push.example.net")
        except jwt.PyJWTError as error:
            return [Step(name, False, str(error))]
        if lane.public_key != configuration.settings.get("public_key"):
            return [Step(name, False, _("The public key does not belong to the private one."))]
        return [Step(name, True, _("The public key is %(key)s.") % {"key": lane.public_key})]


class WebPushLane(HttpLane):
    def __init__(self, configuration: ChannelConfiguration) -> None:
        """Raises SealBroken, or KeyError or ValueError when a setting is missing."""
        super().__init__()
        chosen, secrets = configuration.settings, secrets_of(configuration)
        self.contact, private_key = str(chosen["contact"]), secrets["private_key"]
        self.private_key, self.public_key = _key(private_key), public_of(private_key)
        self.hidden = (private_key,)
        self.tokens: dict[str, tuple[str, float]] = {}

    def write(self, message: Rendered) -> Request:
        try:
            subscription = json.loads(clean_subscription(message.recipient))
        except Invalid as error:
            raise NotWritable(error.detail, Fault.ADDRESS) from error
        plain = as_json(notification_of(message))
        if len(plain) > MAX_PLAIN:
            raise NotWritable(_("The notification is longer than 4 kB."), Fault.CONTENT)
        keys, endpoint = subscription["keys"], subscription["endpoint"]
        body = encrypt(plain, octets_of(keys["p256dh"]), octets_of(keys["auth"]))
        parts = urlsplit(endpoint)
        token = self.signed(f"{parts.scheme}://{parts.netloc}")
        headers = {
            "Authorization": f"vapid t={token},k={self.public_key}",
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(KEEP),
            "Urgency": "low" if message.extra.get("silent") else "normal",
            "Topic": base64url(hashlib.sha256(message.key.encode()).digest())[:32],
        }
        return Request("POST", endpoint, headers, body)

    def signed(self, origin: str) -> str:
        """One for each service, for half a day."""
        token, ends_at = self.tokens.get(origin, ("", 0.0))
        now = time.time()
        if not token or ends_at < now + 3600:
            ends_at = now + SIGNED_FOR
            claims = {"aud": origin, "exp": int(ends_at), "sub": self.contact}
            token = jwt.encode(claims, self.private_key, algorithm="ES256")
            self.tokens[origin] = (token, ends_at)
        return token

    def read(self, answer: Answer) -> Outcome:
        if answer.status in (200, 201, 202, 204):
            where = answer.headers.get("location", "")
            return Outcome(Fact.ACCEPTED, str(answer.status), provider_id=where[-120:])
        outcome = self.by_status(answer)
        if answer.status in (404, 410):  # RFC 8030, section 7.3
            return Outcome(Fact.REFUSED, outcome.code, outcome.detail, fault=Fault.ADDRESS)
        if answer.status in (401, 403) and OTHER_KEY.search(answer.body[:2000]):
            return Outcome(Fact.REFUSED, outcome.code, outcome.detail, fault=Fault.SENDER)
        return outcome


def encrypt(plain: bytes, receiver: bytes, secret: bytes) -> bytes:
    """`receiver` is the browser's point, `secret` its `auth`. Each message has its own key and salt."""
    own = ec.generate_private_key(ec.SECP256R1())
    made: bytes = http_ece.encrypt(
        plain, salt=os.urandom(16), private_key=own, dh=receiver, auth_secret=secret, version="aes128gcm"
    )
    return made


def notification_of(message: Rendered) -> dict[str, Any]:
    """What the worker shows. Raises NotWritable."""
    title, text, extra = message.subject.strip(), message.text.strip(), message.extra
    if not title:
        raise NotWritable(_("The message has no title."), Fault.CONTENT)
    shown: dict[str, Any] = {"title": title, "body": text, "tag": message.key, "url": message.url}
    shown |= {"image": message.image, "icon": str(extra.get("icon") or ""), "data": extra.get("data") or {}}
    shown |= {"silent": bool(extra.get("silent")), "buttons": extra.get("buttons") or []}
    return {name: value for name, value in shown.items() if value not in ("", [], {}, False)}
