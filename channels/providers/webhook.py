"""Posts each message as JSON to an address, signed as https://www.standardwebhooks.com describes.

The author writes the JSON; `webhook-id` is our own key and the same for every try, so the receiver can tell
a second copy. What the receiver answers beyond its status is never shown.
"""

from __future__ import annotations

import base64
import binascii
import json
import re

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy
from standardwebhooks.webhooks import EmptyWebhookSecretError
from standardwebhooks.webhooks import Webhook as Signer

from channels.http import Answer, Client, Failure, Request
from channels.messages import Fact, Fault, Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.providers.base import ProviderForm, Step, secrets_of
from channels.providers.over_http import AddressField, ClosedLane, HttpLane, NotWritable, SecretField, opened
from common.wording import worded as _

MAX_BODY = 256 * 1024
SECRET = re.compile(r"(whsec_)?[A-Za-z0-9+/]+={0,2}")
HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60}): *([\x21-\x7e][\x20-\x7e]{0,499})")
OURS = {"host", "content-type", "content-length", "transfer-encoding", "connection", "user-agent"}


class HeadersForm(forms.Form):
    """Headers of one's own, on every request."""

    headers = forms.CharField(
        label=gettext_lazy("Further headers"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("One on each line, such as X-Team: crm. Not for secrets."),
    )

    def clean_headers(self) -> str:
        try:
            found = headers_of(self.cleaned_data["headers"])
        except ValueError as error:
            detail = _("“%(line)s” cannot be a header. Write it like X-Team: crm.") % {"line": error}
            raise ValidationError(detail, code="bad_header") from error
        return "\n".join(f"{name}: {value}" for name, value in found.items())


class WebhookForm(HeadersForm, ProviderForm):
    secret_fields = ("signing_secret",)
    secret_goes_to = ("url",)
    field_order = ("url", "signing_secret", "headers")

    url = AddressField(label=gettext_lazy("Web address"))
    signing_secret = SecretField(
        label=gettext_lazy("Signing secret"),
        help_text=gettext_lazy("whsec_ and 24 to 64 bytes in base64; the receiver checks with it."),
    )

    def clean_signing_secret(self) -> str:
        secret: str = self.cleaned_data["signing_secret"]
        if secret and not _is_usable(secret):
            detail = _("The secret is whsec_ and 24 to 64 bytes in base64.")
            raise ValidationError(detail, code="bad_secret")
        return secret


def headers_of(text: str) -> dict[str, str]:
    """Raises ValueError with the line that cannot be a header."""
    found: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        match = HEADER.fullmatch(line)
        name = match.group(1) if match else ""
        if not match or name.lower() in OURS or name.lower().startswith("webhook-"):
            raise ValueError(line[:80])
        found[name] = match.group(2)
    return found


def _is_usable(secret: str) -> bool:
    if not SECRET.fullmatch(secret):
        return False
    try:
        return 24 <= len(base64.b64decode(secret.removeprefix("whsec_") + "==")) <= 64
    except binascii.Error:
        return False


class Webhook:
    key = "webhook"
    channels = ("webhook",)
    label = gettext_lazy("Webhook")
    about = gettext_lazy("Posts each message as signed JSON to an address of yours.")
    Form = WebhookForm

    def open(self, configuration: ChannelConfiguration) -> WebhookLane | ClosedLane:
        return opened(WebhookLane, configuration, unset=(EmptyWebhookSecretError,))

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        """Connects, and posts nothing: whatever arrives there would count as a message."""
        lane = self.open(configuration)
        if isinstance(lane, ClosedLane):
            return [Step(_("Read the settings"), False, lane.outcome.detail)]
        return [await reached(lane.url, lane.client)]


async def reached(url: str, client: Client) -> Step:
    """Whether something listens at an address, with a certificate that holds."""
    name = _("Connect to %(url)s") % {"url": url}
    try:
        return Step(name, True, await client.reach(url))
    except Failure as failure:
        return Step(name, False, failure.detail)


class WebhookLane(HttpLane):
    quotes = False

    def __init__(self, configuration: ChannelConfiguration) -> None:
        """Raises SealBroken, or another error when a setting is missing."""
        super().__init__()
        self.url = str(configuration.settings["url"])
        self.further = headers_of(str(configuration.settings.get("headers") or ""))
        secret = secrets_of(configuration)["signing_secret"]
        self.signer = Signer(secret)
        self.hidden = (secret,)

    def write(self, message: Rendered) -> Request:
        try:
            body = json.dumps(json.loads(message.text), ensure_ascii=False, allow_nan=False)
            octets = body.encode()
        except (ValueError, RecursionError) as error:
            detail = _("The message is not JSON: %(error)s") % {"error": error}
            raise NotWritable(detail, Fault.CONTENT) from error
        if len(octets) > MAX_BODY:
            raise NotWritable(_("The message is longer than 256 kB."), Fault.CONTENT)
        now = timezone.now()
        headers = {
            **self.further,
            "Content-Type": "application/json",
            "webhook-id": message.key,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self.signer.sign(message.key, now, body),
        }
        return Request("POST", self.url, headers, octets)

    def read(self, answer: Answer) -> Outcome:
        if 200 <= answer.status < 300:
            return Outcome(Fact.ACCEPTED, str(answer.status))
        return self.by_status(answer)
