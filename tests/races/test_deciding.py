"""People decide about uncertain messages while workers send, and while the provider tells what it knows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from campaigns.delivery import claims, completion, send, uncertain
from campaigns.models import Attempt, Batch, Event, Message, Run
from campaigns.reports.metrics import ledger
from campaigns.tracking import receipts
from channels.models import ChannelConfiguration, ReceivedReceipt
from common.errors import Conflict
from tests.campaigns.test_delivery import sending
from tests.campaigns.test_recovery import crashed
from tests.races.test_races import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sandbox_here")]


def decide(run: Run, decision: str, messages: Any = None) -> int:
    by = {"actor": User.objects.get(name="Approver"), "now": timezone.now()}
    return uncertain.decide(run, decision, messages=messages, why="Seen", **by)


def test_who_decides_while_workers_send_is_heard_once_or_told_to_wait(settings: Any) -> None:
    """Two workers flush message by message; three people decide about all and about each, again and again."""
    run = sending(people=40, on_uncertain="never")
    crashed(run, handed_over=4)
    claims.claim(Batch.objects.filter(run=run).earliest("lo").pk, owner="finds them", now=timezone.now())
    lost = list(Attempt.objects.filter(outcome="uncertain").values_list("action", "ref"))
    assert len(lost) == 4
    Batch.objects.filter(run=run, state="claimed").update(lease_until=timezone.now())
    ready = list(Batch.objects.filter(run=run).values_list("pk", flat=True))

    def work(number: int) -> int:
        if number < 2:
            return sum(send.deliver(batch) for batch in ready[number:] + ready[:number])
        decided = 0
        for one in [*lost, *reversed(lost)]:
            try:
                decided += decide(run, ("arrived", "lost", "again")[number - 2], [one])
            except Conflict as error:
                assert error.code in ("being_sent", "already_decided", "not_uncertain")
        return decided

    said = at_once(5, work)
    assert not [one for one in said if isinstance(one, Exception)]
    for one in lost:
        if Attempt.objects.filter(run=run, action=one[0], ref=one[1]).latest("n").outcome == "uncertain":
            decide(run, "lost", [one])
    while Batch.objects.filter(run=run).exclude(state="done").exists():
        Batch.objects.filter(run=run, state="ready").update(send_after=timezone.now())
        for batch in ready:
            send.deliver(batch)
    completion.settle(run.pk, now=timezone.now())
    run.refresh_from_db()
    book = ledger(run)
    assert (run.state, book.balances, book.uncertain, book.to_go) == ("completed", True, 0, 0)
    decisions = Attempt.objects.filter(run=run, code__in=uncertain.CODES)
    assert Counter(decisions.values_list("ref", flat=True)) == Counter(ref for _action, ref in lost)
    again = decisions.filter(code="said_again").count()
    left = (settings.VAR / "sandbox.log").read_text().splitlines()
    assert len(left) == 36 + again
    assert book.accepted == 36 + again + decisions.filter(code="said_arrived").count()


@pytest.mark.parametrize("decision", ["arrived", "lost"])
@pytest.mark.parametrize("told", ["delivered", "failed"])
def test_what_the_provider_tells_after_the_decision_is_an_event_and_the_ledger_still_balances(
    decision: str, told: str
) -> None:
    run = sending(on_uncertain="never")
    crashed(run, handed_over=1)
    for batch in Batch.objects.filter(run=run).values_list("pk", flat=True):
        send.deliver(batch)
    completion.settle(run.pk, now=timezone.now())
    decide(run, decision)
    one = Attempt.objects.get(run=run, code=f"said_{decision}")
    before = ledger(run)
    for _twice in range(2):
        ReceivedReceipt.objects.create(
            configuration=ChannelConfiguration.objects.get(),
            event_id=f"{told} {_twice}",
            happened=told,
            key=f"{run.pk}.{one.action}.{one.ref}",
            at=timezone.now(),
            received_at=timezone.now(),
        )
        receipts.apply(timezone.now())
    kind = {"delivered": "delivered", "failed": "bounce"}[told]
    found = Event.objects.filter(run=run.pk, action=one.action, ref=one.ref)
    assert list(found.values_list("kind", flat=True)) == [kind]
    assert ledger(run) == before and before.balances
    assert Message.objects.filter(run=run).count() == 12
