"""Rows P-60 to P-67, P-6A and P-6C of the promises: what a mail server does to a whole run, and its outcome.

Each server is real and misbehaves for real. What one message's answer means stands in
tests/channels/test_smtp*.py, HTTP providers (P-68) in test_http_providers.py and test_contract.py, the pace
(P-6B) in test_pacing.py, receipts (P-6D) in tests/campaigns/test_receipts.py.
"""

from __future__ import annotations

import socket
import ssl
import time
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models.functions import Now
from django.utils import timezone

from audiences.models import Profile, SoftBounce, Suppression
from campaigns.models import Attempt, Batch, Message, Run
from campaigns.reports.metrics import Ledger, ledger
from channels.models import Breaker, ChannelConfiguration
from channels.providers import smtp_line
from tests import builders
from tests.benchmarks import mailtools
from tests.fakes.certificates import make_certificate
from tests.fakes.relay import FakeRelay
from tests.fakes.smtp import FakeSmtp

pytestmark = pytest.mark.django_db
SINK = mailtools.found("smtp-sink")


def run_over(port: int, *people: str, **settings: Any) -> Run:
    where = builders.workspace()
    for local in people:
        Profile.objects.create(workspace=where, email=f"{local}@example.com", attributes={"name": local})
    configuration = builders.smtp(where, port)
    configuration.settings |= settings
    configuration.save()
    builders.live(where, now=timezone.now(), configuration=configuration)
    call_command("deliver")
    return Run.objects.get()


def go_on(times: int = 1) -> None:
    for _ in range(times):
        Batch.objects.update(send_after=timezone.now())
        Attempt.objects.exclude(retry_at=None).update(retry_at=timezone.now())
        Breaker.objects.update(probe_at=Now())
        call_command("deliver")


def book(run: Run) -> Ledger:
    run.refresh_from_db()
    found = ledger(run)
    assert found.balances
    return found


def tries(local: str) -> list[str]:
    mine = Message.objects.filter(address=f"{local}@example.com").values("ref")
    return list(Attempt.objects.filter(ref__in=mine).order_by("n").values_list("outcome", flat=True))


# ---- P-60 -----------------------------------------------------------------------------------------
def test_p60_a_server_that_closes_at_the_greeting_costs_nobody_a_try() -> None:
    with FakeRelay(greeting=b"421 4.3.2 Too many connections\r\n") as relay:
        run = run_over(relay.port, "a", "b", "c")
        go_on(3)
        assert (book(run).to_go, book(run).failed, Attempt.objects.count()) == (3, 0, 0)
        assert run.reason.startswith("unreachable")
        assert Breaker.objects.get().opened_at is not None
        relay.greeting = b"220 relay.example ESMTP\r\n"
        go_on(3)
    assert (book(run).accepted, run.state, len(relay.accepted)) == (3, "completed", 3)


def test_p60_a_server_that_closes_in_the_middle_gets_the_rest_over_another_line() -> None:
    with FakeRelay(messages_per_connection=2) as relay:
        run = run_over(relay.port, *(f"p{n}" for n in range(9)))
        go_on(3)
    assert (book(run).accepted, len(relay.accepted)) == (9, 9)
    assert set(Attempt.objects.values_list("n", flat=True)) == {1}


def test_p60_a_server_that_closes_for_one_person_does_not_stop_the_others() -> None:
    with FakeRelay() as relay:
        run = run_over(relay.port, "busy", *(f"p{n}" for n in range(5)))
        go_on(2)
    assert (book(run).accepted, book(run).to_go, book(run).failed) == (5, 1, 0)
    assert Suppression.objects.count() == 0


