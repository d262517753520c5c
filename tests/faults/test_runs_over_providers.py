"""What is set up wrongly is held against nobody, in a whole run over each provider, and the run goes on.

One run meets one fault after the other. Only what a web push service says of a subscription made with another
key is about single messages: it has a test of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import Workspace
from audiences import profiles
from audiences.models import Profile, SoftBounce, Suppression
from campaigns import lifecycle
from campaigns.models import Attempt, Message, Run
from campaigns.reports.metrics import ledger
from channels.models import Breaker, ChannelConfiguration
from channels.sealing import keep
from tests import builders
from tests.channels.providers import BENCHES, Bench
from tests.fakes.apps import BROWSER
from tests.fakes.smtp import FakeSmtp
from tests.faults.test_mail_servers import go_on

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback_is_ours", "sandbox_here")]
OVER_HTTP = [key for key, bench in BENCHES.items() if bench.is_http]
PEOPLE = ("21", "22", "23")  # by the end of an address a server knows nothing against them
NAMESPACES = {"email": "email", "sms": "phone", "whatsapp": "phone", "line": "line_id", "push": "push_token",
              "webpush": "webpush", "webhook": "external_id"}  # fmt: skip


def address(bench: Bench, server: Any, end: str) -> str:
    match bench.provider.channels[0]:
        case "email":
            return f"person{end}@example.com"
        case "webpush":
            return BROWSER.subscription(f"{server.url}/push/person{end}")
        case "webhook":
            return f"crm-person{end}"
    return bench.recipients["good"][:-2] + end


def mark(bench: Bench, end: str) -> str:
    """How the person is found in what a server was asked."""
    if bench.provider.channels[0] in ("email", "webpush", "webhook"):
        return f"person{end}"
    return bench.recipients["good"][-12:-2].lstrip("+") + end


def content(bench: Bench) -> dict[str, Any]:
    match bench.provider.channels[0]:
        case "email":
            return {"subject": "Early", "html": builders.HTML}
        case "webhook":
            return {"text": '{"type": "order.reminder", "data": {"id": "{{ profile.external_id }}"}}'}
    return {"subject": "Early", "text": "Early", "extra": bench.extra}


def set_secrets(configuration: ChannelConfiguration, secrets: dict[str, str] | str) -> None:
    text = secrets if isinstance(secrets, str) else json.dumps(secrets)
    configuration.credential = keep(
        text,
        workspace=configuration.workspace,
        name=configuration.provider,
        credential=configuration.credential,
        now=timezone.now(),
    )
    configuration.save()


def set_up(bench: Bench, server: Any) -> ChannelConfiguration:
    where: Workspace = builders.workspace()
    channel = bench.provider.channels[0]
    for end in PEOPLE:
        value = address(bench, server, end)
        profiles.find_or_create(where, NAMESPACES[channel], value, timezone.now())
    Profile.objects.update(attributes={"name": "Ana"})
    made = builders.configuration(
        where, name=bench.key, provider=bench.key, channel=channel, settings=bench.set_for(server)
    )
    set_secrets(made, bench.secrets)
    return made


def begin(bench: Bench, configuration: ChannelConfiguration) -> Run:
    where = configuration.workspace
    author, approver = builders.person(where, "manager"), builders.person(where, "approver")
    campaign = builders.draft_over(configuration, author, **content(bench))
    lifecycle.apply(campaign, "activate", actor=approver, now=timezone.now())
    call_command("deliver")
    return Run.objects.get()


def nobody_is_blamed(run: Run) -> None:
    run.refresh_from_db()
    book = ledger(run)
    assert book.balances
    assert (book.to_go, book.failed, book.accepted, run.state) == (len(PEOPLE), 0, 0, "sending")
    assert not Suppression.objects.exists()
    assert not SoftBounce.objects.exists()


def held(run: Run) -> None:
    """The run waits with the reason, the breaker is open, and nobody's tries were used up."""
    nobody_is_blamed(run)
    assert run.reason
    assert Breaker.objects.filter(opened_at__isnull=False).exists()
    assert not Attempt.objects.exists()


