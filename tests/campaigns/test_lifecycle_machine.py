"""A campaign under any sequence of what people, the clock and the workers do: the promises hold."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from hypothesis.strategies import sampled_from

from accounts.models import AuditEntry
from campaigns import drafts, lifecycle, planning, versions
from campaigns.delivery import clock, completion, fanout
from campaigns.models import Attempt, Campaign, Message, Run, Status
from common.errors import CarillonError
from tests import builders

BEGINS = datetime(2027, 3, 1, 12, tzinfo=ZoneInfo("Asia/Taipei"))
ONCE: dict[str, Any] = {}
PEOPLE = 3


def daily(at: str) -> dict[str, Any]:
    return {"zone": "Asia/Taipei", "rules": [{"every": "day", "at": at}]}


class Life(RuleBasedStateMachine):
    """Each example lives in a savepoint. A refused verb must leave no trace at all."""

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.savepoint()
        self.now = BEGINS
        where = builders.workspace()
        builders.profiles(where, PEOPLE)
        self.manager = builders.person(where, "manager")
        self.approver = builders.person(where, "approver")
        self.campaign = builders.draft(where, self.manager, schedule=daily("09:00"))
        self.role = self.approver.groups.get()
        self.approved = ""

    def teardown(self) -> None:
        transaction.savepoint_rollback(self.savepoint)

    def _press(self, verb: str, actor: Any, **details: Any) -> bool:
        before = self._trace()
        self.now += timedelta(seconds=1)
        try:
            with transaction.atomic():
                self.campaign = lifecycle.apply(self.campaign, verb, actor=actor, now=self.now, **details)
        except CarillonError:
            assert self._trace() == before, f"{verb} was refused and yet changed something"
            self.campaign.refresh_from_db()
            return False
        assert self._trace()[-1] == before[-1] + 1, f"{verb} must leave one entry"
        return True

    def _trace(self) -> tuple[Any, ...]:
        row = Campaign.objects.values().get(pk=self.campaign.pk)
        runs = list(Run.objects.order_by("pk").values_list("pk", "state", "due_at", "version"))
        return (row, runs, AuditEntry.objects.count())

    # ---- what people do ---------------------------------------------------------------------------

    @rule(at=sampled_from(["09:00", "11:30"]), once=sampled_from([False, False, True]))
    def edit(self, at: str, once: bool) -> None:
        before = self._trace()
        changes = {"schedule": ONCE if once else daily(at), "subject": f"At {at}"}
        try:
            with transaction.atomic():
                self.campaign = drafts.save(
                    self.campaign,
                    revision=self.campaign.revision,
                    actor=self.manager,
                    now=self.now,
                    **changes,
                )
        except CarillonError:
            assert self._trace() == before
            assert not Campaign.objects.get(pk=self.campaign.pk).is_editable

    @rule()
    def submit(self) -> None:
        self._press("request_approval", self.manager, comment="please")

    @rule()
    def approve(self) -> None:
        if self._press("approve", self.approver):
            self.approved = self.campaign.version.fingerprint if self.campaign.version else ""

    @rule()
    def approve_ones_own(self) -> None:
        assert not self._press("approve", self.manager)

    @rule()
    def activate(self) -> None:
        waits_for_approval = self.campaign.draft_state == Status.APPROVED
        if self._press("activate", self.approver) and waits_for_approval:
            assert self.campaign.live_version is not None
            assert self.campaign.live_version.fingerprint == self.approved

    @rule(
        verb=sampled_from(["pause", "resume", "modify", "discard", "edit", "archive", "unarchive"]),
        who=sampled_from(["manager", "approver"]),
    )
    def press(self, verb: str, who: str) -> None:
        self._press(verb, getattr(self, who))

    @rule(recall=sampled_from([True, False]))
    def stop(self, recall: bool) -> None:
        if self._press("stop", self.approver, recall=recall):
            assert not Run.objects.filter(state=Run.State.DUE).exists()

    @rule()
    def revoke_and_grant(self) -> None:
        """A right that is taken away works at once; nobody is refused for long."""
        self.approver.groups.clear()
        for verb in ("activate", "pause", "resume", "stop", "approve"):
            assert not self._press(verb, self.approver)
        self.approver.groups.add(self.role)

    # ---- what the product does --------------------------------------------------------------------

    @rule(minutes=sampled_from([1, 30, 59, 61, 60 * 10, 60 * 24]))
    def tick(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        for run_id in clock.start_due_runs(now=self.now):
            run = Run.objects.get(pk=run_id)
            assert self.now - run.due_at <= timedelta(minutes=60)
        clock.complete_ended(now=self.now)
        self.campaign.refresh_from_db()

    @rule()
    def redeliver(self) -> None:
        """Every task once more, and a clock that stepped back."""
        runs = Run.objects.count()
        assert clock.start_due_runs(now=self.now - timedelta(hours=1)) == []
        for run_id in Run.objects.filter(state=Run.State.EXPANDING).values_list("pk", flat=True):
            fanout.expand(run_id, now=self.now)
            fanout.expand(run_id, now=self.now)
        assert Run.objects.count() == runs

    @rule()
    def deliver(self) -> None:
        """Whatever may leave leaves; the runs that are done are settled."""
        for run in Run.objects.filter(state=Run.State.SENDING):
            if self.campaign.status not in (Status.LIVE, Status.STOPPED):
                continue
            run.batches.update(state="done")
            with connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO campaigns_attempt (run_id, action, ref, n, outcome, code, at)"
                    " SELECT run_id, action, ref, 1, 'accepted', '', %s FROM campaigns_message"
                    " WHERE run_id = %s",
                    [self.now, run.pk],
                )
        for run_id in Run.objects.filter(state__in=["sending", "stopping"]).values_list("pk", flat=True):
            completion.settle(run_id, now=self.now)
        self.campaign.refresh_from_db()

    # ---- what must always hold --------------------------------------------------------------------

    @invariant()
    def one_run_waits_at_most(self) -> None:
        assert Run.objects.filter(state=Run.State.DUE).count() <= 1

    @invariant()
    def what_is_over_sends_nothing_more(self) -> None:
        if self.campaign.status in (Status.COMPLETED, Status.FAILED, Status.ARCHIVED):
            waiting = Run.objects.filter(state__in=planning.UNFINISHED)
            assert not waiting.exclude(state=Run.State.STOPPING).exists()
        if self.campaign.status == Status.LIVE:
            assert planning.is_over(self.campaign, self.now) or self._has_something_to_do()

    def _has_something_to_do(self) -> bool:
        return self.campaign.is_being_modified or Run.objects.filter(state__in=planning.UNFINISHED).exists()

    @invariant()
    def nobody_gets_a_second_message_of_a_run(self) -> None:
        for run in Run.objects.exclude(state__in=["due", "missed", "stopped"]):
            assert Message.objects.filter(run=run).count() in (0, PEOPLE)
            assert Attempt.objects.filter(run=run, outcome="accepted").count() <= PEOPLE

    @invariant()
    def what_runs_is_frozen_and_was_looked_at(self) -> None:
        for run in Run.objects.select_related("version"):
            assert run.version.fingerprint == versions.fingerprint(run.version.definition)

    @invariant()
    def a_new_version_stands_only_over_one_that_is_live(self) -> None:
        if self.campaign.is_being_modified:
            assert self.campaign.live_version_id
            assert self.campaign.status in (Status.SCHEDULED, Status.LIVE, Status.PAUSED)


@pytest.mark.django_db
def test_the_promises_hold_whatever_happens_in_whatever_order() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Life,
        settings=settings(
            max_examples=12,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