# ---- P-61 -----------------------------------------------------------------------------------------
def test_p61_who_is_put_off_with_451_450_and_452_gets_one_copy_when_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = iter(
        [
            "451 4.7.1 Greylisted, try again",
            "450 4.2.0 Greylisted",
            "452 4.3.1 Insufficient system storage",
            "250 2.1.5 Ok",
        ]
    )

    async def greylist(
        self: FakeSmtp, server: Any, session: Any, envelope: Any, address: str, _o: Any
    ) -> str:
        said = next(waits) if address.startswith("slow@") else "250 2.1.5 Ok"
        if said.startswith("250"):
            envelope.rcpt_tos.append(address)
        return said

    monkeypatch.setattr(FakeSmtp, "handle_RCPT", greylist)
    with FakeSmtp() as server:
        run = run_over(server.port, "slow", "fine")
        assert (book(run).accepted, book(run).to_go, run.state) == (1, 1, "sending")
        call_command("deliver")  # it is not time yet
        assert tries("slow") == ["deferred"]
        go_on(3)
    assert tries("slow") == ["deferred", "deferred", "deferred", "accepted"]
    codes = Attempt.objects.filter(outcome="deferred").order_by("n").values_list("code", flat=True)
    assert list(codes) == ["451 4.7.1", "450 4.2.0", "452 4.3.1"]
    assert [one.recipients for one in server.accepted].count(["slow@example.com"]) == 1
    assert (book(run).accepted, run.state, Suppression.objects.count()) == (2, "completed", 0)


def test_p61_the_waits_are_those_of_the_configuration_and_the_last_is_repeated() -> None:
    with FakeSmtp() as server:
        run_over(server.port, "later", retry_waits="5, 30")
        found = []
        for _ in range(4):
            latest = Attempt.objects.latest("n")
            assert latest.retry_at is not None
            found.append(round((latest.retry_at - latest.at).total_seconds() / 60))
            go_on()
    assert found == [5, 30, 30, 30]


def test_p61_what_is_refused_for_now_for_too_long_expires_with_the_servers_words() -> None:
    with FakeSmtp() as server:
        run = run_over(server.port, "later", retry_hours=6)
        Attempt.objects.update(at=timezone.now() - timedelta(hours=7))
        go_on()
    assert tries("later") == ["deferred", "expired"]
    last = Attempt.objects.get(outcome="expired")
    assert (last.code, "Greylisted" in (last.detail or "")) == ("451 4.7.1", True)
    assert (book(run).to_go, run.state, server.accepted) == (0, "completed", [])


# ---- P-62 -----------------------------------------------------------------------------------------
def test_p62_an_address_that_is_none_fails_and_is_suppressed_and_policy_suppresses_nobody() -> None:
    with FakeRelay() as relay:
        run = run_over(relay.port, "refuse", "policy", "fine")
    assert (tries("refuse"), tries("policy"), tries("fine")) == (["failed"], ["failed"], ["accepted"])
    assert list(Suppression.objects.values_list("address", flat=True)) == ["refuse@example.com"]
    assert (book(run).failed, run.state) == (2, "completed")


def test_p62_a_full_mailbox_fails_and_is_counted_and_policy_is_not() -> None:
    with FakeRelay() as relay:
        run = run_over(relay.port, "full", "policy")
    assert (book(run).failed, Suppression.objects.count()) == (2, 0)
    assert list(SoftBounce.objects.values_list("address", flat=True)) == ["full@example.com"]


def test_p62_policy_again_and_again_opens_the_breaker_before_everybody_has_failed() -> None:
    with FakeRelay() as relay:
        run = run_over(relay.port, *(f"policy+{n}" for n in range(800)))
        held = book(run)
    assert held.to_go > 0 and held.failed < 800
    assert "5.7.1" in Breaker.objects.get().reason
    assert Suppression.objects.count() == 0


# ---- P-63 -----------------------------------------------------------------------------------------
@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path / "smtp.pem", "localhost")


