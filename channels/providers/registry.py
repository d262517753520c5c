"""The providers this installation knows. Adding one is one file and one line here."""

from __future__ import annotations

from django.utils.translation import gettext as _

from channels.providers import (
    amazon_ses,
    anymail,
    apns,
    direct_mail,
    fcm,
    inapp,
    infobip,
    line,
    sandbox,
    sms_http,
    smtp,
    twilio,
    vonage,
    webhook,
    webpush,
    whatsapp,
)
from channels.providers.base import Provider
from common.errors import Invalid, Problem

KNOWN: tuple[Provider, ...] = (
    smtp.Smtp(),
    amazon_ses.AmazonSes(),
    *anymail.MAIL_SERVICES,
    twilio.Twilio(),
    vonage.Vonage(),
    infobip.Infobip(),
    sms_http.SmsHttp(),
    line.Line(),
    whatsapp.WhatsApp(),
    fcm.Fcm(),
    apns.Apns(),
    webpush.WebPush(),
    inapp.InApp(),
    webhook.Webhook(),
    direct_mail.DirectMail(),
    sandbox.Sandbox(),
)
PROVIDERS = {provider.key: provider for provider in KNOWN}


def get(key: str) -> Provider:
    try:
        return PROVIDERS[key]
    except KeyError:
        detail = _("There is no provider “%(key)s”.") % {"key": key[:40]}
        raise Invalid(Problem("unknown_provider", detail, "provider")) from None


def takes_mime(key: str) -> bool:
    """Whether whole mails are handed over, so that bodies may be written in quoted-printable at once."""
    return bool(getattr(get(key), "takes_mime", False))


def choices() -> list[tuple[str, str]]:
    return [(provider.key, str(provider.label)) for provider in PROVIDERS.values()]
