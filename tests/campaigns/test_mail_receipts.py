"""Mail services at the front door: what they tell reaches the ledger and the lists, and nothing else does."""

from __future__ import annotations

import json
import socket
import ssl
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from httpcore import AnyIOBackend

from audiences.models import Profile, Suppression
from campaigns import lifecycle
from campaigns.models import Event, Message
from campaigns.tracking import receipts
from channels import http, received
from channels.messages import Arrival, Happened
from channels.models import ChannelConfiguration, ReceivedReceipt
from channels.sealing import keep
from tests import builders
from tests.channels.providers import BENCHES
from tests.channels.test_mail_receipts import EVENTS, GONE, SIGN, TIMED, URL, US, by_mandrill
from tests.channels.test_mail_services import KEYS
from tests.fakes.certificates import make_certificate
from tests.fakes.http import FakeHttp

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback_is_ours", "sandbox_here")]
every = pytest.mark.parametrize("key", KEYS)


def set_up(key: str, url: str = "http://127.0.0.1:1") -> ChannelConfiguration:
    class Server:
        def __init__(self) -> None:
            self.url = url

    where, bench = builders.workspace(), BENCHES[key]
    made = builders.configuration(where, name=key, provider=key, settings=bench.settings(Server()))
    made.credential = keep(
        json.dumps(bench.secrets), workspace=where, name=key, credential=None, now=timezone.now()
    )
    made.save()
    return made


def told(key: str, configuration: ChannelConfiguration, event: Any, settings: Any, **more: Any) -> Arrival:
    """Signed for our address, which is the one that the examples use."""
    settings.PUBLIC_URL = URL.partition("/hooks/")[0]
    url = f"{settings.PUBLIC_URL}/hooks/{configuration.pk}/"
    if key == "mandrill":  # it signs the address
        return by_mandrill([event], timezone.now(), url=url)
    given = SIGN[key]([event], more.get("at", timezone.now()))
    return replace(given, url=given.url.replace(URL, url))


def post(client: Client, given: Arrival) -> Any:
    headers = {name: value for name, value in given.headers.items() if name != "content-type"}
    path = given.url.partition("mail.example.com")[2]
    kind = given.headers["content-type"]
    return client.generic("POST", path, given.body, content_type=kind, headers=headers)


@every
def test_a_receipt_is_taken_once_and_waits_a_day_when_it_names_no_message_of_ours(
    client: Client, key: str, settings: Any
) -> None:
    configuration = set_up(key)
    given = told(key, configuration, EVENTS[key][0].event, settings)
    for _time in range(2):
        assert post(client, given).status_code == 204
    row = ReceivedReceipt.objects.get()
    assert (row.configuration, row.happened) == (configuration, Happened.DELIVERED)
    now = timezone.now()
    assert receipts.apply(now) == 0
    received.prune(now + timedelta(hours=23))
    assert ReceivedReceipt.objects.filter(applied_at=None).count() == 1
    received.prune(now + timedelta(hours=25))
    assert not ReceivedReceipt.objects.exists()
    assert not Event.objects.exists()


@every
def test_the_door_answers_what_is_not_theirs_or_cannot_be_read_clearly(
    client: Client, key: str, settings: Any
) -> None:
    configuration = set_up(key)
    given = told(key, configuration, EVENTS[key][0].event, settings)
    bare = replace(given, headers={"content-type": given.headers["content-type"]},
                   url=given.url.partition("?")[0])  # fmt: skip
    if key not in ("mailgun", "unisender_go"):  # theirs stands in the body
        assert post(client, bare).status_code == 401
    for body in (b"", b"{", b"\xff\xfe", b"[" * 50_000, b"null", b'{"signature": 5, "auth": 5}'):
        status = post(client, replace(given, body=body)).status_code
        assert status in (204, 400, 401, 422), (body[:20], status)
    assert post(client, replace(given, body=b"x" * (2 * 1024 * 1024 + 1))).status_code == 413
    assert not ReceivedReceipt.objects.exists()


@pytest.mark.parametrize("key", TIMED)
def test_what_was_signed_too_long_ago_is_refused(client: Client, key: str, settings: Any) -> None:
    configuration = set_up(key)
    old = timezone.now() - TIMED[key] - timedelta(minutes=1)
    answer = post(client, told(key, configuration, EVENTS[key][0].event, settings, at=old))
    assert answer.status_code == 400
    assert not ReceivedReceipt.objects.exists()


