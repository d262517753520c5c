"""One bench for each provider: how it is set up against a server that misbehaves, and what it is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from accounts.models import Workspace
from channels.messages import Outcome, Rendered
from channels.models import ChannelConfiguration, Credential
from channels.providers import registry
from channels.providers.base import Provider, Step
from channels.sealing import seal
from common.place import place
from tests.fakes.apps import (
    BROWSER,
    VAPID_PRIVATE,
    VAPID_PUBLIC,
    FakeFcm,
    FakeLine,
    FakePushService,
    FakeWhatsApp,
)
from tests.fakes.aws import TOPIC, FakeSes
from tests.fakes.esps import (
    SENDGRID_PUBLIC,
    FakeBrevo,
    FakeEsp,
    FakeMailerSend,
    FakeMailgun,
    FakeMailjet,
    FakeMandrill,
    FakePostmark,
    FakeResend,
    FakeScaleway,
    FakeSendGrid,
    FakeSparkPost,
    FakeUnisenderGo,
)
from tests.fakes.http import FakeHttp
from tests.fakes.http2 import FakeApns
from tests.fakes.smtp import FakeSmtp
from tests.fakes.vendors import (
    GOOD_SENDER,
    FakeGateway,
    FakeInfobip,
    FakeReceiver,
    FakeTwilio,
    FakeVonage,
)

RESEND_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
GATEWAY_PAYLOAD = {"from": "{{ fromNumber }}", "to": "{{ toNumber }}", "text": "{{ message }}", "n": 1}


@dataclass(frozen=True)
class Bench:
    """`settings` take the server's address; `recipients` are those by whom a server knows what to do."""

    key: str
    server: Callable[..., AbstractContextManager[Any]]
    settings: Callable[[Any], dict[str, Any]]
    secrets: dict[str, str] | str
    recipients: dict[str, str] = field(default_factory=dict)
    text: str = "早一天 Early"
    where: str = "api_url"
    extra: dict[str, Any] = field(default_factory=dict)
    empty: dict[str, Any] = field(default_factory=lambda: {"text": ""})  # what makes it say nothing

    @property
    def provider(self) -> Provider:
        return registry.get(self.key)

    @property
    def is_http(self) -> bool:
        return self.key not in ("smtp", "sandbox") and not self.is_stored

    @property
    def is_stored(self) -> bool:
        return self.key in ("inapp", "direct_mail")

    def configuration(self, server: Any, **changes: Any) -> ChannelConfiguration:
        """Without a database. `secrets` and single settings can be changed."""
        secrets = changes.pop("secrets", self.secrets)
        if self.is_stored:  # its lane writes to our own database
            values = {"name": "Bench", "slug": "bench", "sends_from": place()}
            Workspace.objects.get_or_create(pk=1, defaults=values)
        sealed = seal(secrets if isinstance(secrets, str) else json.dumps(secrets), row=7)
        made = ChannelConfiguration(
            pk=5,
            workspace_id=1,
            provider=self.key,
            channel=self.provider.channels[0],
            settings={**self.set_for(server), **changes},
            credential=Credential(pk=7, sealed=sealed) if secrets else None,
            sender_email="hello@fernhill.example",
            sender_name="Fernhill",
        )
        if self.is_stored:
            if made.credential is not None:
                made.credential.workspace_id = 1
                made.credential.save()
            made.save()
        return made

    def set_for(self, server: Any) -> dict[str, Any]:
        """The settings, and from now on recipients that are reached through this server."""
        _served["url"] = server.url if isinstance(getattr(server, "url", None), str) else ""
        return self.settings(server)

    def message(self, kind: str = "good", key: str = "1-1", **changes: Any) -> Rendered:
        values = {
            "recipient": self.recipients[kind].replace("{server}", _served["url"]),
            "sender_name": "Fernhill", "subject": "Early",
            "sender_email": "hello@fernhill.example", "reply_to": "", "html": "<p>x</p>", "text": self.text,
            "extra": self.extra,
        }  # fmt: skip
        return Rendered(key=key, **{**values, **changes})

    def send(self, configuration: ChannelConfiguration, *messages: Rendered) -> list[Outcome]:
        async def work() -> list[Outcome]:
            try:
                return [await lane.send(message) for message in messages]
            finally:
                await lane.close()

        lane = self.provider.open(configuration)
        return asyncio.run(work())

    def rehearse(self, configuration: ChannelConfiguration) -> list[Step]:
        return asyncio.run(self.provider.rehearse(configuration))


