"""The SMTP provider against a server on a real socket: every answer becomes the right fact."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from channels.messages import Fact, Outcome, Rendered
from channels.providers import smtp, smtp_line
from channels.providers.smtp import Line, SmtpLane
from tests.fakes.smtp import FakeSmtp


def message(recipient: str, key: str = "1-1", **changes: str) -> Rendered:
    values = {"sender_name": "Fernhill 蕨丘", "sender_email": "hello@fernhill.example", "reply_to": ""}
    values |= {"subject": "早一天 Early", "html": "<p>哈囉</p>\n.\n..dots", "text": ".one\n.\n"} | changes
    return Rendered(key=key, recipient=recipient, **values)


def line(server: FakeSmtp, **changes: str) -> Line:
    return Line(**{**server.settings, **changes})


def send(server: FakeSmtp, *messages: Rendered, **changes: str) -> list[Outcome]:
    async def run() -> list[Outcome]:
        lane = SmtpLane(line(server, **changes))
        try:
            return [await lane.send(one) for one in messages]
        finally:
            await lane.close()

    return asyncio.run(run())


def test_an_accepted_message_arrives_whole_with_the_servers_own_number() -> None:
    with FakeSmtp() as server:
        (outcome,) = send(server, message("ana@example.com"))
    assert outcome.fact is Fact.ACCEPTED
    assert (outcome.code, outcome.provider_id) == ("250 2.0.0", "Q1")
    arrived = server.accepted[0]
    assert arrived.recipients == ["ana@example.com"]
    assert arrived.parsed["Subject"] == "早一天 Early"
    html = arrived.parsed.get_body(("html",))
    assert html is not None
    assert html.get_content().replace("\r\n", "\n") == "<p>哈囉</p>\n.\n..dots"
    assert b"\n" not in arrived.raw.replace(b"\r\n", b"")


def test_many_messages_share_one_connection() -> None:
    with FakeSmtp() as server:
        outcomes = send(server, *(message(f"p{n}@example.com", f"1-{n}") for n in range(20)))
    assert {outcome.fact for outcome in outcomes} == {Fact.ACCEPTED}
    assert server.connections == 1


def test_a_connection_is_renewed_after_its_share_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "MESSAGES_PER_CONNECTION", 5)
    with FakeSmtp() as server:
        send(server, *(message(f"p{n}@example.com", f"1-{n}") for n in range(11)))
    assert (server.connections, len(server.accepted)) == (3, 11)


def test_a_server_that_ends_kept_lines_loses_and_doubles_nothing() -> None:
    with FakeSmtp(messages_per_connection=3) as server:
        outcomes = send(server, *(message(f"p{n}@example.com", f"1-{n}") for n in range(10)))
    assert {outcome.fact for outcome in outcomes} == {Fact.ACCEPTED}
    assert [one.recipients[0] for one in server.accepted] == [f"p{n}@example.com" for n in range(10)]


@pytest.mark.parametrize(
    ("recipient", "fact", "code"),
    [
        ("refuse@example.com", Fact.REFUSED, "550 5.1.1"),
        ("later@example.com", Fact.LATER, "451 4.7.1"),
        ("full@example.com", Fact.REFUSED, "552 5.2.2"),
        ("busy@example.com", Fact.LATER, "421 4.3.2"),
        ("drop@example.com", Fact.UNCERTAIN, ""),
        ("hangup@example.com", Fact.UNREACHABLE, ""),
        ("用戶@example.com", Fact.REFUSED, ""),
        ("a@example.com>\r\nRCPT TO:<b@example.com", Fact.REFUSED, ""),
    ],
)
def test_an_answer_becomes_its_fact_and_the_next_message_goes_out(
    recipient: str, fact: Fact, code: str
) -> None:
    with FakeSmtp() as server:
        first, second = send(server, message(recipient, "1-1"), message("next@example.com", "1-2"))
    assert (first.fact, first.code) == (fact, code)
    assert second.fact is Fact.ACCEPTED
    assert [one.recipients for one in server.accepted] == [["next@example.com"]]


def test_a_sender_that_the_server_refuses_is_our_misconfiguration() -> None:
    with FakeSmtp() as server:
        (outcome,) = send(server, message("ana@example.com", sender_email="stranger@else.example"))
    assert (outcome.fact, outcome.code) == (Fact.MISCONFIGURED, "553 5.7.1")


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with FakeSmtp() as server:
        gone = line(server)
    outcome = asyncio.run(SmtpLane(gone).send(message("ana@example.com")))
    assert outcome.fact is Fact.UNREACHABLE


@pytest.mark.parametrize(
    ("password", "fact"), [("right", Fact.ACCEPTED), ("wrong", Fact.MISCONFIGURED), ("", Fact.MISCONFIGURED)]
)
def test_signing_in(password: str, fact: Fact) -> None:
    with FakeSmtp(password="right") as server:
        (outcome,) = send(
            server, message("ana@example.com"), username="us" if password else "", password=password
        )
    assert outcome.fact is fact
    assert "right" not in outcome.detail
    assert len(server.accepted) == (fact is Fact.ACCEPTED)


def test_a_silent_server_is_given_up_and_the_body_makes_the_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smtp_line, "COMMAND_SECONDS", 0.3)
    monkeypatch.setattr(smtp, "FINAL_DOT_SECONDS", 0.3)

    async def slow(self: FakeSmtp, *arguments: object) -> str:
        await asyncio.sleep(1)
        return "250 Ok"

    for command, fact in (("handle_MAIL", Fact.UNREACHABLE), ("handle_DATA", Fact.UNCERTAIN)):
        with monkeypatch.context() as patch, FakeSmtp() as server:
            patch.setattr(FakeSmtp, command, slow)
            (outcome,) = send(server, message("ana@example.com"))
        assert outcome.fact is fact


# ---- TLS ------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and its key for localhost, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


def server_with(certificate: Path, how: str) -> FakeSmtp:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return FakeSmtp(tls=context) if how == "tls" else FakeSmtp(starttls=context)


@pytest.mark.parametrize("how", ["tls", "starttls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path, how: str) -> None:
    with server_with(certificate, how) as server:
        (outcome,) = send(server, message("ana@example.com"), tls=how, host="localhost")
    assert outcome.fact is Fact.MISCONFIGURED
    assert "certificate" in outcome.detail.lower()
    assert server.accepted == []


@pytest.mark.parametrize("how", ["tls", "starttls"])
def test_a_trusted_certificate_of_another_host_is_refused(
    certificate: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(smtp_line, "tls_context", lambda: trusting)
    with server_with(certificate, how) as server:
        (named,) = send(server, message("ana@example.com"), tls=how, host="localhost")
        (numbered,) = send(server, message("ana@example.com"), tls=how)
    assert named.fact is Fact.ACCEPTED
    assert numbered.fact is Fact.MISCONFIGURED


def test_a_server_without_starttls_gets_nothing_in_the_clear() -> None:
    with FakeSmtp() as server:
        (outcome,) = send(server, message("ana@example.com"), tls="starttls")
    assert outcome.fact is Fact.MISCONFIGURED
    assert server.accepted == []
