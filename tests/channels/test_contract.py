"""The matrix provider × contract: what every provider must answer, against servers that really misbehave.

A cell that does not apply to a provider is named in NOT_THERE with its reason, so that nothing is left out
by forgetting it.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from channels import http
from channels.kinds import KINDS
from channels.messages import Fact, Fault, Outcome, Rendered
from channels.models import ChannelConfiguration
from channels.providers import registry, smtp
from channels.providers.base import BatchLane, ReceiptReader
from tests.channels.providers import BENCHES, Bench
from tests.fakes.http import FakeHttp, Received, Response
from tests.fakes.smtp import FakeSmtp

pytestmark = [pytest.mark.django_db, pytest.mark.sampled(6)]

MAIL = (
    "sendgrid", "mailgun", "postmark", "brevo", "mailjet", "mailersend", "mandrill", "resend", "sparkpost",
    "unisender_go", "scaleway", "amazon_ses",
)  # fmt: skip
BATCHES = ("infobip", "line", "inapp", "direct_mail", "postmark", "brevo", "mailjet", "resend")
NOT_THERE = {
    **{
        (key, manner): "slow, and the same lane as SendGrid's"
        for key in MAIL[1:]
        for manner in ("silent", "slow_headers", "drip", "endless", "gzip_bomb")
    },
    ("webhook", "wrong"): "a receiver knows no numbers",
    ("webhook", "busy"): "a receiver knows no numbers",
    ("webhook", "unreadable"): "only the status of a receiver counts",
    ("webpush", "unreadable"): "only the status of a push service counts",
    ("webpush", "rehearsal away"): "there is nobody to ask before a browser subscribed",
    ("webpush", "address"): "the address stands in the subscription",
    ("apns", "unreadable"): "only the status of a good answer counts",
    ("apns", "echo"): "it speaks HTTP/2",
    ("fcm", "echo"): "what is said back to the sign-in is a test of its own",
    ("line", "echo"): "what is said back to the sign-in is a test of its own",
    ("inapp", "wrong"): "a name of ours is never wrong",
    ("inapp", "busy"): "nobody is asked",
    ("inapp", "drop"): "it is one statement in our own database",
    ("inapp", "away"): "nobody is asked",
    ("inapp", "unauthorized"): "nobody signs in",
    ("inapp", "rehearsal away"): "nobody is asked",
    ("direct_mail", "wrong"): "a name of ours is never wrong",
    ("direct_mail", "busy"): "its row is durable whatever the target does",
    ("direct_mail", "drop"): "it is one transaction in our own database",
    ("direct_mail", "away"): "its row is durable whatever the target does",
    ("direct_mail", "unauthorized"): "files are delivered later, see test_direct_mail.py",
    ("direct_mail", "rehearsal away"): "each target’s rehearsal is in test_direct_mail.py",
    ("sandbox", "rehearsal away"): "it is always there",
    ("sandbox", "away"): "it is always there",
    ("sandbox", "unauthorized"): "nobody signs in",
    ("sandbox", "drop"): "tested by its recipient",
}


@pytest.fixture(autouse=True)
def _ours(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    settings.VAR = tmp_path
    for module, name in ((http, "READ_SECONDS"), (smtp, "FINAL_DOT_SECONDS")):
        monkeypatch.setattr(module, name, 0.5)
    monkeypatch.setattr(http, "TOTAL_SECONDS", 1.5)


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest) -> Bench:
    return BENCHES[request.param]


@pytest.fixture(params=[key for key, bench in BENCHES.items() if bench.is_http])
def over_http(request: pytest.FixtureRequest) -> Bench:
    return BENCHES[request.param]


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch, manner: str) -> None:
    """Who waits in vain waits briefly; who gets an answer keeps the time for it."""
    if manner in ("silent", "slow_headers", "drip"):
        monkeypatch.setattr(http, "READ_SECONDS", 0.2)
        monkeypatch.setattr(http, "TOTAL_SECONDS", 0.4)


def needs(bench: Bench, cell: str) -> None:
    if (reason := NOT_THERE.get((bench.key, cell))) is not None:
        pytest.skip(reason)


def serve(bench: Bench) -> Any:
    return FakeSmtp(password="right") if bench.key == "smtp" else bench.server()


def hides_secrets(bench: Bench, *texts: str) -> bool:
    secrets = [bench.secrets] if isinstance(bench.secrets, str) else list(bench.secrets.values())
    return not any(secret and secret in text for secret in secrets for text in texts)


def test_every_known_provider_has_a_bench() -> None:
    assert set(BENCHES) == set(registry.PROVIDERS)


def test_its_parts_have_the_same_names(bench: Bench) -> None:
    provider = bench.provider
    assert provider.key == bench.key
    assert str(provider.label)
    assert str(provider.about)
    assert provider.channels
    assert set(provider.channels) <= set(KINDS)
    lane = provider.open(bench.configuration(FakeHttpStub()))
    assert isinstance(lane, BatchLane) == (bench.key in BATCHES)
    assert isinstance(provider, ReceiptReader) == (
        bench.key in ("twilio", "vonage", "infobip", "sms_http", "line", "whatsapp", *MAIL)
    )


class FakeHttpStub:
    url = "http://127.0.0.1:1"
    settings = {"host": "127.0.0.1", "port": 1, "tls": "none", "username": "", "password": ""}


# ---- sending ------------------------------------------------------------------------------------
def test_an_accepted_message_is_accepted_with_the_other_sides_own_id(bench: Bench) -> None:
    with serve(bench) as server:
        first, second = bench.send(
            bench.configuration(server), bench.message(), bench.message("next", key="1-2")
        )
    assert (first.fact, second.fact) == (Fact.ACCEPTED, Fact.ACCEPTED)
    assert first.fault is None
    if bench.key != "webhook":
        assert first.provider_id
        assert first.provider_id != second.provider_id


def test_a_wrong_address_is_the_recipients_fault_and_holds_up_nobody(bench: Bench) -> None:
    needs(bench, "wrong")
    with serve(bench) as server:
        first, second = bench.send(
            bench.configuration(server), bench.message("wrong"), bench.message("next", key="1-2")
        )
    assert first.fact is Fact.REFUSED
    assert first.code
    assert second.fact is Fact.ACCEPTED
    if bench.key in ("twilio", "vonage", "infobip", "line", "whatsapp", "fcm", "apns", "webpush", *MAIL):
        assert first.fault is Fault.ADDRESS


def test_not_now_is_not_never(bench: Bench) -> None:
    needs(bench, "busy")
    with serve(bench) as server:
        (outcome,) = bench.send(bench.configuration(server), bench.message("busy"))
    assert outcome.fact is Fact.LATER
    assert outcome.fault is None


def test_a_line_that_breaks_after_the_message_was_taken_is_uncertain(bench: Bench) -> None:
    needs(bench, "drop" if bench.key != "sandbox" else "")
    with serve(bench) as server:
        if bench.is_http:
            server.manner = "drop"
        configuration = bench.configuration(server)
        (outcome,) = bench.send(configuration, bench.message("good" if bench.is_http else "drop"))
    assert outcome.fact is Fact.UNCERTAIN


def test_a_server_that_is_away_took_nothing(bench: Bench) -> None:
    needs(bench, "away")
    with serve(bench) as server:
        configuration = bench.configuration(server)
    (outcome,) = bench.send(configuration, bench.message())
    assert outcome.fact is Fact.UNREACHABLE


def test_a_refused_sign_in_is_our_fault_and_no_recipients(bench: Bench) -> None:
    needs(bench, "unauthorized")
    wrong = dict.fromkeys(bench.secrets, "wrong-" + "0" * 20) if bench.is_http else "wrong"
    if bench.key == "webhook":
        wrong = {"signing_secret": "whsec_" + "A" * 44}
    with serve(bench) as server:
        (outcome,) = bench.send(bench.configuration(server, secrets=wrong), bench.message())
        taken = len(getattr(server, "accepted", []))
    assert outcome.fact is Fact.MISCONFIGURED
    assert outcome.fault is None
    assert taken == 0


def test_without_its_secret_or_settings_nothing_is_tried(over_http: Bench) -> None:
    with serve(over_http) as server:
        bare = ChannelConfiguration(pk=5, provider=over_http.key, settings={})
        for configuration in (over_http.configuration(server, secrets=""), bare):
            (outcome,) = over_http.send(configuration, over_http.message())
            assert outcome.fact is Fact.MISCONFIGURED
            assert outcome.detail
            steps = over_http.rehearse(configuration)
            assert not steps[-1].is_ok
    assert server.requests == []


def test_a_secret_sealed_for_another_row_is_never_used(over_http: Bench) -> None:
    with serve(over_http) as server:
        configuration = over_http.configuration(server)
        assert configuration.credential is not None
        configuration.credential.pk = 8
        (outcome,) = over_http.send(configuration, over_http.message())
    assert outcome.fact is Fact.MISCONFIGURED
    assert server.requests == []


# ---- many in one call ---------------------------------------------------------------------------
def send_many(bench: Bench, configuration: ChannelConfiguration, *messages: Rendered) -> list[Outcome]:
    lane = bench.provider.open(configuration)

    async def work() -> list[Outcome]:
        if not isinstance(lane, BatchLane):  # without its secret it is closed
            return [await lane.send(message) for message in messages]
        try:
            return await lane.send_many(messages)
        finally:
            await lane.close()

    return asyncio.run(work())


@pytest.mark.parametrize("key", BATCHES)
def test_many_in_one_call_have_an_outcome_and_a_number_each(key: str) -> None:
    bench = BENCHES[key]
    with serve(bench) as server:
        configuration = bench.configuration(server)
        first, second = send_many(bench, configuration, bench.message(), bench.message("next", key="1-2"))
    assert (first.fact, second.fact) == (Fact.ACCEPTED, Fact.ACCEPTED)
    assert first.provider_id and second.provider_id


@pytest.mark.parametrize("key", BATCHES)
def test_one_wrong_address_in_a_call_is_refused_alone(key: str) -> None:
    bench = BENCHES[key]
    needs(bench, "wrong")
    with serve(bench) as server:
        configuration = bench.configuration(server)
        outcomes = send_many(
            bench, configuration, bench.message(), bench.message("wrong", key="1-2"),
            bench.message("next", key="1-3"),
        )  # fmt: skip
    assert [one.fact for one in outcomes] == [Fact.ACCEPTED, Fact.REFUSED, Fact.ACCEPTED]


@pytest.mark.parametrize("key", BATCHES)
def test_a_refused_sign_in_is_the_fault_of_nobody_in_the_call(key: str) -> None:
    bench = BENCHES[key]
    needs(bench, "unauthorized")
    assert isinstance(bench.secrets, dict)
    wrong = dict.fromkeys(bench.secrets, "wrong-" + "0" * 20)
    with serve(bench) as server:
        configuration = bench.configuration(server, secrets=wrong)
        outcomes = send_many(bench, configuration, bench.message(), bench.message("next", key="1-2"))
    assert {(one.fact, one.fault) for one in outcomes} == {(Fact.MISCONFIGURED, None)}
    assert not getattr(server, "accepted", [])


# ---- what every HTTP server can do --------------------------------------------------------------
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(
    ("manner", "fact", "wait"),
    [
        ("too_many", Fact.LATER, 7.0),
        ("busy", Fact.LATER, 7.0),
        ("broken", Fact.LATER, None),
        ("gateway", Fact.UNCERTAIN, None),
        ("silent", Fact.UNCERTAIN, None),
        ("drop", Fact.UNCERTAIN, None),
        ("garbage", Fact.UNCERTAIN, None),
        ("slow_headers", Fact.UNCERTAIN, None),
        ("unauthorized", Fact.MISCONFIGURED, None),
        ("redirect", Fact.MISCONFIGURED, None),
    ],
)
def test_trouble_of_the_server_is_the_right_fact(
    over_http: Bench, manner: str, fact: Fact, wait: float | None
) -> None:
    needs(over_http, manner)
    with serve(over_http) as server:
        server.manner = manner
        (outcome,) = over_http.send(over_http.configuration(server), over_http.message())
    assert (outcome.fact, outcome.wait, outcome.fault) == (fact, wait, None)
    assert outcome.detail
    assert len(server.requests) == 1
    assert hides_secrets(over_http, outcome.detail)


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(
    "manner", ["invalid_json", "not_json", "deep", "truncated", "gzip_bomb", "endless", "drip"]
)
def test_a_success_that_cannot_be_read_may_have_been_taken(over_http: Bench, manner: str) -> None:
    needs(over_http, "unreadable")
    needs(over_http, manner)
    with serve(over_http) as server:
        server.manner = manner
        (outcome,) = over_http.send(over_http.configuration(server), over_http.message())
    assert outcome.fact is Fact.UNCERTAIN
    assert len(outcome.detail) <= 500


class Echo(FakeHttp):
    """Says back everything it was told, secrets too."""

    def answer(self, request: Received) -> Response:
        told = {
            "headers": request.headers,
            "query": request.query,
            "body": request.body.decode("utf-8", "replace"),
        }
        return Response(400, {"message": json.dumps(told), "description": json.dumps(told)})


def test_a_secret_that_is_said_back_is_struck(over_http: Bench) -> None:
    needs(over_http, "echo")
    with Echo() as server:
        (outcome,) = over_http.send(over_http.configuration(server), over_http.message())
    assert outcome.fact is Fact.REFUSED
    assert hides_secrets(over_http, outcome.detail, outcome.code)


@pytest.mark.parametrize(
    "changes",
    [
        {"recipient": "+886912345678\r\nX: y"},
        {"recipient": "0912345678"},
        {"recipient": ""},
        {"recipient": "\ud800"},
        {"recipient": "+8869\x0012345678"},
        {},
    ],
)
def test_what_cannot_be_written_is_refused_and_never_sent(over_http: Bench, changes: dict[str, str]) -> None:
    changes = changes or over_http.empty
    if over_http.key == "webhook" and "recipient" in changes:
        pytest.skip("the recipient stands nowhere but in what the author wrote")
    with serve(over_http) as server:
        configuration = over_http.configuration(server)
        outcome, after = over_http.send(
            configuration, over_http.message(**changes), over_http.message(key="1-2")
        )
    assert outcome.fact is Fact.REFUSED
    assert outcome.fault is (Fault.ADDRESS if "recipient" in changes else Fault.CONTENT)
    assert after.fact is Fact.ACCEPTED
    assert len(server.requests) == 1


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "x" * 200_000, "\u202e", '"}],"to":"+1"', "{{ 1 }}"])
def test_any_text_at_all_has_an_outcome(over_http: Bench, text: str) -> None:
    written = json.dumps({"text": text}) if over_http.key == "webhook" else text
    with serve(over_http) as server:
        (outcome,) = over_http.send(over_http.configuration(server), over_http.message(text=written))
    assert isinstance(outcome, Outcome)
    assert outcome.fact in (Fact.ACCEPTED, Fact.REFUSED)


def test_an_address_inside_our_network_is_never_connected_to(over_http: Bench, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    with serve(over_http) as server:
        configuration = over_http.configuration(server)
        (outcome,) = over_http.send(configuration, over_http.message())
        steps = over_http.rehearse(configuration)
    assert server.connections == 0
    if over_http.key == "webpush":  # it would be a strange browser that has its service there
        assert (outcome.fact, outcome.fault) == (Fact.REFUSED, Fault.ADDRESS)
        return
    assert outcome.fact is Fact.MISCONFIGURED
    assert not steps[-1].is_ok


# ---- rehearsing ---------------------------------------------------------------------------------
def test_a_rehearsal_shows_what_was_said_and_sends_nothing(bench: Bench) -> None:
    with serve(bench) as server:
        steps = bench.rehearse(bench.configuration(server))
        requests = getattr(server, "requests", [])
    assert steps
    assert all(step.is_ok and step.name and step.said for step in steps), steps
    assert all(request.method == "GET" or goes_to_nobody(request) for request in requests)
    assert not getattr(server, "accepted", [])
    assert hides_secrets(bench, *(step.said for step in steps))


def goes_to_nobody(request: Received) -> bool:
    if request.path.endswith(("/3/device/" + "0" * 64, "/users/info.json", "/system/info.json")):
        return True
    return bool(request.json.get("validate_only"))


def test_a_rehearsal_with_a_server_that_is_away_fails(bench: Bench) -> None:
    needs(bench, "rehearsal away")
    with serve(bench) as server:
        configuration = bench.configuration(server)
        bench.rehearse(configuration)  # whatever is kept of it, such as a token, counts for nothing later
    steps = bench.rehearse(configuration)
    assert not steps[-1].is_ok
    if bench.is_http:
        assert not any(step.is_ok and step.said == "Signed in." for step in steps)
        assert steps[-1].said == "Nothing listens there: the connection was refused."


@pytest.mark.parametrize("key", ["twilio", "vonage", "infobip", "line", "whatsapp", "fcm", "smtp", *MAIL])
def test_a_rehearsal_with_wrong_secrets_fails_and_says_so(key: str) -> None:
    bench = BENCHES[key]
    wrong = dict.fromkeys(bench.secrets, "wrong-secret") if bench.is_http else "wrong"
    with serve(bench) as server:
        steps = bench.rehearse(bench.configuration(server, secrets=wrong))
    assert not steps[-1].is_ok
    assert steps[-1].said


# ---- the form -----------------------------------------------------------------------------------
def test_the_form_takes_the_settings_and_keeps_the_secrets_apart(bench: Bench) -> None:
    with serve(bench) as server:
        chosen = bench.settings(server)
    secrets = bench.secrets if isinstance(bench.secrets, dict) else {}
    form_class = bench.provider.Form
    posted = {**chosen, **secrets}
    form = form_class(posted)
    assert form.is_valid(), form.errors
    stored = form.plain_settings()
    assert json.loads(json.dumps(stored)) == stored
    assert hides_secrets(bench, json.dumps(stored))
    assert set(stored) >= set(form_class.secret_goes_to)
    if bench.is_http:
        told = json.loads(form.secret())
        assert told == dict.fromkeys(told, "") | secrets  # a field may be left empty
        assert form_class({**posted, **dict.fromkeys(secrets, "")}).is_valid()
        assert {**stored, **{name: value for name, value in chosen.items() if name != bench.where}} == stored
        again = form_class(initial=stored)
        assert again.as_p()
        assert hides_secrets(bench, again.as_p())


@pytest.mark.parametrize("url", ["http://169.254.169.254/", "https://10.0.0.1/", "ftp://x.tw", "x", "\x00"])
def test_the_form_refuses_an_address_inside(over_http: Bench, url: str) -> None:
    needs(over_http, "address")
    form = over_http.provider.Form({over_http.where: url})
    assert not form.is_valid()
    assert over_http.where in form.errors