@pytest.mark.parametrize("fault", ["sign-in", "sender", "certificate", "name"])
def test_p63_what_is_set_up_wrongly_holds_the_run_and_fails_nobody(
    fault: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = FakeSmtp(password="right") if fault == "sign-in" else FakeSmtp()
    settings: dict[str, Any] = {"username": "us"} if fault == "sign-in" else {}
    if fault == "certificate":
        server, settings = FakeSmtp(tls=context), {"tls": "tls", "host": "localhost"}
    if fault == "name":
        settings = {"host": "no-such-host.invalid"}
    if fault == "sender":
        real = FakeSmtp.handle_MAIL

        async def stranger(self: FakeSmtp, a: Any, b: Any, c: Any, _address: str, options: Any) -> str:
            return await real(self, a, b, c, "stranger@fernhill.example", options)

        monkeypatch.setattr(FakeSmtp, "handle_MAIL", stranger)
    with server:
        run = run_over(server.port, "a", "b", **settings)
        go_on(2)
    assert (book(run).to_go, book(run).failed, run.state) == (2, 0, "sending")
    assert run.reason
    assert (Attempt.objects.count(), Suppression.objects.count(), server.accepted) == (0, 0, [])


# ---- P-64 -----------------------------------------------------------------------------------------
def test_p64_a_copy_that_is_refused_says_nothing_of_the_person() -> None:
    with FakeRelay() as relay:
        run = run_over(relay.port, "a", "refuse", "b", bcc="refuse+archive@fernhill.example")
    assert (tries("a"), tries("refuse"), tries("b")) == (["accepted"], ["failed"], ["accepted"])
    assert [to for _sender, to, _body in relay.accepted] == [["a@example.com"], ["b@example.com"]]
    assert list(Suppression.objects.values_list("address", flat=True)) == ["refuse@example.com"]
    assert book(run).accepted == 2


@pytest.mark.parametrize("pipelining", [True, False])
def test_p64_each_person_has_a_transaction_and_an_answer_of_their_own(pipelining: bool) -> None:
    """Also where the copy is taken and the person is not: then nobody gets anything."""
    people = ["a", "refuse", "b", "later", "policy", "full", "c"]
    with FakeRelay(pipelining=pipelining) as relay:
        run = run_over(relay.port, *people, bcc="archive@fernhill.example")
    assert {one: tries(one) for one in people} == {
        "a": ["accepted"], "b": ["accepted"], "c": ["accepted"], "later": ["deferred"],
        "refuse": ["failed"], "policy": ["failed"], "full": ["failed"],
    }  # fmt: skip
    taken = sorted(to for _sender, to, _body in relay.accepted)
    assert taken == [[f"{one}@example.com", "archive@fernhill.example"] for one in "abc"]
    assert list(Suppression.objects.values_list("address", flat=True)) == ["refuse@example.com"]
    assert (book(run).accepted, book(run).failed, book(run).to_go) == (3, 3, 1)


# ---- P-65 -----------------------------------------------------------------------------------------
def test_p65_a_line_that_breaks_after_the_dot_is_uncertain_and_tried_again_under_the_same_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bodies: list[bytes] = []

    async def breaks_once(self: FakeSmtp, server: Any, session: Any, envelope: Any) -> str:
        bodies.append(envelope.original_content)
        if len(bodies) == 1:
            server.transport.abort()
            return ""
        return "250 2.0.0 Ok: queued as Q1"

    monkeypatch.setattr(FakeSmtp, "handle_DATA", breaks_once)
    with FakeSmtp() as server:
        run = run_over(server.port, "a")
        go_on()
    assert tries("a") == ["uncertain", "accepted"]
    first, second = (message_from_bytes(body)["Message-ID"] for body in bodies)
    assert first == second
    assert book(run).accepted == 1


def test_p65_the_wait_at_the_dot_is_the_standards_and_below_a_tasks_limit() -> None:
    from config.celery import HARD_LIMIT, VISIBILITY

    assert smtp_line.FINAL_DOT_SECONDS >= 600  # RFC 5321 section 4.5.3.2.6
    assert smtp_line.FINAL_DOT_SECONDS <= HARD_LIMIT < VISIBILITY


# ---- P-66 -----------------------------------------------------------------------------------------
@pytest.fixture
def dribbling() -> Iterator[int]:
    """A server that greets one octet at a time and never comes to the end of the line."""
    relay = FakeRelay(greeting=b"220-" + b"x" * 4000, segment=1)
    with relay:
        yield relay.port


def test_p66_a_server_that_says_nothing_frees_the_worker_and_holds_up_no_other_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smtp_line, "GREETING_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as deaf, FakeSmtp() as server:
        began = time.monotonic()
        stuck = run_over(deaf.getsockname()[1], "a", "b")
        assert time.monotonic() - began < 30
        assert (book(stuck).to_go, Attempt.objects.count()) == (2, 0)
        other = builders.workspace("hillfern")
        builders.profiles(other, 2)
        healthy = builders.smtp(other, server.port)
        builders.live(other, now=timezone.now(), configuration=healthy)
        call_command("deliver")
    assert len(server.accepted) == 2
    assert book(stuck).to_go == 2


def test_p66_octets_that_come_slowly_extend_no_wait(dribbling: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_line, "GREETING_SECONDS", 0.5)
    began = time.monotonic()
    run = run_over(dribbling, "a")
    assert time.monotonic() - began < 30
    assert (book(run).to_go, Attempt.objects.count()) == (1, 0)


# ---- P-67 -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("manner", ["garbage", "long", "endless"])
def test_p67_answers_that_are_none_fail_nobody(manner: str) -> None:
    with FakeRelay() as relay:
        run = run_over(relay.port, manner, "fine")
        go_on()
    assert book(run).failed == 0
    assert book(run).to_go + book(run).accepted == 2
    assert Suppression.objects.count() == 0


@pytest.mark.parametrize("said", [b"x" * 65_536, b"250-more\r\n" * 6_554], ids=["one line", "many lines"])
def test_p67_an_answer_of_a_quarter_gigabyte_is_broken_off_and_held_in_little_memory(said: bytes) -> None:
    with FakeRelay(flood=said) as relay:
        tracemalloc.start()
        try:
            run = run_over(relay.port, "flood", "fine")
            _now, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        go_on()
    assert 0 < relay.poured < 32 << 20  # what two sockets hold; the rest of the 256 MB was not waited for
    assert most < 32 << 20
    assert book(run).failed == 0
    assert book(run).to_go + book(run).accepted == 2
    assert Suppression.objects.count() == 0


# ---- P-6A, P-6C -----------------------------------------------------------------------------------
def test_p6a_while_a_provider_is_away_it_is_tried_by_one_message_in_half_a_minute() -> None:
    with FakeRelay(greeting=b"421 4.3.2 Down\r\n") as relay:
        run = run_over(relay.port, *(f"p{n}" for n in range(50)))
        before = relay.connections
        for _ in range(20):  # the sweep rings, and it is not time yet
            Batch.objects.update(send_after=timezone.now())
            call_command("deliver")
        assert relay.connections == before
        Breaker.objects.update(probe_at=Now())
        Batch.objects.update(send_after=timezone.now())
        call_command("deliver")
        assert relay.connections == before + 1
        assert (book(run).to_go, Attempt.objects.count(), run.state) == (50, 0, "sending")
        assert run.reason
        relay.greeting = b"220 relay.example ESMTP\r\n"
        go_on(2)
    assert (book(run).accepted, run.state) == (50, "completed")


def test_p6c_what_is_uncertain_at_one_provider_goes_through_no_other() -> None:
    with FakeSmtp() as first, FakeSmtp() as second:
        run = run_over(first.port, "drop")
        spare = builders.smtp(run.campaign.workspace, second.port, name="Spare")
        go_on(3)
        assert spare.status == ChannelConfiguration.Status.ACTIVE
    assert set(tries("drop")) == {"uncertain"}
    assert second.accepted == []


# ---- Debian's own test server -----------------------------------------------------------------------
@pytest.mark.skipif(SINK is None, reason="smtp-sink is not installed: apt-get install postfix")
@pytest.mark.parametrize(
    ("options", "failed", "accepted"),
    [([], 0, 3), (["-f", "RCPT"], 3, 0), (["-q", "RCPT"], 0, 0), (["-Q", "."], 0, 0), (["-p"], 0, 3)],
    ids=["well", "hard at RCPT", "hangs up at RCPT", "hangs up at the dot", "no pipelining"],
)
def test_smtp_sink_says_the_same(options: list[str], failed: int, accepted: int) -> None:
    with mailtools.sink(*options) as port:
        run = run_over(port, "a", "b", "c")
    assert (book(run).failed, book(run).accepted) == (failed, accepted)
    assert Suppression.objects.count() == 0  # 500 says nothing of the person