_served = {"url": ""}  # the last server that was set up: a browser's subscription names it
LINE_IDS = {
    name: "U" + "0" * 30 + end
    for name, end in {"good": "10", "next": "11", "wrong": "01", "busy": "03"}.items()
}
TOKENS = {name: f"fcm:dQw4w9WgXcQ:APA91b{'x' * 100}{user[-2:]}" for name, user in LINE_IDS.items()}
SUBSCRIPTIONS = {name: BROWSER.subscription("{server}/push/" + user[-2:]) for name, user in LINE_IDS.items()}
NUMBERS = {
    "good": "+886912345678",
    "next": "+886912345679",
    "wrong": "+886912345601",
    "stopped": "+886912345602",
    "busy": "+886912345603",
    "forbidden": "+886912345604",
}
MAILBOXES = {name: f"{name}@example.com" for name in ("good", "next", "wrong", "busy")}


def mail_bench(key: str, server: type[FakeEsp], path: str, secret: str = "api_key", **more: str) -> Bench:
    secrets = {secret: FakeEsp.secret}
    if key not in ("sendgrid", "unisender_go"):
        secrets["webhook_secret"] = RESEND_SECRET if key == "resend" else "receipts-password-0001"
    return Bench(
        key,
        server,
        lambda fake: {"api_url": f"{fake.url}/{path}", **more},
        secrets,
        MAILBOXES,
        empty={"text": "", "html": ""},
    )


