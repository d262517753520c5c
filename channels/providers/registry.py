"""The providers this installation knows. Adding one is one file and one line here."""

from __future__ import annotations

from django.utils.translation import gettext as _

from channels.providers import sandbox, smtp
from channels.providers.base import Provider
from common.errors import Invalid, Problem

PROVIDERS: dict[str, Provider] = {provider.key: provider for provider in (smtp.Smtp(), sandbox.Sandbox())}


def get(key: str) -> Provider:
    try:
        return PROVIDERS[key]
    except KeyError:
        detail = _("There is no provider “%(key)s”.") % {"key": key[:40]}
        raise Invalid(Problem("unknown_provider", detail, "provider")) from None


def choices() -> list[tuple[str, str]]:
    return [(provider.key, str(provider.label)) for provider in PROVIDERS.values()]
