"""Rule sets: windows, quiet hours over zones and clock changes, and what may be done with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.access import SYSTEM
from accounts.models import AuditEntry, Workspace
from channels import quiet, rulesets
from channels.models import Rule, RuleSet
from channels.rulesets import RuleValues
from channels.windows import window_start
from common.errors import IllegalTransition, Invalid, PermissionMissing
from tests import builders
from tests.builders import NOW

BY = {"actor": SYSTEM, "now": NOW}
NIGHT = [{"days": [0], "start": "21:00", "end": "09:00"}]  # Monday's


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "every", "unit", "start"),
    [
        ("2026-11-25T10:59:59", 1, "hour", "2026-11-25T10:00"),
        ("2026-11-25T11:00:00", 4, "hour", "2026-11-25T08:00"),
        ("2026-11-25T23:59:59", 1, "day", "2026-11-25T00:00"),
        ("2026-11-28T23:59:59", 1, "week", "2026-11-22T00:00"),  # Saturday's last second
        ("2026-11-29T00:00:00", 1, "week", "2026-11-29T00:00"),  # Sunday
        ("2026-02-28T23:59:59", 1, "month", "2026-02-01T00:00"),
        ("2026-03-01T00:00:00", 3, "month", "2026-01-01T00:00"),
        ("2026-12-31T12:00:00", 3, "month", "2026-10-01T00:00"),
    ],
)
def test_windows_are_those_of_the_calendar_in_utc(now: str, every: int, unit: str, start: str) -> None:
    assert window_start(at(now), every, unit) == at(start)


@pytest.mark.parametrize("every", [2, 3, 4])
def test_a_window_of_several_units_lasts_them_all(every: int) -> None:
    first = window_start(NOW, every, "week")
    assert first.weekday() == 6 and (NOW - first).days < 7 * every
    assert window_start(first, every, "week") == first


@pytest.mark.parametrize(
    ("zone", "now", "ends"),
    [
        ("UTC", "2026-11-24T03:00", "2026-11-24T09:00"),  # Tuesday: still Monday's night
        ("UTC", "2026-11-23T03:00", None),  # Monday morning belongs to Sunday
        ("UTC", "2026-11-23T21:00", "2026-11-24T09:00"),
        ("UTC", "2026-11-24T09:00", None),
        ("Asia/Taipei", "2026-11-23T13:00", "2026-11-24T01:00"),
        ("Asia/Taipei", "2026-11-23T12:59", None),
    ],
)
def test_a_night_belongs_to_the_day_it_begins(zone: str, now: str, ends: str | None) -> None:
    assert quiet.ends_at(quiet.periods_of(NIGHT), zone, at(now)) == (at(ends) if ends else None)


@pytest.mark.parametrize(
    ("zone", "day", "slot", "begins", "ends"),
    [
        # New York, spring: 02:30 does not exist and moves on; autumn: 01:30 comes twice.
        ("America/New_York", "2027-03-14", ("02:30", "05:00"), "2027-03-14T07:30", "2027-03-14T09:00"),
        ("America/New_York", "2027-03-14", ("01:00", "02:30"), "2027-03-14T06:00", "2027-03-14T07:30"),
        ("America/New_York", "2027-11-07", ("01:30", "03:00"), "2027-11-07T05:30", "2027-11-07T08:00"),
        ("America/New_York", "2027-11-07", ("00:00", "01:30"), "2027-11-07T04:00", "2027-11-07T06:30"),
        ("Australia/Lord_Howe", "2027-04-04", ("00:00", "06:00"), "2027-04-03T13:00", "2027-04-03T19:30"),
        ("America/New_York", "2027-11-07", (None, None), "2027-11-07T04:00", "2027-11-08T05:00"),
    ],
)
def test_a_slot_keeps_its_local_hours_when_clocks_change(
    zone: str, day: str, slot: tuple[str, str], begins: str, ends: str
) -> None:
    given = {"dates": [day], **({"start": slot[0], "end": slot[1]} if slot[0] else {})}
    periods, first = quiet.periods_of(quiet.cleaned([given])), at(begins)
    assert quiet.ends_at(periods, zone, first) == at(ends)
    assert quiet.ends_at(periods, zone, first - timedelta(seconds=1)) is None
    assert quiet.ends_at(periods, zone, at(ends)) is None


def test_periods_that_touch_are_one_quiet_time() -> None:
    weekend = quiet.periods_of(
        quiet.cleaned([{"days": [5, 6]}, {"days": [0], "start": "00:00", "end": "07:00"}])
    )
    assert quiet.ends_at(weekend, "UTC", at("2026-11-28T12:00")) == at("2026-11-30T07:00")


def test_a_zone_that_nobody_knows_gives_way_to_the_next() -> None:
    assert quiet.known_zone("Mars/Olympus", "", "Asia/Taipei") == "Asia/Taipei"
    assert quiet.known_zone("../../etc/passwd", "") == "UTC"


@pytest.mark.parametrize(
    "given",
    [
        [],
        [{"days": [0]}] * 6,
        [{}],
        [{"days": [7]}],
        [{"days": [True]}],
        [{"days": [0], "dates": ["2026-01-01"]}],
        [{"dates": ["2026-02-30"]}],
        [{"days": [0], "start": "21:00"}],
        [{"days": [0], "start": "25:00", "end": "26:00"}],
        [{"days": [0], "start": "09:00", "end": "09:00"}],
        [{"days": [0], "pigeon": 1}],
        "always",
    ],
)
def test_periods_that_say_nothing_are_refused(given: Any) -> None:
    with pytest.raises(Invalid):
        quiet.cleaned(given)


# ---- verbs --------------------------------------------------------------------------------------
@pytest.fixture
def where(db: None) -> Workspace:
    return builders.workspace()


def cap(**changes: Any) -> RuleValues:
    return RuleValues(
        **{"name": "Five a week", "kind": "cap", "channels": ("email", "sms"), "count": 5, **changes}
    )


def test_a_set_goes_from_draft_to_active_to_inactive_and_only_a_draft_is_deleted(where: Workspace) -> None:
    made = rulesets.create(where, name="Gentle", **BY)
    rule = rulesets.add_rule(made, cap(), **BY)
    assert rulesets.possible(made) == ["change", "activate", "delete"]
    made = rulesets.switch(made, "activate", **BY)
    with pytest.raises(IllegalTransition):
        rulesets.delete(made, **BY)
    rulesets.switch_rule(rule, "activate", **BY)
    with pytest.raises(IllegalTransition):
        rulesets.delete_rule(rule, **BY)
    made = rulesets.switch(made, "deactivate", **BY)
    assert made.state == "inactive" and Rule.objects.get().state == "active"
    verbs = AuditEntry.objects.filter(object_type="channels.ruleset").order_by("pk")
    assert [one.verb for one in verbs] == ["create", "add_rule", "activate", "activate_rule", "deactivate"]


def test_every_workspace_has_one_global_set_which_is_active_and_takes_caps_only(where: Workspace) -> None:
    first = rulesets.sets_for(SYSTEM, where).get()
    assert (first.is_global, first.state) == (True, "active")
    assert rulesets.sets_for(SYSTEM, where).count() == 1
    with pytest.raises(Invalid, match="frequency caps only"):
        rulesets.add_rule(first, RuleValues("Night", "quiet", ("email",), periods=NIGHT), **BY)


def test_at_most_ten_sets_are_active(where: Workspace) -> None:
    for number in range(10):
        rulesets.switch(rulesets.create(where, name=f"S{number}", **BY), "activate", **BY)
    eleventh = rulesets.create(where, name="S10", **BY)
    with pytest.raises(IllegalTransition) as refused:
        rulesets.switch(eleventh, "activate", **BY)
    assert refused.value.code == "too_many_active" and RuleSet.objects.get(name="S10").state == "draft"


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        (cap(name=" "), "name"),
        (cap(channels=()), "channels"),
        (cap(channels=("pigeon",)), "channels"),
        (cap(count=0), "count"),
        (cap(unit="year"), "unit"),
        (cap(unit="month", every=4), "every"),
        (cap(kind="both"), "kind"),
        (RuleValues("Q", "quiet", ("email",), periods=NIGHT, zone="Mars"), "zone"),
        (RuleValues("Q", "quiet", ("email",), periods=NIGHT, handling="shred"), "handling"),
        (RuleValues("Q", "quiet", ("email",), periods=[{"days": list(range(7))}]), "periods"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_its_place(
    where: Workspace, values: RuleValues, pointer: str
) -> None:
    made = rulesets.create(where, name="Gentle", **BY)
    with pytest.raises(Invalid) as refused:
        rulesets.add_rule(made, values, **BY)
    assert refused.value.problems[0].pointer == pointer and not Rule.objects.exists()


def test_only_who_manages_configurations_may_change_them(where: Workspace) -> None:
    manager = builders.person(where, "manager")
    made = rulesets.create(where, name="Gentle", **BY)
    assert rulesets.set_for(manager, made.pk) == made
    for act in (
        lambda: rulesets.create(where, name="X", actor=manager, now=NOW),
        lambda: rulesets.switch(made, "activate", actor=manager, now=NOW),
        lambda: rulesets.add_rule(made, cap(), actor=manager, now=NOW),
        lambda: rulesets.delete(made, actor=manager, now=NOW),
    ):
        with pytest.raises(PermissionMissing):
            act()
    assert RuleSet.objects.get(pk=made.pk).state == "draft"