BENCHES = {
    bench.key: bench
    for bench in (
        Bench(
            "twilio",
            FakeTwilio,
            lambda server: {
                "account_sid": FakeTwilio.account, "sender": GOOD_SENDER, "api_key": "",
                "api_url": server.url,
            },
            {"auth_token": FakeTwilio.token, "api_key_secret": ""},
            NUMBERS,
        ),
        Bench(
            "vonage",
            FakeVonage,
            lambda server: {"api_key": FakeVonage.api_key, "sender": GOOD_SENDER, "api_url": server.url},
            {"api_secret": FakeVonage.api_secret, "signature_secret": "v" * 40},
            NUMBERS,
        ),
        Bench(
            "infobip",
            FakeInfobip,
            lambda server: {"sender": GOOD_SENDER, "api_url": server.url, "webhook_username": "infobip"},
            {"api_key": FakeInfobip.api_key, "webhook_password": "receipts-password"},
            NUMBERS,
        ),
        Bench(
            "sms_http",
            FakeGateway,
            lambda server: {
                "url": f"{server.url}/send", "method": "POST", "sent_as": "json", "sender": GOOD_SENDER,
                "plus": True, "auth": "header", "auth_name": "X-Api-Key",
                "payload": json.dumps(GATEWAY_PAYLOAD), "id_path": "messages.0.id",
                "ok_path": "result", "ok_values": "ok", "later_values": "wait",
                "settings_values": "bad_key",
                "receipts": "hmac", "receipts_name": "X-Signature", "receipts_path": "reports",
                "receipt_id": "id", "receipt_status": "status", "receipt_error": "error.code",
                "sent_values": "SENT", "delivered_values": "DELIVRD", "failed_values": "UNDELIV",
                "gone_values": "12", "reply_from": "msisdn", "reply_to": "shortcode", "reply_text": "body",
                "reply_id": "mo_id",
            },
            {"auth_secret": FakeGateway.key, "receipts_secret": "gateway-receipts-secret"},
            NUMBERS,
            where="url",
        ),
        Bench(
            "line",
            FakeLine,
            lambda server: {"channel_id": FakeLine.channel_id, "api_url": server.url},
            {"channel_secret": FakeLine.channel_secret},
            LINE_IDS,
        ),
        Bench(
            "whatsapp",
            FakeWhatsApp,
            lambda server: {
                "phone_number_id": FakeWhatsApp.number_id,
                "api_url": f"{server.url}/v21.0",
            },
            {
                "access_token": FakeWhatsApp.token, "app_secret": FakeWhatsApp.app_secret,
                "verify_token": "our-word",
            },
            NUMBERS,
            extra={"template": "early_bird", "language": "zh_TW", "body": ["Ana"]},
            empty={"extra": {}},
        ),
        Bench(
            "fcm",
            FakeFcm,
            lambda server: {
                "project_id": FakeFcm.project, "api_url": server.url, "token_url": f"{server.url}/token",
            },
            {"service_account": FakeFcm.account},
            TOKENS,
            empty={"subject": " ", "text": ""},
        ),
        Bench(
            "apns",
            FakeApns,
            lambda server: {
                "key_id": FakeApns.key_id, "team_id": FakeApns.team_id, "topic": FakeApns.topic,
                "environment": "apns", "api_url": server.url,
            },
            {"private_key": FakeApns.private_key},
            {name: "apns:" + "ab" * 31 + user[-2:] for name, user in LINE_IDS.items()},
            empty={"subject": " ", "text": ""},
        ),
        Bench(
            "webpush",
            FakePushService,
            lambda server: {"contact": "mailto:push@fernhill.example", "public_key": VAPID_PUBLIC},
            {"private_key": VAPID_PRIVATE},
            SUBSCRIPTIONS,
            where="contact",
            empty={"subject": " "},
        ),
        Bench(
            "inapp",
            FakeHttp,
            lambda server: {"origins": "https://shop.example"},
            {"signing_secret": "s" * 40},
            {"good": "crm-1", "next": "crm-2"},
            where="origins",
            empty={"subject": " "},
        ),
        Bench(
            "direct_mail",
            FakeHttp,
            lambda server: {"separator": "comma", "target": "local", "folder": "letters"},
            "",
            {"good": "crm-1", "next": "crm-2"},
            where="endpoint",
            extra={
                "filename": "spring.csv",
                "columns": [{"label": "Name", "expression": "Ana"}, {"label": "City", "expression": "台北"}],
            },
            empty={"extra": {}},
        ),
        Bench(
            "webhook",
            FakeReceiver,
            lambda server: {"url": f"{server.url}/hook", "headers": "X-Team: crm"},
            {"signing_secret": FakeReceiver.secret},
            {"good": "crm-1", "next": "crm-2"},
            text='{"type": "order.reminder", "data": {"name": "蕨丘"}}',
            where="url",
        ),
        Bench(
            "smtp",
            FakeSmtp,
            lambda server: {**server.settings, "username": "us"},
            "right",
            {
                "good": "ana@example.com", "next": "next@example.com", "wrong": "refuse@example.com",
                "busy": "later@example.com", "drop": "drop@example.com",
            },
            where="port",
        ),
        Bench(
            "amazon_ses",
            FakeSes,
            lambda server: {
                "access_key_id": FakeSes.access_key, "region": FakeSes.region, "topic_arn": TOPIC,
                "configuration_set": "carillon", "api_url": server.url,
            },
            {"secret_access_key": FakeSes.secret},
            MAILBOXES,
            empty={"text": "", "html": ""},
        ),
        mail_bench("sendgrid", FakeSendGrid, "v3/", verification_key=SENDGRID_PUBLIC),
        mail_bench("mailgun", FakeMailgun, "v3/", sender_domain="mg.fernhill.example"),
        mail_bench("postmark", FakePostmark, "", "server_token", message_stream="broadcast"),
        mail_bench("brevo", FakeBrevo, "v3/"),
        mail_bench("mailjet", FakeMailjet, "v3.1/", "secret_key", api_key=FakeMailjet.key),
        mail_bench("mailersend", FakeMailerSend, "v1/", "api_token"),
        mail_bench("mandrill", FakeMandrill, "api/1.0/"),
        mail_bench("resend", FakeResend, ""),
        mail_bench("sparkpost", FakeSparkPost, "api/v1/"),
        mail_bench("unisender_go", FakeUnisenderGo, "en/transactional/api/v1/"),
        mail_bench(
            "scaleway", FakeScaleway, "transactional-email/v1alpha1/regions/fr-par/", "secret_key",
            project_id=FakeScaleway.project,
        ),
        Bench(
            "sandbox",
            FakeHttp,
            lambda server: {},
            "",
            {
                "good": "ana@example.com", "next": "next@example.com", "wrong": "refuse+a@example.com",
                "busy": "later+a@example.com", "drop": "drop+a@example.com",
            },
        ),
    )
}  # fmt: skip
