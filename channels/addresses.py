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


def addresses_of(configuration: ChannelConfiguration) -> list[tuple[Any, str, str]]:
    """Each with what it is for, ready to be copied, and what else there is to do about it."""
    found: list[tuple[Any, str, str]] = []
    provider = registry.get(configuration.provider)
    if isinstance(provider, ReceiptReader):
        label = _("Receipts and replies, to be entered at the provider")
        note = str(getattr(provider, "receipts_note", ""))
        found.append((label, receipts_url(configuration), note))
    if configuration.provider == "webpush":
        label = _("Page on which browsers subscribe")
        found.append((label, _public("people_public:push", configuration), ""))
    if configuration.provider == "inapp":
        found.append((_("Inbox, for your app or site"), _public("hooks:inbox", configuration), ""))
        script = f"{settings.PUBLIC_URL}/static/js/inbox.js"
        found.append((_("Script that shows it on your site"), script, ""))
    return found


def _public(name: str, configuration: ChannelConfiguration) -> str:
    return str(settings.PUBLIC_URL) + reverse(name, args=[configuration.pk])
