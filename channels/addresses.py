"""The addresses of ours that belong to a configuration: to be entered at the provider, or given to people."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from channels.models import ChannelConfiguration
from channels.providers import registry
from channels.providers.base import ReceiptReader
from channels.providers.over_http import receipts_url


def addresses_of(configuration: ChannelConfiguration) -> list[tuple[Any, str]]:
    """Each with what it is for, ready to be copied."""
    found: list[tuple[Any, str]] = []
    if isinstance(registry.get(configuration.provider), ReceiptReader):
        found.append((_("Receipts and replies, to be entered at the provider"), receipts_url(configuration)))
    if configuration.provider == "webpush":
        found.append((_("Page on which browsers subscribe"), _public("people_public:push", configuration)))
    if configuration.provider == "inapp":
        found.append((_("Inbox, for your app or site"), _public("hooks:inbox", configuration)))
        found.append((_("Script that shows it on your site"), f"{settings.PUBLIC_URL}/static/js/inbox.js"))
    return found


def _public(name: str, configuration: ChannelConfiguration) -> str:
    return str(settings.PUBLIC_URL) + reverse(name, args=[configuration.pk])
