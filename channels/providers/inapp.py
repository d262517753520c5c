"""Puts messages into a person's inbox, from which their own app or page fetches them (`views/inbox.py`).

A device proves whose it is by a token that the customer's server signs (HS256, RFC 7519) with the secret
kept here: `sub` is the person's external id, `exp` at most a day ahead. A second try of a message writes no
second item.
"""

from __future__ import annotations

import secrets as randomness
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy
from psycopg.types.json import Jsonb

from channels.kinds import clean_receiver
from channels.messages import Fact, Fault, Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.providers.base import ProviderForm, Step, secrets_of
from channels.providers.over_http import ClosedLane, SecretField, opened
from channels.providers.rows import RowsLane
from common.errors import Invalid
from common.wording import worded as _

DAYS = 30  # an item is shown unless the author says otherwise
MOST_ORIGINS = 20
PUT = """
INSERT INTO channels_inboxitem (configuration_id, recipient, key, content, created_at, ends_at)
SELECT %s, t.recipient, t.key, t.content, %s, t.ends_at
FROM unnest(%s::text[], %s::text[], %s::jsonb[], %s::timestamptz[]) AS t(recipient, key, content, ends_at)
ON CONFLICT (configuration_id, key) DO NOTHING
"""


class InAppForm(ProviderForm):
    secret_fields = ("signing_secret",)

    signing_secret = SecretField(
        label=gettext_lazy("Signing secret"),
        help_text=gettext_lazy("Your server signs each person’s token with it: at least 32 characters."),
    )
    origins = forms.CharField(
        label=gettext_lazy("Sites that may show the inbox"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("One on each line, such as https://shop.example. Apps need none."),
    )

    def clean_signing_secret(self) -> str:
        secret: str = self.cleaned_data["signing_secret"].strip()
        if secret and len(secret) < 32:
            detail = _("The secret has at least 32 characters. A good one: %(secret)s")
            raise ValidationError(detail % {"secret": randomness.token_urlsafe(32)}, code="too_short")
        return secret

    def clean_origins(self) -> str:
        return clean_origins(self.cleaned_data["origins"])


def clean_origins(text: str) -> str:
    """Each line as an origin (RFC 6454): scheme, host and port. Raises ValidationError."""
    lines = [line.strip().rstrip("/") for line in text.splitlines() if line.strip()]
    for line in lines[:MOST_ORIGINS]:
        try:
            parts = urlsplit(line)
            is_good = f"{parts.scheme}://{parts.netloc}" == line and parts.port is not False
        except ValueError:
            is_good = False
        if not is_good or parts.scheme not in ("https", "http") or not parts.hostname or "*" in line:
            detail = _("“%(line)s” is not a site. Write it like https://shop.example.")
            raise ValidationError(detail % {"line": line[:80]}, code="bad_origin")
    if len(lines) > MOST_ORIGINS:
        raise ValidationError(_("Give at most %(most)s sites.") % {"most": MOST_ORIGINS}, code="too_many")
    return "\n".join(dict.fromkeys(line.lower() for line in lines))


def origins_of(configuration: ChannelConfiguration) -> set[str]:
    return set(str(configuration.settings.get("origins") or "").split())


class InApp:
    key = "inapp"
    channels = ("inapp",)
    label = gettext_lazy("In-app inbox")
    about = gettext_lazy("Messages that your app or site fetches and shows. Nothing else is needed.")
    Form = InAppForm

    def open(self, configuration: ChannelConfiguration) -> InAppLane | ClosedLane:
        return opened(InAppLane, configuration)

    async def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        """Nobody else takes part: what can be wrong are the settings."""
        name = _("Read the settings")
        if not secrets_of(configuration).get("signing_secret"):
            return [Step(name, False, _("A setting is missing."))]
        allowed = ", ".join(sorted(origins_of(configuration))) or _("none, only apps")
        return [Step(name, True, _("Ready. Sites that may show it: %(sites)s.") % {"sites": allowed})]


class InAppLane(RowsLane):
    def __init__(self, configuration: ChannelConfiguration) -> None:
        """Raises SealBroken, KeyError or ValueError when a setting is missing."""
        if not secrets_of(configuration)["signing_secret"]:
            raise ValueError("no secret")
        super().__init__()
        self.configuration_id = configuration.pk

    def write_all(self, messages: Sequence[Rendered]) -> list[Outcome]:
        now = timezone.now()
        rows: list[tuple[Any, ...]] = []
        outcomes: list[Outcome] = []
        for message in messages:
            problem = _problem(message)
            outcomes.append(problem or Outcome(Fact.ACCEPTED, "", provider_id=message.key))
            if problem is None:
                days = timedelta(days=int(message.extra.get("days") or DAYS))
                content = Jsonb(content_of(message))
                rows.append((clean_receiver(message.recipient), message.key[:64], content, now + days))
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            self.database.execute(PUT, (self.configuration_id, now, *columns))
        return outcomes


def _problem(message: Rendered) -> Outcome | None:
    try:
        clean_receiver(message.recipient)
    except Invalid as error:
        return Outcome(Fact.REFUSED, "", error.detail, fault=Fault.ADDRESS)
    if not message.subject.strip():
        return Outcome(Fact.REFUSED, "", _("The message has no title."), fault=Fault.CONTENT)
    if "\0" in message.subject + message.text or len(message.text) > 10_000:
        return Outcome(Fact.REFUSED, "", _("The message is too long."), fault=Fault.CONTENT)
    return None


def content_of(message: Rendered) -> dict[str, Any]:
    content = {"title": message.subject, "text": message.text, "url": message.url, "image": message.image}
    return {**content, **{name: message.extra.get(name) or [] for name in ("buttons",)},
            "data": message.extra.get("data") or {}}  # fmt: skip
