"""Allowed list, twelve hours, quiet hours and caps on real runs; each excluded person with a reason."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.access import SYSTEM
from accounts.models import Workspace
from audiences import suppression
from audiences.models import Profile
from campaigns import drafts, lifecycle, validation
from campaigns.delivery import caps, clock, fanout
from campaigns.delivery.caps import Cap
from campaigns.models import Attempt, Batch, CapHold, CapTally, Run, SentCount
from campaigns.reports.metrics import ledger, reasons
from channels import allowed, rulesets
from channels.models import Rule, RuleSet
from channels.rulesets import RuleValues
from common.errors import Invalid
from tests import builders
from tests.builders import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
BY = {"actor": SYSTEM, "now": NOW}
NIGHT = [{"days": [0], "start": "21:00", "end": "09:00"}]


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


def rules(where: Workspace, *values: RuleValues) -> RuleSet:
    made = rulesets.create(where, name=f"Rules {RuleSet.objects.count()}", **BY)
    for one in values:
        rulesets.switch_rule(rulesets.add_rule(made, one, **BY), "activate", **BY)
    return rulesets.switch(made, "activate", **BY)


def cap(count: int, **changes: Any) -> RuleValues:
    return RuleValues(
        **{"name": "cap", "kind": "cap", "channels": ("email", "sms"), "count": count, **changes}
    )


def quiet(**changes: Any) -> RuleValues:
    return RuleValues(
        **{
            "name": "night",
            "kind": "quiet",
            "channels": ("email",),
            "periods": NIGHT,
            "zone": "UTC",
            **changes,
        }
    )


def sent(where: Workspace, **changes: Any) -> Run:
    """A campaign that was drafted, activated and delivered, as far as it may be now."""
    manager = builders.User.objects.filter(name="Manager").first() or builders.person(where, "manager")
    approver = builders.User.objects.filter(name="Approver").first() or builders.person(where, "approver")
    made = builders.draft(where, manager, **changes)
    lifecycle.apply(made, "activate", actor=approver, now=timezone.now())
    call_command("deliver")
    return Run.objects.get(campaign=made)


def excluded(run: Run) -> dict[str, int]:
    return {code: people for code, _label, people in reasons(run, "excluded")}


# ---- allowed list (check 16) --------------------------------------------------------------------
def test_an_allowed_list_that_is_on_and_empty_stops_all_email(where: Workspace) -> None:
    builders.profiles(where, 3)
    suppression.suppress(
        workspace_id=where.pk, channel="email", address="p2@example.com", reason="x", now=NOW
    )
    allowed.switch(where, is_active=True, **BY)
    assert excluded(sent(where)) == {"050103": 2, "050102": 1}
    transactional = sent(where, category="transactional")
    assert excluded(transactional) == {"050103": 2, "050102": 1}
    allowed.add(where, ["P0@Example.com", "p2@example.com"], **BY)
    run = sent(where)
    assert (ledger(run).accepted, excluded(run)) == (1, {"050103": 1, "050102": 1})
    allowed.add(where, ["@example.com"], **BY)
    assert ledger(sent(where)).accepted == 2
    allowed.switch(where, is_active=False, **BY)
    assert ledger(sent(where)).accepted == 2


def test_an_allowed_list_of_domains_names_the_domain(where: Workspace) -> None:
    builders.profiles(where, 1)
    told = allowed.add(where, ["other.example", "not an address", "other.example"], **BY)
    assert (told.added, told.known, [place for place, _fault in told.rejects]) == (1, 1, [1])
    allowed.switch(where, is_active=True, **BY)
    assert excluded(sent(where)) == {"050106": 1}


# ---- twelve hours (check 18) --------------------------------------------------------------------
def test_who_is_not_reached_within_twelve_hours_is_excluded_and_counted(where: Workspace) -> None:
    builders.profiles(where, 12)
    made = builders.draft(where, builders.person(where, "manager"))
    type(made).objects.filter(pk=made.pk).update(rate=2000)
    made.refresh_from_db()
    lifecycle.apply(made, "activate", actor=builders.person(where, "approver"), now=timezone.now())
    clock.start_due_runs(now=timezone.now())
    run = Run.objects.get()
    fanout.expand(run.pk, now=timezone.now(), batch=4)
    Batch.objects.exclude(pk=Batch.objects.order_by("lo")[0].pk).update(
        send_after=timezone.now() + timedelta(1)
    )
    call_command("deliver")
    assert ledger(run).accepted == 4
    Run.objects.update(started_at=timezone.now() - timedelta(hours=12))
    Batch.objects.update(send_after=timezone.now())
    call_command("deliver")
    run.refresh_from_db()
    assert (ledger(run).accepted, excluded(run), run.state) == (4, {"not_reached": 8}, "completed")
    assert ledger(run).balances


# ---- quiet hours (check 21) ---------------------------------------------------------------------
def test_a_message_in_quiet_hours_leaves_when_they_end(where: Workspace) -> None:
    builders.profiles(where, 2)
    chosen = rules(where, quiet())
    with time_machine.travel(datetime(2026, 11, 24, 3, tzinfo=UTC), tick=False):  # Tuesday
        run = sent(where, rule_set=chosen)
        assert (ledger(run).to_go, run.state) == (2, "sending")
        assert set(Attempt.objects.values_list("outcome", "code")) == {("deferred", "quiet_hours")}
    with time_machine.travel(datetime(2026, 11, 24, 8, 59, 59, tzinfo=UTC), tick=False):
        call_command("deliver")
        assert ledger(run).accepted == 0
    with time_machine.travel(datetime(2026, 11, 24, 9, 0, 1, tzinfo=UTC), tick=False):
        call_command("deliver")
    run.refresh_from_db()
    assert (ledger(run).accepted, run.state) == (2, "completed")


def test_monday_morning_is_not_covered_and_without_the_set_nothing_is(where: Workspace) -> None:
    builders.profiles(where, 2)
    chosen = rules(where, quiet())
    with time_machine.travel(datetime(2026, 11, 23, 3, tzinfo=UTC), tick=False):
        assert ledger(sent(where, rule_set=chosen)).accepted == 2
    with time_machine.travel(datetime(2026, 11, 24, 3, tzinfo=UTC), tick=False):
        assert ledger(sent(where)).accepted == 2


def test_each_person_sleeps_in_their_own_zone_and_who_has_none_in_the_default(where: Workspace) -> None:
    for name, zone in (
        ("taipei", "Asia/Taipei"),  # 05:00 on Tuesday
        ("york", "America/New_York"),  # 16:00 on Monday
        ("none", ""),
        ("odd", "Mars/Olympus"),
    ):
        Profile.objects.create(workspace=where, email=f"{name}@example.com", time_zone=zone)
    with time_machine.travel(datetime(2026, 11, 23, 21, tzinfo=UTC), tick=False):
        chosen = rules(where, quiet(zone="", default_zone="Asia/Tokyo", handling="discard"))
        run = sent(where, rule_set=chosen)
    got = set(Attempt.objects.filter(outcome="accepted").values_list("ref", flat=True))
    assert got == {Profile.objects.get(email="york@example.com").pk}
    assert (excluded(run), run.state) == ({"quiet_hours": 3}, "completed")


def test_what_would_wait_more_than_seven_days_is_dropped(where: Workspace) -> None:
    builders.profiles(where, 1)
    day = [{"dates": [f"2026-11-{day}" for day in range(23, 31)]}]
    with time_machine.travel(datetime(2026, 11, 23, 12, tzinfo=UTC), tick=False):
        run = sent(where, rule_set=rules(where, quiet(periods=day)))
    assert (ledger(run).expired, run.state) == (1, "completed")


def test_transactional_messages_know_neither_quiet_hours_nor_caps(where: Workspace) -> None:
    builders.profiles(where, 1)
    chosen = rules(where, quiet(), cap(1, unit="month"))
    with time_machine.travel(datetime(2026, 11, 24, 3, tzinfo=UTC), tick=False):
        for _turn in range(2):
            assert ledger(sent(where, rule_set=chosen, category="transactional")).accepted == 1
    assert not SentCount.objects.exists() and not CapHold.objects.exists()


# ---- caps (check 22) ----------------------------------------------------------------------------
def test_five_a_week_over_two_channels_and_a_new_week_on_sunday(where: Workspace) -> None:
    person = builders.profiles(where, 1)[0]
    chosen = rules(where, cap(5))
    for _email in range(3):
        assert ledger(sent(where, rule_set=chosen)).accepted == 1
    hour = SentCount.objects.get().hour
    SentCount.objects.create(profile_id=person.pk, channel="sms", hour=hour, sent=2)
    assert excluded(sent(where, rule_set=chosen)) == {"050002": 1}
    assert SentCount.objects.get(channel="email").sent == 3 and not CapHold.objects.exists()
    SentCount.objects.update(hour=hour - timedelta(days=7))  # the week is over
    assert ledger(sent(where, rule_set=chosen)).accepted == 1


def test_a_cap_counts_what_was_sent_before_it_was_made_and_other_campaigns(where: Workspace) -> None:
    builders.profiles(where, 2)
    assert ledger(sent(where)).accepted == 2 and not SentCount.objects.exists()
    chosen = rules(where, cap(2, unit="month"))
    assert ledger(sent(where, rule_set=chosen)).accepted == 2
    assert ledger(sent(where)).accepted == 2  # without the set there is no cap, but it counts
    assert excluded(sent(where, rule_set=chosen)) == {"050002": 2}
    assert set(SentCount.objects.values_list("sent", flat=True)) == {3} and CapTally.objects.count() == 1


def test_the_global_set_holds_for_every_campaign_and_an_edit_counts_at_once(where: Workspace) -> None:
    builders.profiles(where, 1)
    everywhere = rulesets.sets_for(SYSTEM, where).get(is_global=True)
    rule = rulesets.add_rule(everywhere, cap(1, unit="month"), **BY)
    assert ledger(sent(where)).accepted == 1  # a draft rule holds nobody back
    rulesets.switch_rule(rule, "activate", **BY)
    assert excluded(sent(where)) == {"050002": 1}
    rulesets.change_rule(Rule.objects.get(), cap(2, unit="month"), **BY)
    assert ledger(sent(where)).accepted == 1
    rulesets.switch_rule(Rule.objects.get(), "deactivate", **BY)
    assert ledger(sent(where)).accepted == 1


def test_only_what_was_accepted_counts_and_a_deferred_message_is_let_go(where: Workspace) -> None:
    for local in ("refuse+1", "later+1"):
        Profile.objects.create(workspace=where, email=f"{local}@example.com", attributes={"name": local})
    run = sent(where, rule_set=rules(where, cap(1, unit="month")))
    assert (ledger(run).failed, ledger(run).to_go) == (1, 1)
    assert not SentCount.objects.exists() and not CapHold.objects.exists()


def test_what_is_uncertain_stays_held(where: Workspace) -> None:
    builders.profiles(where, 1)
    places, people = (1, 0), [(1, 1)]
    asked = {"workspace_id": where.pk, "channel": "email", "caps": [Cap(("email",), 1, NOW)], "now": NOW}
    assert caps.hold(places, people, **asked) == set()
    caps.settle(places, [(1, "uncertain")], now=NOW)
    caps.let_go({"run": 1, "action": 0, "lo": 1, "hi": 9})
    assert caps.hold((2, 0), people, **asked) == {1}
    assert caps.hold(places, people, **asked) == set()  # its own second try
    caps.settle(places, [(1, "accepted")], now=NOW)
    assert SentCount.objects.get().sent == 1


@pytest.mark.django_db(transaction=True)
def test_two_campaigns_at_once_do_not_both_slip_over_a_cap() -> None:
    where = builders.workspace()
    asked = {"workspace_id": where.pk, "channel": "email", "caps": [Cap(("email",), 1, NOW)], "now": NOW}
    people = [(ref, ref) for ref in range(1, 301)]

    def look(run: int) -> set[int]:
        try:
            return caps.hold((run, 0), people if run % 2 else people[::-1], **asked)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        over = list(pool.map(look, range(1, 7)))
    assert sum(300 - len(refs) for refs in over) == 300 == CapHold.objects.count()


# ---- the campaign's side ------------------------------------------------------------------------
def test_only_an_active_set_may_be_chosen_and_it_is_frozen_and_copied(where: Workspace) -> None:
    manager = builders.person(where, "manager")
    chosen = rules(where, cap(5))
    made = builders.draft(where, manager, rule_set=chosen)
    assert not [one.code for one in validation.validate(made, now=NOW) if one.is_error]
    copy = lifecycle.duplicate(made, actor=manager, now=NOW)
    assert copy.rule_set == chosen
    rulesets.switch(chosen, "deactivate", **BY)
    made.refresh_from_db()
    wrong = [one.code for one in validation.validate(made, now=NOW) if one.is_error]
    assert wrong == ["rule_set_inactive"]
    with pytest.raises(Invalid):
        drafts.save(
            made, revision=made.revision, actor=manager, now=NOW, rule_set=rules(builders.workspace("b"))
        )
