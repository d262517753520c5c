"""A service with several secrets: each can be renewed by itself, and none goes to another server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Workspace
from channels.models import ChannelConfiguration, ConfigurationVersion
from channels.providers.base import secrets_of
from channels.sealing import keep
from tests import builders
from tests.api import Caller, pointers
from tests.channels.providers import BENCHES, Bench
from tests.channels.test_contract import FakeHttpStub

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback_is_ours")]
several = pytest.mark.parametrize(
    "key", ["mailersend", "mandrill", "resend", "mailgun", "twilio", "infobip", "sms_http", "whatsapp"]
)


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


def names(bench: Bench) -> tuple[str, str]:
    """The secret one signs in with, and the one beside it."""
    first, second, *_others = bench.provider.Form.secret_fields
    return first, second


def set_up(where: Workspace, bench: Bench, server: Any = None) -> tuple[ChannelConfiguration, dict[str, str]]:
    first, second = names(bench)
    secrets = dict.fromkeys(bench.provider.Form.secret_fields, "")
    secrets |= {first: "first-of-all-0000001", second: "second-of-all-000001", **dict(bench.secrets or {})}
    secrets[second] = secrets[second] or "second-of-all-000001"
    entered = bench.provider.Form({**bench.settings(server or FakeHttpStub()), **secrets})
    assert entered.is_valid(), entered.errors
    made = builders.configuration(
        where,
        name=bench.key,
        provider=bench.key,
        channel=bench.provider.channels[0],
        settings=entered.plain_settings(),
        status=ChannelConfiguration.Status.ACTIVE if server else ChannelConfiguration.Status.DRAFT,
    )
    made.credential = keep(
        json.dumps(secrets), workspace=where, name=bench.key, credential=None, now=timezone.now()
    )
    made.save()
    return made, secrets


def form(made: ChannelConfiguration, **given: str) -> dict[str, Any]:
    filled = {**made.settings, **given}
    head = {"name": made.name, "kind": made.kind, "sender_name": made.sender_name, "actions": "",
            "sender_email": made.sender_email}  # fmt: skip
    return head | {f"provider-{name}": value for name, value in filled.items() if value}


def stored(made: ChannelConfiguration) -> dict[str, str]:
    return secrets_of(ChannelConfiguration.objects.select_related("credential").get(pk=made.pk))


NEW = "whsec_" + "B" * 32


@several
def test_on_the_page_one_secret_is_renewed_and_the_other_stays(
    client: Client, where: Workspace, key: str
) -> None:
    made, secrets = set_up(where, BENCHES[key])
    first, second = names(BENCHES[key])
    client.force_login(builders.person(where, "administrator"))
    for name in (second, first):
        answer = client.post(f"/channels/{made.pk}/edit/", form(made, **{name: (NEW + name)[:60]}))
        assert answer.status_code == 302, answer.content.decode()
        secrets[name] = (NEW + name)[:60]
        assert stored(made) == secrets
    assert client.post(f"/channels/{made.pk}/edit/", form(made)).status_code == 302
    assert stored(made) == secrets


@several
def test_by_rest_one_secret_is_renewed_and_the_other_stays(where: Workspace, key: str) -> None:
    made, secrets = set_up(where, BENCHES[key])
    _first, second = names(BENCHES[key])
    answer = Caller(where, "administrator").patch(
        f"/api/channel-configurations/{made.pk}/", {"settings": {second: NEW}}
    )
    assert answer.status_code == 200, answer.content
    assert stored(made) == {**secrets, second: NEW}
    assert NEW.encode() not in answer.content


def test_the_word_for_meta_is_told_nowhere_and_lets_meta_in(client: Client, where: Workspace) -> None:
    client.force_login(builders.person(where, "administrator"))
    given = {"phone_number_id": "106540352242922", "access_token": "EAAG-1", "app_secret": "s" * 32,
             "verify_token": "word-7f3a", "api_url": "http://127.0.0.1:1/"}  # fmt: skip
    entered = {"name": "WhatsApp", "kind": "marketing", "actions": ""}
    entered |= {f"provider-{name}": value for name, value in given.items()}
    assert client.post("/channels/new/?provider=whatsapp", entered).status_code == 302
    made = ChannelConfiguration.objects.select_related("credential").get()
    assert made.credential and b"word-7f3a" not in bytes(made.credential.sealed)
    read = Caller(where, "administrator").get(f"/api/channel-configurations/{made.pk}/")
    pages = [client.get(f"/channels/{made.pk}/{part}") for part in ("", "edit/")]
    assert all(b"word-7f3a" not in one.content for one in (read, *pages))
    assert "word-7f3a" not in str(list(ChannelConfiguration.objects.values()))
    asks = {"hub.mode": "subscribe", "hub.challenge": "115820"}
    hook = f"/hooks/{made.pk}/"
    assert client.get(hook, {**asks, "hub.verify_token": "word-7f3a"}).content == b"115820"
    assert client.get(hook, {**asks, "hub.verify_token": "word"}).status_code == 401


def test_of_an_active_one_the_renewed_secret_serves_with_the_kept_key(where: Workspace) -> None:
    bench = BENCHES["mandrill"]
    with bench.server() as server:
        made, secrets = set_up(where, bench, server)
        answer = Caller(where, "administrator").patch(
            f"/api/channel-configurations/{made.pk}/", {"settings": {"webhook_secret": NEW}}
        )
    assert answer.status_code == 200, answer.content
    assert answer.json()["recentUpdate"]["state"] == ConfigurationVersion.State.PASSED
    assert stored(made) == {**secrets, "webhook_secret": NEW}


def test_towards_another_server_no_stored_secret_goes_along(where: Workspace) -> None:
    made, secrets = set_up(where, BENCHES["mandrill"])
    call, here = Caller(where, "administrator"), f"/api/channel-configurations/{made.pk}/"
    answer = call.patch(here, {"settings": {"webhook_secret": NEW, "api_url": "http://127.0.0.1:2/"}})
    assert pointers(answer) == [("together", "/settings/api_key")]
    answer = call.patch(here, {"settings": {"api_url": "http://127.0.0.1:2/"}})
    assert pointers(answer) == [("secret_needed", "/settings/api_key")]
    assert stored(made) == secrets


def test_a_receipts_secret_alone_is_not_enough_to_begin_with(client: Client, where: Workspace) -> None:
    call = Caller(where, "administrator")
    answer = call.post(
        "/api/channel-configurations/",
        {"name": "R", "provider": "resend", "senderEmail": "a@fernhill.example",
         "settings": {"webhook_secret": NEW, "api_url": "http://127.0.0.1:1/"}},
    )  # fmt: skip
    assert pointers(answer) == [("together", "/settings/api_key")]
    client.force_login(builders.person(where, "administrator"))
    page = client.post("/channels/new/?provider=resend", {
        "name": "R", "kind": "marketing", "sender_name": "F", "sender_email": "a@fernhill.example",
        "actions": "", "provider-webhook_secret": NEW, "provider-api_url": "http://127.0.0.1:1/",
    })  # fmt: skip
    assert page.status_code == 400
    assert "Enter this one as well." in page.content.decode()
    assert not ChannelConfiguration.objects.exists()