def put_off(run: Run) -> None:
    """The server was asked and said: later."""
    nobody_is_blamed(run)
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"deferred"}
    assert not Attempt.objects.filter(retry_at=None).exists()


def everybody_was_accepted_once(run: Run) -> None:
    run.refresh_from_db()
    assert (ledger(run).accepted, run.state) == (len(PEOPLE), "completed")
    accepted = Attempt.objects.filter(outcome="accepted").values_list("ref", flat=True)
    assert sorted(accepted) == sorted(Message.objects.filter(run=run).values_list("ref", flat=True))
    assert not Breaker.objects.filter(opened_at__isnull=False).exists()
    assert not Suppression.objects.exists()
    assert not SoftBounce.objects.exists()


@pytest.mark.sampled(12)
@pytest.mark.parametrize("key", OVER_HTTP)
def test_a_run_outlives_every_fault_of_its_set_up_and_blames_nobody(key: str) -> None:
    bench = BENCHES[key]
    assert isinstance(bench.secrets, dict)
    wrong = dict.fromkeys(bench.secrets, "wrong-" + "0" * 20)
    if key == "webhook":
        wrong = {"signing_secret": "whsec_" + "A" * 44}
    server: Any = bench.server()
    with server:
        configuration = set_up(bench, server)
        set_secrets(configuration, wrong)
        run = begin(bench, configuration)
        held(run)
        set_secrets(configuration, bench.secrets)
        for manner in ("unauthorized", "forbidden"):
            server.manner = manner
            go_on()
            held(run)
    go_on()  # the server is away
    held(run)
    with server:
        server.manner = "too_many"
        go_on()
        put_off(run)
        server.manner = ""
        server.requests.clear()
        go_on(3)
        asked = [unquote_plus(said_to(request)) for request in server.requests]
    everybody_was_accepted_once(run)
    assert [sum(mark(bench, end) in one for one in asked) for end in PEOPLE] == [1, 1, 1]


def said_to(request: Any) -> str:
    return f"{request.path} {request.headers.get(':path', '')} {request.body.decode('utf-8', 'replace')}"


def test_web_push_messages_for_another_key_fail_and_take_nobody_out() -> None:
    bench = BENCHES["webpush"]
    server: Any = bench.server()
    with server:
        configuration = set_up(bench, server)
        server.manner = "another_key"
        run = begin(bench, configuration)
    run.refresh_from_db()
    assert (ledger(run).failed, run.state) == (len(PEOPLE), "completed")
    assert Breaker.objects.get().bad == len(PEOPLE)  # it counts against the configuration
    assert not Suppression.objects.exists()
    assert not SoftBounce.objects.exists()


def test_a_run_over_smtp_outlives_every_fault_of_its_set_up_and_blames_nobody() -> None:
    bench = BENCHES["smtp"]
    server = FakeSmtp(password="right")
    faults: list[tuple[str, str, Callable[[Run], None]]] = [
        ("550 5.7.1 Sender address rejected: not owned by user", "", held),
        ("530 5.7.0 Authentication required", "", held),
        ("", "451 4.7.1 Too many messages, try again later", put_off),
    ]
    with server:
        configuration = set_up(bench, server)
        set_secrets(configuration, "wrong")
        run = begin(bench, configuration)
        held(run)
        set_secrets(configuration, "right")
    go_on()  # the server is away
    held(run)
    with server:
        for server.at_mail, server.at_rcpt, so in faults:
            go_on()
            so(run)
        server.at_mail = server.at_rcpt = ""
        go_on(3)
    everybody_was_accepted_once(run)
    assert sorted(one.recipients[0] for one in server.accepted) == [
        f"person{end}@example.com" for end in PEOPLE
    ]
