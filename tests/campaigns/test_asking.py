"""What nobody knows to have left is asked of the provider, where the campaign wants it and it can tell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import AuditEntry, User
from campaigns.delivery import asking, uncertain
from campaigns.models import Attempt, Run
from campaigns.reports import counting
from campaigns.reports.metrics import ledger
from channels.models import ChannelConfiguration, Credential
from channels.sealing import seal
from tests.campaigns.test_delivery import sending
from tests.campaigns.test_recovery import crashed
from tests.fakes.esps import FakePostmark

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback_is_ours")]


@pytest.fixture
def postmark() -> Iterator[FakePostmark]:
    with FakePostmark() as server:
        yield server


def unsure(server: FakePostmark, policy: str = "ask") -> tuple[Run, list[Attempt]]:
    """Twelve people at Postmark, of whom two are uncertain; it has the first of them."""
    run = sending(on_uncertain=policy)
    crashed(run, handed_over=2)
    configuration = ChannelConfiguration.objects.get()
    credential = Credential(workspace=configuration.workspace, sealed=b"")
    credential.save()
    credential.sealed = seal(
        json.dumps({"server_token": server.secret, "webhook_secret": ""}), row=credential.pk
    )
    credential.save()
    chosen = {"api_url": f"{server.url}/", "message_stream": "broadcast"}
    ChannelConfiguration.objects.update(provider="postmark", settings=chosen, credential=credential)
    call_command("deliver")
    found = list(Attempt.objects.filter(run=run, outcome="uncertain").order_by("ref"))
    server.known = (f"{run.pk}.{found[0].action}.{found[0].ref}",)
    run.refresh_from_db()
    assert (run.state, ledger(run).accepted, ledger(run).uncertain) == ("completed", 10, 2)
    counting.move_forward(now=timezone.now())
    return run, found


def soon() -> Any:
    return timezone.now() + timedelta(minutes=2)


def test_what_the_provider_has_is_accepted_and_the_rest_stays_uncertain(postmark: FakePostmark) -> None:
    run, (has, other) = unsure(postmark)
    sent = len(postmark.requests)
    assert asking.ask(now=timezone.now()) == 0  # it needs a moment to know
    assert asking.ask(now=soon()) == 1
    run.refresh_from_db()
    book = ledger(run)
    assert (book.accepted, book.uncertain, book.to_go, book.balances) == (11, 1, 0, True)
    assert run.totals["accepted"] == 11
    last = Attempt.objects.get(run=run, ref=has.ref, n=2)
    assert (last.outcome, last.code) == ("accepted", "provider_knows")
    assert last.provider_id == f"pm-{postmark.known[0]}"
    assert Attempt.objects.get(run=run, ref=other.ref).outcome == "uncertain"
    asked = postmark.requests[sent:]
    assert len(asked) == 2 and all(one.method == "GET" for one in asked)
    assert {one.query["metadata_carillon"] for one in asked} >= set(postmark.known)
    assert {one.query["messagestream"] for one in asked} == {"broadcast"}
    assert AuditEntry.objects.get(verb="ask_provider").details["messages"] == 1
    counting.move_forward(now=timezone.now())
    call_command("rebuild_counts")
    assert ledger(run) == book


def test_after_an_hour_nobody_is_asked_any_more(postmark: FakePostmark) -> None:
    _run, _found = unsure(postmark)
    sent = len(postmark.requests)
    assert asking.ask(now=timezone.now() + timedelta(minutes=61)) == 0
    assert len(postmark.requests) == sent


def test_a_campaign_with_another_rule_asks_nobody(postmark: FakePostmark) -> None:
    run, _found = unsure(postmark, "never")
    sent = len(postmark.requests)
    assert asking.ask(now=soon()) == 0
    assert (len(postmark.requests), ledger(run).uncertain) == (sent, 2)


def test_what_a_person_decided_before_the_answer_came_stands(postmark: FakePostmark) -> None:
    run, (has, _other) = unsure(postmark)
    lost = {"messages": [(has.action, has.ref)], "why": "Seen", "actor": User.objects.get(name="Approver")}
    answers = asking._answers(run.pk, [(has.action, has.ref, "p0@example.com")])
    uncertain.decide(run, "lost", **lost, now=timezone.now())
    assert uncertain.told(run.pk, answers, now=timezone.now()) == 0
    assert (ledger(run).failed, ledger(run).uncertain, ledger(run).balances) == (1, 1, True)


def test_a_provider_that_cannot_tell_leaves_it_to_a_person() -> None:
    run = sending(on_uncertain="ask")
    crashed(run, handed_over=2)
    call_command("deliver")
    assert asking.ask(now=soon()) == 0
    assert (ledger(run).uncertain, ledger(run).accepted) == (2, 10)
