"""A campaign under any sequence of what people, the clock and the workers do: the promises hold.

A short walk in the default suite; CARILLON_WALK=600 walks for that many seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import data, sampled_from

from accounts import roles
from accounts.access import SYSTEM
from accounts.models import AuditEntry, Role, User
from campaigns import drafts, fragments, lifecycle, planning, versions
from campaigns.delivery import clock, completion, fanout, holding
from campaigns.models import ApprovalRequest, Attempt, Campaign, Message, Run, Status
from channels.models import ChannelConfiguration
from common.errors import CarillonError
from tests import builders

BEGINS = datetime(2027, 3, 1, 12, tzinfo=ZoneInfo("Asia/Taipei"))
ONCE: dict[str, Any] = {}
PEOPLE = 3
SECONDS = int(os.environ.get("CARILLON_WALK", "0"))
PUBLISHING = ("approve", "request_changes", "activate", "pause", "resume", "stop")
ONWARD = ("request_approval", "approve", "activate", "resume", "modify")
OVER = (Status.STOPPED, Status.COMPLETED, Status.FAILED, Status.ARCHIVED)
NAMES = ("mia", "ana", "bo")  # a manager and two approvers
WORDS = '<html><body><p>{{ fragment("foot") }}</p><a href="{{ unsubscribe_url }}">Out</a></body></html>'


def daily(at: str) -> dict[str, Any]:
    return {"zone": "Asia/Taipei", "rules": [{"every": "day", "at": at}]}


class Life(RuleBasedStateMachine):
    """Each example lives in a savepoint. A refused verb must leave no trace at all.

    Whose the campaign is, what others agreed to and who may publish is remembered here as well, and held
    against what the product lets through.
    """

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.savepoint()
        self.now = BEGINS
        self.where = builders.workspace()
        builders.profiles(self.where, PEOPLE)
        self.people = {"mia": builders.person(self.where, "manager", "mia")}
        self.people |= {name: builders.person(self.where, "approver", name) for name in ("ana", "bo")}
        self.role = Role.objects.get(workspace=self.where, builtin="approver")
        self.holders = {"ana", "bo"}
        self.foot = fragments.create(
            self.where, key="foot", name="Foot", kind="html", source="<p>0</p>", actor=SYSTEM, now=self.now
        )
        self.foot = fragments.publish(self.foot, actor=SYSTEM, now=self.now)
        self.changes = 0
        made = builders.draft(self.where, self.people["mia"], schedule=daily("09:00"), html=WORDS)
        self._remember(made, "mia")

    def _remember(self, campaign: Campaign, maker: str) -> None:
        self.campaign, self.maker, self.editor, self.submitter = campaign, maker, maker, ""
        self.agreed = ""  # the fingerprint others agreed to, which waits for its activation
        self.cleared: set[str] = set()  # those that were activated so
        self.activator = ""

    def teardown(self) -> None:
        transaction.savepoint_rollback(self.savepoint)

    def _press(self, verb: str, who: str, **details: Any) -> bool:
        self.now += timedelta(seconds=1)

        def press() -> Campaign:
            actor = self.people[who]
            return lifecycle.apply(self.campaign, verb, actor=actor, now=self.now, **details)

        is_done = self._done(verb, press)
        if is_done:
            self._note(verb, who)
        return is_done

    def _note(self, verb: str, who: str) -> None:
        """What was let through must have been right, by what is remembered here."""
        assert self._may_manage(who)
        assert who in self.holders or verb not in PUBLISHING
        version, state = self.campaign.version, self.campaign.draft_state
        if verb == "request_approval":
            self.submitter = who
            assert state == Status.IN_REVIEW or not self.where.approval_required
        if verb == "approve":
            assert who not in (self.maker, self.editor, self.submitter)
        if verb in ("request_approval", "approve") and state == Status.APPROVED:
            assert version
            self.agreed = version.fingerprint
        if verb == "activate":
            live = self.campaign.live_version
            assert live
            if self.where.approval_required:
                assert live.fingerprint == self.agreed, "what goes out is not what was approved"
            self.cleared.add(live.fingerprint)
        if verb in ("activate", "resume"):
            self.activator = who
        if verb == "resume":
            assert self.campaign.runs.filter(state=Run.State.DUE).count() <= 1
        if verb in ("activate", "request_changes", "cancel_request", "edit", "discard", "stop"):
            self.agreed = ""
        if verb == "stop":
            assert not self.campaign.runs.filter(state=Run.State.DUE).exists()

    def _done(self, verb: str, act: Callable[[], Campaign]) -> bool:
        """Whether it was let through, with one entry in the log; else nothing at all may have changed."""
        before = self._trace()
        try:
            with transaction.atomic():
                self.campaign = act()
        except CarillonError:
            assert self._trace() == before, f"{verb} was refused and yet changed something"
            self.campaign.refresh_from_db()
            return False
        assert self._trace()[-1] == before[-1] + 1, f"{verb} must leave one entry"
        return True

    def _trace(self) -> tuple[Any, ...]:
        rows = list(Campaign.objects.order_by("pk").values())
        runs = list(Run.objects.order_by("pk").values_list("pk", "state", "due_at", "version"))
        asked = list(ApprovalRequest.objects.order_by("pk").values_list("pk", "state"))
        # A time that a resume passes over is a change of its own, with the clock's own entry.
        return (rows, runs, asked, AuditEntry.objects.exclude(verb="miss").count())

    # ---- what people do ---------------------------------------------------------------------------

    @precondition(lambda self: self.campaign.is_editable or self.changes % 4 == 0)
    @rule(
        at=sampled_from(["09:00", "11:30"]),
        once=sampled_from([False, False, True]),
        who=sampled_from(NAMES),
    )
    def edit(self, at: str, once: bool, who: str) -> None:
        changes = {"schedule": ONCE if once else daily(at), "subject": f"At {at}"}

        def save() -> Campaign:
            revision, actor = self.campaign.revision, self.people[who]
            return drafts.save(self.campaign, revision=revision, actor=actor, now=self.now, **changes)

        if self._done("save", save):
            self.editor = who
        else:
            assert not self._may_manage(who) or not Campaign.objects.get(pk=self.campaign.pk).is_editable

    def _may_manage(self, who: str) -> bool:
        return who == "mia" or who in self.holders

    @rule(draw=data(), who=sampled_from(NAMES))
    def press(self, draw: Any, who: str) -> None:
        """Something that its state allows; most often something that brings it on."""
        can = [verb for verb in lifecycle.possible(self.campaign) if verb in lifecycle.TRANSITIONS]
        if can:
            on = [verb for verb in can if verb in ONWARD] * 3
            self._press(draw.draw(sampled_from([*can, *on])), who, comment="so")

    @rule(draw=data(), who=sampled_from(NAMES))
    def press_again(self, draw: Any, who: str) -> None:
        self.press(draw, who)

    @rule(verb=sampled_from(sorted(lifecycle.TRANSITIONS)), who=sampled_from(NAMES))
    def press_anything(self, verb: str, who: str) -> None:
        self._press(verb, who)

    @precondition(lambda self: self.campaign.status in (Status.SCHEDULED, Status.LIVE, Status.PAUSED))
    @rule(who=sampled_from(["ana", "bo"]))
    def let_finish(self, who: str) -> None:
        self._press("stop", who, recall=False)

    @precondition(lambda self: self.campaign.status in OVER or not self.campaign.activated_at)
    @rule(how=sampled_from(["duplicate", "delete and create"]), who=sampled_from(["mia", "bo"]))
    def begin_anew(self, how: str, who: str) -> None:
        actor = self.people[who]
        if not self._may_manage(who):
            return
        if self.campaign.status in OVER and how == "duplicate":
            self._remember(lifecycle.duplicate(self.campaign, actor=actor, now=self.now), who)
        elif self.campaign.status == Status.DRAFT and how != "duplicate":
            lifecycle.delete(self.campaign, actor=actor, now=self.now)
            self._remember(builders.draft(self.where, actor, schedule=daily("11:30"), html=WORDS), who)

    @rule(who=sampled_from(["ana", "bo"]))
    def revoke_or_grant(self, who: str) -> None:
        """A right that is taken away is gone at once: whatever they press next is refused."""
        person = self.people[who]
        if who in self.holders:
            roles.revoke(self.role, user=person, actor=SYSTEM, now=self.now)
            self.holders.discard(who)
            for verb in ("activate", "pause", "resume", "stop", "approve"):
                assert not self._press(verb, who, comment="so")
        else:
            roles.grant(self.role, who=person.email, actor=SYSTEM, now=self.now)
            self.holders.add(who)
        self.people[who] = User.objects.get(pk=person.pk)

    @rule(on=sampled_from([True, True, False]))
    def ask_for_approvals(self, on: bool) -> None:
        self.where = roles.change_workspace(self.where, approval_required=on, actor=SYSTEM, now=self.now)
        self.campaign.refresh_from_db()

    @rule(what=sampled_from(["configuration", "audience", "fragment"]))
    def change_what_it_uses(self, what: str) -> None:
        """What stands beside the campaign may change at any time; what was agreed to may not with it."""
        self.changes += 1
        if what == "configuration":
            ChannelConfiguration.objects.update(sender_name=f"Fernhill {self.changes}")
            self.agreed, self.cleared = "", set()
        elif what == "audience":
            rule = {"field": "email", "op": "is_not", "value": f"x{self.changes}@example.com"}
            audience = self.campaign.audience
            assert audience
            audience.rule = rule
            audience.save()
            self.agreed = ""
        else:
            words, revision = f"<p>{self.changes}</p>", self.foot.revision
            made = fragments.save(
                self.foot, name="Foot", source=words, revision=revision, actor=SYSTEM, now=self.now
            )
            self.foot = fragments.publish(made, actor=SYSTEM, now=self.now)
        self.campaign.refresh_from_db()

    # ---- what the product does --------------------------------------------------------------------

    @rule(minutes=sampled_from([1, 30, 59, 61, 60 * 10, 60 * 24]))
    def tick(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        for run_id in clock.start_due_runs(now=self.now):
            run = Run.objects.get(pk=run_id)
            assert self.now - run.due_at <= timedelta(minutes=60)
            self._may_go(run)
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
        self.campaign.refresh_from_db()

    @rule()
    def deliver(self) -> None:
        """Whatever may leave leaves, by the question every worker asks first; what is done is settled."""
        for run in Run.objects.filter(state=Run.State.SENDING).select_related("campaign", "version"):
            if run.campaign.status not in (Status.LIVE, Status.STOPPED):
                continue
            if holding.is_held(holding.whole(run.pk), now=self.now):
                assert run.campaign.status == Status.STOPPED or self._is_paused(run)
                continue
            self._may_go(run)
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

    def _is_paused(self, run: Run) -> bool:
        return Campaign.objects.get(pk=run.campaign_id).status == Status.PAUSED

    def _may_go(self, run: Run) -> None:
        """Nothing leaves that nobody agreed to, or that was ordered by who may not any more."""
        if run.campaign_id != self.campaign.pk:
            return
        assert self.activator in self.holders
        version = versions.Version.objects.get(pk=run.version_id)
        assert not version.needs_approval or version.fingerprint in self.cleared

    # ---- what must always hold --------------------------------------------------------------------

    @invariant()
    def one_request_waits_while_it_is_in_review_and_none_else(self) -> None:
        waiting = ApprovalRequest.objects.filter(campaign=self.campaign, state="open").count()
        assert waiting == (self.campaign.draft_state == Status.IN_REVIEW)

    @invariant()
    def one_run_waits_for_its_time_at_most(self) -> None:
        """One whose time has come beside it waits for the clock, or for the resume that passes it over."""
        waiting = self.campaign.runs.filter(state=Run.State.DUE)
        assert waiting.filter(due_at__gt=self.now).count() <= 1
        assert waiting.count() <= 2

    @invariant()
    def what_is_over_sends_nothing_more(self) -> None:
        if self.campaign.status in (Status.COMPLETED, Status.FAILED, Status.ARCHIVED):
            waiting = self.campaign.runs.filter(state__in=planning.UNFINISHED)
            assert not waiting.exclude(state=Run.State.STOPPING).exists()
        if self.campaign.status == Status.LIVE:
            assert planning.is_over(self.campaign, self.now) or self._has_something_to_do()

    def _has_something_to_do(self) -> bool:
        unfinished = self.campaign.runs.filter(state__in=planning.UNFINISHED)
        return self.campaign.is_being_modified or unfinished.exists()

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


def walk(examples: int, steps: int) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Life,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
@pytest.mark.django_db
def test_the_promises_hold_whatever_happens_in_whatever_order() -> None:
    until = time.monotonic() + SECONDS
    walk(12, 14)
    while time.monotonic() < until:
        walk(60, 50)