def test_a_dead_address_is_taken_out_and_one_that_our_reputation_kept_shut_stays(
    client: Client, settings: Any
) -> None:
    bench = BENCHES["postmark"]
    with bench.server() as server:
        configuration = set_up("postmark", server.url)
        where = configuration.workspace
        for name in ("ana", "ben", "eve"):
            Profile.objects.create(workspace=where, email=f"{name}@example.com")
        campaign = builders.draft_over(
            configuration,
            builders.person(where, "manager"),
            subject="Early",
            html='<p>Early <a href="{{ unsubscribe_url }}">Leave</a></p>',
        )
        lifecycle.apply(campaign, "activate", actor=builders.person(where, "approver"), now=timezone.now())
        call_command("deliver")
        sent = {mail["To"]: mail for one in server.requests for mail in (
            one.json if isinstance(one.json, list) else [one.json])}  # fmt: skip
    assert len(sent) == 3
    for name, details in (("ana", GONE), ("ben", US), ("eve", "")):
        event = {
            "RecordType": "Bounce" if details else "SpamComplaint", "ID": name, "MessageID": f"x-{name}",
            "Type": "HardBounce" if details else "SpamComplaint", "Details": details,
            "Metadata": sent[f"{name}@example.com"]["Metadata"],
        }  # fmt: skip
        assert post(client, told("postmark", configuration, event, settings)).status_code == 204
    assert receipts.apply(timezone.now()) == 3
    assert sorted(Event.objects.values_list("kind", flat=True)) == ["bounce", "bounce", "complaint"]
    assert sorted(Suppression.objects.values_list("address", "reason")) == [
        ("ana@example.com", "bounce"), ("eve@example.com", "complaint"),
    ]  # fmt: skip
    assert Message.objects.count() == 3


def test_a_subscription_is_asked_for_again_until_it_could_be_confirmed(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name leads inside, where we connect to nobody."""
    configuration = set_up("scaleway")
    url = "https://sns.mnq.fr-par.scaleway.com/?Action=ConfirmSubscription"
    given = told("scaleway", configuration, {}, settings)
    body = json.dumps({"Type": "SubscriptionConfirmation", "SubscribeURL": url}).encode()
    asked: list[str] = []

    def inside(host: Any, *more: Any, **named: Any) -> Any:
        asked.append(str(host))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", inside)
    assert post(client, replace(given, body=body)).status_code == 503
    assert asked == ["sns.mnq.fr-par.scaleway.com"]


def test_a_subscription_is_confirmed_by_one_call_under_scaleways_own_name(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its server is one of ours with a certificate in that name; a second asking is confirmed as well."""
    host = "sns.mnq.fr-par.scaleway.com"
    certificate = make_certificate(tmp_path / "scaleway.pem", host)
    context, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    context.load_cert_chain(certificate)
    trusting.load_verify_locations(certificate)
    monkeypatch.setattr(http, "_tls", lambda **_kinds: trusting)
    configuration = set_up("scaleway")
    given = told("scaleway", configuration, {}, settings)
    url = f"https://{host}/?Action=ConfirmSubscription&Token=t0k3n"
    body = json.dumps({"Type": "SubscriptionConfirmation", "SubscribeURL": url}).encode()
    connect = AnyIOBackend.connect_tcp
    with FakeHttp(tls=context) as server:

        async def by_another_port(self: Any, address: str, port: int, *more: Any) -> Any:
            assert port == 443
            return await connect(self, address, server.port, *more)

        monkeypatch.setattr(AnyIOBackend, "connect_tcp", by_another_port)
        here = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *more, **named: here)
        assert [post(client, replace(given, body=body)).status_code for _time in range(2)] == [204, 204]
    assert server.named == [host, host]
    assert {(one.method, one.query["Token"], one.headers["host"]) for one in server.requests} == {
        ("GET", "t0k3n", host)
    }
    assert not ReceivedReceipt.objects.exists()


def test_its_page_says_where_the_address_is_entered_and_shows_no_secret(client: Client) -> None:
    configuration = set_up("mailgun")
    client.force_login(builders.person(configuration.workspace, "administrator"))
    page = client.get(f"/channels/{configuration.pk}/").content.decode()
    assert f"/hooks/{configuration.pk}/" in page
    assert "Permanent Failure" in page
    assert "Webhook signing key" not in page
    assert "receipts-password-0001" not in page
