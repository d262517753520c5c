"""A gateway that asks who connects: the certificate we show, its refusal, and what is none."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.core.management import call_command
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from accounts.models import Workspace
from audiences.models import Profile, Suppression
from campaigns import lifecycle
from campaigns.models import Attempt, Batch, Run
from campaigns.reports.metrics import ledger
from channels import http
from channels.messages import Fact
from channels.models import Breaker, ChannelConfiguration
from channels.providers.base import secrets_of
from channels.providers.sms_http import SmsHttpForm
from channels.sealing import keep
from tests import builders
from tests.channels.providers import BENCHES
from tests.fakes.certificates import make_certificate
from tests.fakes.vendors import FakeGateway

pytestmark = pytest.mark.usefixtures("loopback_is_ours")

BENCH = BENCHES["sms_http"]
SECRETS = {"auth_secret": FakeGateway.key, "receipts_secret": "gateway-receipts-secret"}


@pytest.fixture
def ours(tmp_path: Path) -> str:
    return make_certificate(tmp_path / "ours.pem", "carillon.example").read_text()


both = pytest.mark.parametrize("gate", ["TLSv1_3", "TLSv1_2"], indirect=True)


@pytest.fixture
def gate(
    tmp_path: Path, ours: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[FakeGateway]:
    """A gateway that speaks only with whoever shows our certificate."""
    theirs = make_certificate(tmp_path / "gate.pem", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(theirs))  # as whoever runs the house trusts an authority
    http._tls.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion[getattr(request, "param", "TLSv1_3")]
    context.load_cert_chain(theirs)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "ours.pem")
    with FakeGateway(tls=context) as server:
        yield server
    http._tls.cache_clear()


def shown(server: FakeGateway, certificate: str, **changes: Any) -> ChannelConfiguration:
    secrets = {**SECRETS, "client_certificate": certificate}
    return BENCH.configuration(server, secrets=secrets, mutual_tls=bool(certificate), **changes)


@both
def test_who_shows_the_certificate_is_let_in_beside_a_key(gate: FakeGateway, ours: str) -> None:
    configuration = shown(gate, ours)
    (outcome,) = BENCH.send(configuration, BENCH.message())
    assert outcome.fact is Fact.ACCEPTED, outcome
    steps = BENCH.rehearse(configuration)
    assert [step.is_ok for step in steps] == [True, True, True]
    assert "CN=carillon.example, until 20" in steps[1].said
    assert "PRIVATE" not in str(steps)


@both
def test_who_shows_none_or_another_is_set_up_wrongly_and_handed_nothing_over(
    gate: FakeGateway, tmp_path: Path
) -> None:
    other = make_certificate(tmp_path / "other.pem", "somebody.example").read_text()
    for certificate in ("", other):
        configuration = shown(gate, certificate)
        for outcome in BENCH.send(configuration, *[BENCH.message()] * 5):
            told = (outcome.fact, outcome.code, outcome.fault)
            assert gate.tls
            if not certificate and gate.tls.maximum_version == ssl.TLSVersion.TLSv1_3:
                # A reset on this machine can overtake the reason; it never is the person's fault.
                assert told in [(Fact.MISCONFIGURED, "tls", None), (Fact.UNCERTAIN, "broken", None)]
                continue
            assert told == (Fact.MISCONFIGURED, "tls", None)
            assert "client certificate" in outcome.detail
        last = BENCH.rehearse(configuration)[-1]
        assert not last.is_ok and "client certificate" in last.said
    assert gate.requests == []


def test_the_address_is_checked_when_the_certificate_is_shown_too(
    gate: FakeGateway, ours: str, settings: Any
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    (outcome,) = BENCH.send(shown(gate, ours), BENCH.message())
    assert (outcome.fact, outcome.code) == (Fact.MISCONFIGURED, "url_not_allowed")
    assert gate.connections == 0


def pem(key: Any, password: bytes = b"") -> str:
    how = BestAvailableEncryption(password) if password else NoEncryption()
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode())


def split(text: str) -> tuple[str, str]:
    certificate, begin, key = text.partition("-----BEGIN PRIVATE KEY")
    return certificate, begin + key


def given(certificate: str, **changes: Any) -> SmsHttpForm:
    class Stub:
        url = "https://gate.example"

    good = {**BENCH.settings(Stub()), **SECRETS, "mutual_tls": True}
    return SmsHttpForm({**good, "client_certificate": certificate, **changes})


def fault(certificate: str) -> str:
    form = given(certificate)
    assert not form.is_valid() and list(form.errors) == ["client_certificate"], form.errors
    (error,) = form.errors.as_data()["client_certificate"]
    assert error.code == "bad_client_certificate"
    return str(error.messages[0])


def test_what_is_no_certificate_with_its_key_is_told_at_its_field(ours: str, tmp_path: Path) -> None:
    certificate, key = split(ours)
    assert given(key + certificate).is_valid()  # in any order
    assert given(f"Bag Attributes\r\n{certificate}\r\nsome words\r\n{key}".replace("\n", "\r\n")).is_valid()
    made = tmp_path / "made.pem"

    def made_with(**more: Any) -> str:
        return make_certificate(made, "x.example", **more).read_text()

    another = pem(ec.generate_private_key(ec.SECP256R1()))
    for text, words in (
        ("hello", "one private key"),
        (key, "Paste the certificate"),
        (certificate, "one private key"),
        (ours + another, "more than one private key"),
        (certificate + another, "belongs to none"),
        (certificate + pem(ec.generate_private_key(ec.SECP256R1()), b"secret"), "locked with a password"),
        (ours.replace("MII", "MIJ", 1), "cannot be read"),
        (certificate + key.replace("MIG", "MIH", 1), "cannot be read"),
        (certificate * 11 + key, "more than 10"),
        (made_with(days=(-9, -2)), "ended on"),
        (made_with(days=(2, 9)), "does not begin before"),
        (made_with(purpose=ExtendedKeyUsageOID.SERVER_AUTH), "for servers only"),
        (made_with(key=rsa.generate_private_key(65537, 1024)), "too small"),
        ("-----BEGIN PRIVATE KEY-----" * 1400, "one private key"),
        ("x" * 40_001, "40000"),
    ):
        if words == "40000":
            assert "client_certificate" in given(text).errors
        else:
            assert words in fault(text), text[:200]
    assert given(made_with(purpose=ExtendedKeyUsageOID.CLIENT_AUTH)).is_valid()


def test_a_certificate_is_shown_over_https_only_and_not_forgotten_to_be_ticked(
    ours: str, settings: Any
) -> None:
    plain = "http://127.0.0.1:9/"
    assert list(given(ours, url=plain).errors) == ["url"]
    oauth = {"auth": "oauth", "auth_name": "crm", "auth_token_url": plain}
    assert list(given(ours, **oauth).errors) == ["auth_token_url"]
    assert list(given(ours, mutual_tls=False).errors) == ["mutual_tls"]


@pytest.fixture
def where(db: None) -> Workspace:
    return builders.workspace()


def posted(gate: FakeGateway, **more: str) -> dict[str, Any]:
    settings = {**BENCH.settings(gate), "auth": "none", "auth_name": "", "mutual_tls": "on", **more}
    entered = {f"provider-{name}": value for name, value in settings.items() if value not in ("", False)}
    return {"name": "Gate", "kind": "marketing", "actions": "", **entered}


def stored(made: ChannelConfiguration) -> dict[str, str]:
    return secrets_of(ChannelConfiguration.objects.select_related("credential").get(pk=made.pk))


def test_it_is_set_up_on_its_page_tested_renewed_and_never_shown_again(
    gate: FakeGateway, ours: str, where: Workspace, client: Client, tmp_path: Path
) -> None:
    client.force_login(builders.person(where, "administrator"))
    client.post("/channels/new/?provider=sms_http", posted(gate))
    made = ChannelConfiguration.objects.get()
    client.post(f"/channels/{made.pk}/submit/")
    assert (
        "certificate and its private key are missing" in client.get(f"/channels/{made.pk}/").content.decode()
    )
    edit = f"/channels/{made.pk}/edit/"
    for more in ({"client_certificate": ours}, {"receipts_secret": "renewed-by-itself"}, {}):
        answer = client.post(edit, posted(gate, **more))
        assert answer.status_code == 302, answer.content.decode()
    assert stored(made)["client_certificate"] == ours.strip()
    assert stored(made)["receipts_secret"] == "renewed-by-itself"
    client.post(f"/channels/{made.pk}/submit/")
    made.refresh_from_db()
    page = client.get(f"/channels/{made.pk}/").content.decode()
    assert made.status == "active", page
    assert "CN=carillon.example, until 20" in page
    line = ours.splitlines()[-3]
    assert line not in page and line not in client.get(edit).content.decode()
    assert line not in str(made.settings)
    assert made.credential and line.encode() not in bytes(made.credential.sealed)
    moved = client.post(edit, posted(gate, url=gate.url + "/elsewhere"))
    assert moved.status_code == 400 and "another server" in moved.content.decode()
    other = make_certificate(tmp_path / "other.pem", "somebody.example").read_text()
    answer = client.post(edit, posted(gate, client_certificate=other), follow=True)
    assert "The old one goes on carrying messages." in answer.content.decode()
    assert stored(made)["client_certificate"] == ours.strip()
    assert gate.requests == []


def test_a_gateway_that_takes_our_certificate_no_more_holds_the_run_and_suppresses_nobody(
    gate: FakeGateway, ours: str, where: Workspace, tmp_path: Path
) -> None:
    other = make_certificate(tmp_path / "other.pem", "somebody.example").read_text()
    made = builders.configuration(
        where, name="Gate", provider="sms_http", channel="sms",
        settings={**BENCH.settings(gate), "mutual_tls": True},
    )  # fmt: skip

    def show(certificate: str) -> None:
        secrets = json.dumps({**SECRETS, "client_certificate": certificate})
        made.credential = keep(
            secrets, workspace=where, name="Gate", credential=made.credential, now=timezone.now()
        )
        made.save()

    show(other)
    for number in ("+886912345678", "+886912345679"):
        Profile.objects.create(workspace=where, phone=number)
    campaign = builders.draft_over(made, builders.person(where, "manager"), text="Early")
    lifecycle.apply(campaign, "activate", actor=builders.person(where, "approver"), now=timezone.now())
    call_command("deliver")
    run = Run.objects.get()
    assert run.state == "sending" and "client certificate" in run.reason
    assert (ledger(run).to_go, ledger(run).failed, gate.requests) == (2, 0, [])
    assert (Attempt.objects.count(), Suppression.objects.count()) == (0, 0)
    show(ours)
    for _probe_then_all in range(2):
        Breaker.objects.update(probe_at=Now())
        Batch.objects.update(send_after=timezone.now())
        call_command("deliver")
    assert (ledger(run).accepted, len(gate.requests)) == (2, 2)
