"""What nobody knows to have left, decided by hand: the ledger, the counts and the run stay exact."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User
from campaigns import lifecycle
from campaigns.delivery import completion, uncertain
from campaigns.models import Attempt, Batch, Count, Outcome, Run
from campaigns.reports import counting, figures, progress
from campaigns.reports.metrics import ledger
from common.errors import Conflict, IllegalTransition, Invalid, NotFound, PermissionMissing
from tests import builders
from tests.api import Caller
from tests.campaigns.test_delivery import sending
from tests.campaigns.test_recovery import crashed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
WHY = "Asked the provider 問過供應商"


@pytest.fixture
def run() -> Run:
    """Completed: twelve people, of whom two are uncertain."""
    made = sending(on_uncertain="never")
    crashed(made, handed_over=2)
    call_command("deliver")
    made.refresh_from_db()
    assert (made.state, ledger(made).uncertain, ledger(made).accepted) == ("completed", 2, 10)
    counting.move_forward(now=timezone.now())
    return made


def approver() -> User:
    return User.objects.get(name="Approver")


def decide(run: Run, decision: str, messages: Any = None, **changes: Any) -> int:
    given = {"messages": messages, "why": WHY, "actor": approver(), "now": timezone.now(), **changes}
    return uncertain.decide(run, decision, **given)


def unknown(run: Run) -> list[tuple[int, int]]:
    return list(
        Attempt.objects.filter(run=run, outcome="uncertain").order_by("ref").values_list("action", "ref")
    )


def counts() -> list[Any]:
    columns = ("kind", "facet", "action", "variant", "key", "hour", "by_machine")
    return sorted(Count.objects.values_list(*columns, "events", "people", "anybody"))


def stay_exact(run: Run) -> None:
    """The report, before and after it is counted, and what a rebuild would say."""
    read = figures.read([run.pk])
    book = ledger(run)
    assert book.balances
    for name in ("accepted", "failed", "uncertain"):
        assert read.tally(name).all_events == getattr(book, name), name
    counting.move_forward(now=timezone.now())
    kept = counts()
    call_command("rebuild_counts")
    assert counts() == kept
    assert figures.read([run.pk]).tally("accepted").all_events == book.accepted


def test_arrived_and_lost_settle_the_message_and_every_number_moves_with_it(run: Run) -> None:
    one, other = unknown(run)
    assert decide(run, "arrived", [one]) == 1
    assert (ledger(run).accepted, ledger(run).uncertain) == (11, 1)
    stay_exact(run)
    assert decide(run, "lost", [other]) == 1
    book = ledger(run)
    assert (book.accepted, book.failed, book.uncertain) == (11, 1, 0)
    stay_exact(run)
    run.refresh_from_db()
    assert (run.state, run.totals["accepted"], run.totals["failed"]) == ("completed", 11, 1)
    tallies = [sum(batch.tally.values()) for batch in Batch.objects.filter(run=run)]
    assert sum(tallies) == 12 and progress.of(run, now=timezone.now()).book == book
    entry = AuditEntry.objects.filter(verb="decide_uncertain").earliest("pk")
    assert (entry.actor, entry.details["decision"], entry.details["messages"]) == ("Approver", "arrived", 1)
    assert entry.details["why"] == WHY


def test_again_sends_those_once_more_and_the_run_ends_again(run: Run, settings: Any) -> None:
    before = (settings.VAR / "sandbox.log").read_text().splitlines()
    assert decide(run, "again") == 2
    run.refresh_from_db()
    assert (run.state, run.finished_at, ledger(run).to_go) == ("sending", None, 2)
    stay_exact(run)
    call_command("deliver")
    run.refresh_from_db()
    after = (settings.VAR / "sandbox.log").read_text().splitlines()
    assert len(after) == len(before) + 2
    assert (run.state, ledger(run).accepted, ledger(run).uncertain) == ("completed", 12, 0)
    stay_exact(run)
    for action, ref in unknown(run):
        outcomes = Attempt.objects.filter(run=run, action=action, ref=ref).order_by("n")
        assert [one.outcome for one in outcomes] == ["uncertain", "deferred", "accepted"]
    call_command("deliver")
    assert (settings.VAR / "sandbox.log").read_text().splitlines() == after


def test_a_message_is_decided_once_and_the_second_hears_by_whom_and_when(run: Run) -> None:
    one, other = unknown(run)
    decide(run, "lost", [one])
    for again in ("arrived", "again", "lost"):
        with pytest.raises(Conflict) as said:
            decide(run, again, [other, one])
        assert said.value.code == "already_decided"
        assert "Approver" in said.value.detail and WHY in said.value.detail and said.value.extra["decidedAt"]
    assert ledger(run).uncertain == 1  # nothing of it was done by halves
    assert decide(run, "arrived") == 1
    with pytest.raises(Conflict) as none:
        decide(run, "arrived")
    assert none.value.code == "not_uncertain"
    stay_exact(run)


def test_what_cannot_be_decided_is_refused_and_changes_nothing(run: Run) -> None:
    one, _other = unknown(run)
    sent = Attempt.objects.filter(run=run, outcome=Outcome.ACCEPTED).earliest("ref")
    with pytest.raises(Conflict) as certain:
        decide(run, "lost", [(sent.action, sent.ref)])
    assert certain.value.code == "not_uncertain"
    with pytest.raises(NotFound):
        decide(run, "lost", [(0, 987654321)])
    for why in ("", "  ", "x" * 501):
        with pytest.raises(Invalid):
            decide(run, "lost", [one], why=why)
    with pytest.raises(PermissionMissing):
        decide(run, "lost", [one], actor=User.objects.get(name="Manager"))
    assert ledger(run).uncertain == 2
    stay_exact(run)


def test_what_a_worker_has_is_not_decided(run: Run) -> None:
    one, _other = unknown(run)
    holding = Batch.objects.get(run=run, lo__lte=one[1], hi__gte=one[1])
    Batch.objects.filter(pk=holding.pk).update(
        state="claimed", lease_until=timezone.now() + timedelta(minutes=1)
    )
    with pytest.raises(Conflict) as busy:
        decide(run, "lost", [one])
    assert busy.value.code == "being_sent"


def test_of_a_stopped_run_nothing_is_sent_again(settings: Any) -> None:
    run = sending()
    crashed(run, handed_over=2)
    lifecycle.apply(run.campaign, "stop", actor=approver(), now=timezone.now())
    assert completion.settle(run.pk, now=timezone.now())
    with pytest.raises(IllegalTransition):
        decide(run, "again")
    assert decide(run, "lost") == 2
    run.refresh_from_db()
    assert (run.state, ledger(run).failed, run.totals["failed"]) == ("stopped", 2, 2)
    stay_exact(run)


def test_rest_decides_one_or_all(run: Run) -> None:
    where = run.campaign.workspace
    manager, caller = Caller(where, "manager"), Caller(where, "approver")
    address = reverse("campaigns_api:run_uncertain", args=[run.pk])
    action, ref = unknown(run)[0]
    body = {"decision": "arrived", "why": WHY, "messages": [f"{run.pk}.{action}.{ref}"]}
    assert manager.post(address, body).status_code == 403
    for bad in (
        {"decision": "x"},
        {"why": ""},
        {"messages": []},
        {"messages": ["1.2"]},
        {"messages": ["9.0.1"]},
    ):
        assert caller.post(address, {**body, **bad}).status_code == 400, bad
    assert caller.post(address, body).json() == {"decided": 1}
    twice = caller.post(address, body)
    assert (twice.status_code, "approver" in twice.json()["decidedBy"]) == (409, True)
    assert caller.post(address, {"decision": "lost", "why": WHY}).json() == {"decided": 1}
    assert Caller(builders.workspace("elsewhere"), "approver").post(address, body).status_code == 404


def test_pages_offer_it_where_it_is_uncertain_and_to_whom_may(run: Run) -> None:
    action, ref = unknown(run)[0]
    listed = reverse("campaigns:messages", args=[run.pk]) + "?outcome=uncertain"
    one = reverse("campaigns:message", args=[run.pk, action, ref])
    address = reverse("campaigns:uncertain", args=[run.pk])
    manager, decider = Client(), Client()
    manager.force_login(User.objects.get(name="Manager"))
    decider.force_login(approver())
    for page in (listed, one):
        assert 'name="decision"' in decider.get(page).content.decode()
        assert 'name="decision"' not in manager.get(page).content.decode()
    given = {"decision": "arrived", "why": WHY, "message": f"{action}.{ref}"}
    assert manager.post(address, given).status_code == 403
    assert decider.post(address, {**given, "decision": "maybe"}).status_code == 400
    assert decider.post(address, {**given, "message": "x"}).status_code == 400
    assert decider.post(address, given).status_code == 302
    told = decider.get(one).content.decode()
    assert 'name="decision"' not in told and WHY in told
    assert decider.post(address, given).status_code == 409
    assert decider.post(address, {"decision": "again", "why": WHY}).status_code == 302
    assert 'name="decision"' not in decider.get(listed).content.decode()
