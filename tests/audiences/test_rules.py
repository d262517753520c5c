"""A rule finds exactly whom it names, and refuses what it cannot mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from accounts import roles
from accounts.access import SYSTEM
from accounts.models import Workspace
from audiences import consent, evaluate, lastlook, reachability, suppression
from audiences.models import AttributeDefinition, Audience, Profile
from audiences.rules.describe import sentence
from audiences.rules.operators import COMING, TODAY
from common.errors import Invalid

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

PEOPLE: dict[str, dict[str, Any]] = {
    "ana": {"city": "Taipei", "points": 10, "vip": True, "joined": "2025-01-31"},
    "bo": {"city": "50%_off", "points": 20.5, "vip": False, "joined": "2026-06-01"},
    "chen": {"city": "臺北市", "points": "many", "joined": "not a date"},
    "dora": {},
}


@pytest.fixture
def workspace() -> Workspace:
    made = roles.create_workspace(name="Fernhill", slug="fernhill", actor=SYSTEM, now=NOW)
    for key, kind in {"city": "text", "points": "number", "vip": "boolean", "joined": "date"}.items():
        AttributeDefinition.objects.create(workspace=made, key=key, type=kind)
    for name, attributes in PEOPLE.items():
        Profile.objects.create(workspace=made, email=f"{name}@x.tw", attributes=attributes)
    return made


def rule_audience(rule: Any) -> dict[str, Any]:
    return {"id": None, "kind": Audience.Kind.RULE, "name": "", "rule": rule}


def found(workspace: Workspace, rule: Any) -> str:
    people = evaluate.sample(rule_audience(rule), workspace.pk, limit=10)
    return " ".join(str(profile.email).partition("@")[0] for profile in people)


def one(field: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "op": op, **({} if value is None else {"value": value})}


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        ({}, "ana bo chen dora"),
        (one("city", "is", "Taipei"), "ana"),
        (one("city", "is_not", "Taipei"), "bo chen dora"),
        (one("city", "one_of", ["Taipei", "臺北市"]), "ana chen"),
        (one("city", "contains", "%_"), "bo"),
        (one("city", "contains", "pei"), "ana"),
        (one("city", "starts_with", "臺"), "chen"),
        (one("city", "is_empty"), "dora"),
        (one("city", "is_not_empty"), "ana bo chen"),
        (one("email", "starts_with", "BO@"), "bo"),
        (one("points", "is", 10), "ana"),
        (one("points", "less_than", 20.5), "ana"),
        (one("points", "greater_than", 10), "bo"),
        (one("points", "between", [10, 20.5]), "ana bo"),
        (one("points", "one_of", [20.5, 7]), "bo"),
        (one("vip", "is", True), "ana"),
        (one("vip", "is_empty"), "chen dora"),
        (one("joined", "is", "2025-01-31"), "ana"),
        (one("joined", "before", "2026-01-01"), "ana"),
        (one("joined", "after", "2025-12-31"), "bo"),
        (one("joined", "between", ["2025-01-31", "2026-06-01"]), "ana bo"),
        ({"all": [one("vip", "is", True), one("points", "is", 20.5)]}, ""),
        ({"any": [one("vip", "is", True), one("points", "is", 20.5)]}, "ana bo"),
        ({"none": [one("vip", "is", True), one("points", "is", 20.5)]}, "chen dora"),
        ({"all": [{"any": []}, {"none": [one("city", "is_empty")]}]}, "ana bo chen"),
    ],
)
def test_a_rule_finds_exactly_whom_it_names(workspace: Workspace, rule: Any, who: str) -> None:
    assert found(workspace, rule) == who
    assert evaluate.count(rule_audience(rule), workspace.pk) == len(who.split())


def deep(levels: int) -> dict[str, Any]:
    rule: dict[str, Any] = one("city", "is_empty")
    for _ in range(levels):
        rule = {"all": [rule]}
    return rule


@pytest.mark.parametrize(
    ("rule", "code", "pointer"),
    [
        ([], "rule_not_object", ""),
        ("x", "rule_not_object", ""),
        (7, "rule_not_object", ""),
        ({"all": "x"}, "rule_bad_group", ""),
        ({"all": [], "any": []}, "rule_bad_group", ""),
        ({"all": [5]}, "rule_not_object", "/all/0"),
        ({"_connector": "OR 1=1) --"}, "rule_unknown_key", ""),
        ({"any": [one("_negated", "is", "x")]}, "rule_unknown_field", "/any/0/field"),
        (one("a'b", "is", "x"), "rule_unknown_field", "/field"),
        (one("x" * 300, "is", "x"), "rule_unknown_field", "/field"),
        ({"field": ["city"], "op": "is"}, "rule_unknown_field", "/field"),
        (one("city", "drop table", "x"), "rule_unknown_operator", "/op"),
        (one("vip", "contains", "x"), "rule_unknown_operator", "/op"),
        ({"field": "city", "op": {}, "value": "x"}, "rule_unknown_operator", "/op"),
        (one("city", "is", 5), "rule_bad_value", "/value"),
        (one("city", "is", "x" * 501), "rule_bad_value", "/value"),
        (one("city", "is", "a\0b"), "bad_unicode", "/value"),
        (one("city", "is", "\ud800"), "bad_unicode", "/value"),
        (one("city", "one_of", []), "rule_too_large", "/value"),
        (one("city", "one_of", ["x"] * 1001), "rule_too_large", "/value"),
        (one("points", "is", True), "rule_bad_number", "/value"),
        (one("points", "is", float("nan")), "rule_bad_number", "/value"),
        (one("points", "is", float("inf")), "rule_bad_number", "/value"),
        (one("points", "is", 10**5000), "rule_bad_number", "/value"),
        (one("points", "between", [2, 1]), "rule_bad_range", "/value"),
        (one("points", "between", [1]), "rule_bad_range", "/value"),
        (one("joined", "is", "2026-02-30"), "rule_bad_date", "/value"),
        (deep(9), "rule_too_large", "/all/0/all/0/all/0/all/0/all/0/all/0/all/0/all/0"),
        ({"any": [one("city", "is_empty")] * 10_000}, "rule_too_large", "/any/199"),
    ],
)
def test_a_wrong_rule_is_refused_at_its_place(
    workspace: Workspace, rule: Any, code: str, pointer: str
) -> None:
    with pytest.raises(Invalid) as caught:
        evaluate.count(rule_audience(rule), workspace.pk)
    assert [(problem.code, problem.pointer) for problem in caught.value.problems] == [(code, pointer)]


def test_every_fault_is_told_at_once(workspace: Workspace) -> None:
    with pytest.raises(Invalid) as caught:
        evaluate.count(
            rule_audience({"all": [one("nope", "is", "x"), one("points", "is", "x")]}), workspace.pk
        )
    assert [problem.pointer for problem in caught.value.problems] == ["/all/0/field", "/all/1/value"]


def test_a_rule_reads_as_a_sentence(workspace: Workspace) -> None:
    rule = {
        "all": [
            one("city", "is", "Taipei"),
            {"any": [one("vip", "is", True), one("points", "between", [1, 2])]},
        ]
    }
    assert sentence(rule, workspace) == "city is “Taipei” and (vip is yes or points is between 1 and 2)"
    assert sentence({}, workspace) == "Everybody in the workspace"


def test_a_profile_of_another_workspace_is_never_found(workspace: Workspace) -> None:
    other = roles.create_workspace(name="Other", slug="other", actor=SYSTEM, now=NOW)
    assert evaluate.count(rule_audience({}), other.pk) == 0


def test_each_excluded_person_has_a_reason_and_transactional_mail_ignores_opt_outs(
    workspace: Workspace,
) -> None:
    ana, _bo, _, dora = Profile.objects.order_by("pk")
    consent.withdraw(profile_id=ana.pk, channel="email", source="test", now=NOW)
    suppression.suppress(
        workspace_id=workspace.pk, channel="email", address="bo@x.tw", reason="hard", now=NOW
    )
    Profile.objects.filter(pk=dora.pk).update(email=None)
    everybody = rule_audience({})
    wanted = {"workspace_id": workspace.pk, "channel": "email"}
    marketing = evaluate.reach(everybody, category="marketing", **wanted)
    assert marketing == {
        "": 1,
        reachability.NO_CONSENT: 1,
        reachability.SUPPRESSED: 1,
        reachability.NO_ADDRESS: 1,
    }
    assert evaluate.reach(everybody, category="transactional", **wanted)[""] == 2
    people = [(ana.pk, "ana@x.tw"), (None, "bo@x.tw"), (dora.pk, "new@x.tw")]
    blocked = lastlook.blocked(workspace.pk, people, channel="email", category="marketing")
    assert blocked == {0: reachability.NO_CONSENT, 1: reachability.SUPPRESSED}


def _shifted(days: int, *, years: int = 0) -> str:
    day = datetime.now(UTC).date() + timedelta(days=days)
    if (day.month, day.day) == (2, 29):  # a day that other years do not have
        day = day.replace(day=28)
    return day.replace(year=day.year - years).isoformat()


@pytest.mark.parametrize(
    ("op", "days", "who"),
    [
        ("in_last", 0, "ana"),
        ("in_last", 3, "ana bo"),
        ("in_last", 36_500, "ana bo dora"),
        ("in_next", 0, "ana"),
        ("in_next", 10, "ana chen"),
        ("anniversary", 0, "ana"),
        ("anniversary", 10, "ana chen dora"),
    ],
)
def test_a_date_is_asked_from_today(workspace: Workspace, op: str, days: int, who: str) -> None:
    dates = {"ana": _shifted(0), "bo": _shifted(-3), "chen": _shifted(10), "dora": _shifted(5, years=40)}
    for name, day in dates.items():
        Profile.objects.filter(email=f"{name}@x.tw").update(attributes={"joined": day})
    assert found(workspace, one("joined", op, days)) == who


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_today_is_the_workspaces_day(workspace: Workspace, zone: str) -> None:
    Workspace.objects.filter(pk=workspace.pk).update(time_zone=zone)
    here = datetime.now(ZoneInfo(zone)).date()
    Profile.objects.filter(email="ana@x.tw").update(attributes={"joined": here.isoformat()})
    Profile.objects.exclude(email="ana@x.tw").update(attributes={"joined": "2001-02-03"})
    assert found(workspace, one("joined", "in_next", 0)) == "ana"


@pytest.mark.parametrize(("day", "days", "found"), [("2027-02-27", 1, 1), ("2028-02-27", 1, 0)])
def test_a_leap_day_is_kept_on_the_28th_of_a_common_year(day: str, days: int, found: int) -> None:
    sql = COMING.replace(TODAY, "%s::date")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT '02-29' IN {sql}", [day, days])
        assert cursor.fetchone()[0] == bool(found)


@pytest.mark.parametrize("days", [-1, 1.5, 36_501, True, "7", None, [7], 1e400])
def test_days_that_cannot_be_counted_are_refused_at_their_place(workspace: Workspace, days: Any) -> None:
    with pytest.raises(Invalid) as caught:
        found(workspace, {"all": [{"field": "joined", "op": "in_last", "value": days}]})
    assert [(one.code, one.pointer) for one in caught.value.problems] == [("rule_bad_days", "/all/0/value")]


def test_days_are_told_in_words(workspace: Workspace) -> None:
    assert sentence(one("joined", "anniversary", 7), workspace) == "joined has its anniversary within 7 days"
