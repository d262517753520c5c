"""A composition splits without overlap or loss, ranks by type, and is refused where it is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Workspace
from audiences import composition, evaluate
from audiences.models import AttributeDefinition, Profile
from audiences.rules import compile
from campaigns.models import Attempt, Event, Message, Run
from common.errors import Invalid
from tests import builders

pytestmark = pytest.mark.django_db
EVERYBODY: dict[str, Any] = {"rule": {}}


@pytest.fixture
def workspace() -> Workspace:
    """p0 … p99; points n, except that each tenth has none; tier gold, silver or missing."""
    made = builders.workspace()
    for key, kind in (("points", "number"), ("tier", "choice"), ("joined", "date"), ("vip", "boolean")):
        AttributeDefinition.objects.create(workspace=made, key=key, type=kind)
    for n, person in enumerate(builders.profiles(made, 100)):
        person.attributes = {"tier": "gold"} if n % 3 == 0 else {"tier": "silver"} if n % 3 == 1 else {}
        person.attributes |= {"joined": f"20{n:02}-01-31", "vip": n % 2 == 0}
        person.attributes |= {"points": n} if n % 10 else {"points": "many"}
        person.save()
    return made


def split(**fields: Any) -> dict[str, Any]:
    return {"split": {"of": EVERYBODY, **fields}}


def bought(name: str, value: Any) -> dict[str, Any]:
    return {"event": "buy", "where": [{"property": name, "op": "is", "value": value}]}


def found(workspace: Workspace, tree: Any) -> list[int]:
    composition.check(tree, workspace)
    definition = {"id": None, "kind": "composition", "name": "", "rule": {}, "composition": tree}
    people = evaluate.sample(definition, workspace.pk, 1000)
    assert composition.sentence(tree, workspace)
    return [int(str(person.email)[1:].partition("@")[0]) for person in people]


def lot(low: float, high: float, seed: str = "a") -> dict[str, Any]:
    return {"split": {"of": EVERYBODY, "percent": [low, high], "seed": seed}}


def test_lots_are_disjoint_complete_and_always_the_same(workspace: Workspace) -> None:
    parts = [found(workspace, lot(low, high)) for low, high in ((0, 10), (10, 55.5), (55.5, 100))]
    assert sorted(n for part in parts for n in part) == list(range(100))
    assert all(parts) and parts[0] == found(workspace, lot(0, 10))
    assert found(workspace, lot(0, 100)) == list(range(100))
    assert found(workspace, lot(0, 50, "a")) != found(workspace, lot(0, 50, "b"))
    assert 25 < len(found(workspace, lot(0, 50))) < 75


def test_a_split_by_attribute_leaves_nobody_out(workspace: Workspace) -> None:
    def of(**which: Any) -> list[int]:
        return found(workspace, {"split": {"of": EVERYBODY, "attribute": "tier", **which}})

    gold, silver, others = of(values=["gold"]), of(values=["silver"]), of(others_than=["gold", "silver"])
    assert gold == list(range(0, 100, 3)) and silver == list(range(1, 100, 3))
    assert sorted(gold + silver + others) == list(range(100))
    vip = {"split": {"of": EVERYBODY, "attribute": "vip", "others_than": [True]}}
    assert found(workspace, vip) == list(range(1, 100, 2))


def ranked(by: str, order: str, limit: int, of: Any = EVERYBODY) -> dict[str, Any]:
    return {"rank": {"of": of, "by": by, "order": order, "limit": limit}}


def test_a_rank_takes_the_first_by_type_and_those_without_a_value_last(workspace: Workspace) -> None:
    assert found(workspace, ranked("points", "desc", 3)) == [97, 98, 99]
    assert found(workspace, ranked("points", "asc", 3)) == [1, 2, 3]
    assert found(workspace, ranked("joined", "desc", 2)) == [98, 99]
    assert found(workspace, ranked("points", "asc", 92)) == sorted(
        [n for n in range(100) if n % 10] + [0, 10]
    )
    assert found(workspace, ranked("points", "desc", 1, of=ranked("points", "asc", 5))) == [5]
    union = {"union": [ranked("points", "asc", 1), ranked("points", "desc", 1), lot(0, 0.0001)]}
    assert found(workspace, union) == [1, 99]
    without = {"exclusion": {"from": EVERYBODY, "remove": [union]}}
    assert len(found(workspace, without)) == 98


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("tree", "code", "pointer"),
    [
        ({}, "composition_bad_part", ""),
        ([], "composition_bad_part", ""),
        ("x", "composition_bad_part", ""),
        ({"union": [EVERYBODY], "rule": {}}, "composition_bad_part", ""),
        ({"__class__": 1}, "composition_bad_part", ""),
        ({"union": []}, "composition_too_large", "/union"),
        ({"union": {}}, "composition_too_large", "/union"),
        ({"union": [EVERYBODY] * 51}, "composition_too_large", "/union"),
        ({"union": [{"rule": {"all": [5]}}]}, "rule_not_object", "/union/0/rule/all/0"),
        ({"exclusion": {"from": EVERYBODY}}, "composition_bad_part", "/exclusion"),
        (split(percent=[50, 50], seed="x"), "composition_bad_percent", "/split/percent"),
        (split(percent=[0, 101], seed="x"), "composition_bad_percent", "/split/percent"),
        (split(percent=[False, True], seed="x"), "composition_bad_percent", "/split/percent"),
        (split(percent=[0, float("nan")], seed="x"), "composition_bad_percent", "/split/percent"),
        (split(percent=[0, 9], seed=""), "composition_bad_seed", "/split/seed"),
        (split(percent=[0, 9], seed="\0"), "bad_unicode", "/split/seed"),
        (split(attribute="joined", values=["x"]), "composition_bad_field", "/split/attribute"),
        (split(attribute="tier", values=[]), "rule_too_large", "/split/values"),
        (ranked("vip", "asc", 5), "composition_bad_field", "/rank/by"),
        (ranked("points; DROP TABLE", "asc", 5), "composition_bad_field", "/rank/by"),
        (ranked("points", "ASC; --", 5), "composition_bad_order", "/rank/order"),
        (ranked("points", "asc", 0), "composition_bad_limit", "/rank/limit"),
        (ranked("points", "asc", 10**5000), "composition_bad_limit", "/rank/limit"),
        (ranked("points", "asc", 1.5), "composition_bad_limit", "/rank/limit"),
    ],
)
def test_a_wrong_composition_is_refused_at_its_place(
    workspace: Workspace, tree: Any, code: str, pointer: str
) -> None:
    with pytest.raises(Invalid) as caught:
        composition.check(tree, workspace)
    assert [(problem.code, problem.pointer) for problem in caught.value.problems] == [(code, pointer)]


def test_a_composition_too_deep_or_too_wide_is_refused(workspace: Workspace) -> None:
    deep: dict[str, Any] = EVERYBODY
    for _ in range(9):
        deep = {"union": [deep]}
    wide = {"union": [{"union": [EVERYBODY] * 40}] * 40}
    for tree in (deep, wide):
        with pytest.raises(Invalid) as caught:
            composition.check(tree, workspace)
        assert caught.value.code == "composition_too_large"


# ---- engagement, as campaigns lend it ----------------------------------------------------------------------


def test_engagement_is_counted_by_message_campaign_channel_and_time(workspace: Workspace) -> None:
    campaign = builders.live(workspace, starts_at=builders.NOW + timedelta(hours=1))
    run = Run.objects.get(campaign=campaign)
    people = list(Profile.objects.filter(workspace=workspace).order_by("pk")[:3])
    for number, person in enumerate(people):
        at = builders.NOW - timedelta(days=100 * number)
        key = {"run": run, "action": 0, "ref": person.pk}
        Message.objects.create(**key, profile=person, address=str(person.email))
        Attempt.objects.create(**key, n=1, outcome="accepted" if number < 2 else "excluded", at=at)
        for kind in ("open", "open", "click")[: 3 - number]:
            Event.objects.create(**key, kind=kind, at=at)

    def asked(**condition: Any) -> list[int]:
        rule = {"op": "at_least", **condition}
        compile.check(rule, workspace)
        found_ = evaluate.sample({"id": None, "kind": "rule", "name": "", "rule": rule}, workspace.pk, 9)
        return [people.index(person) for person in found_ if person in people]

    assert asked(engagement="received") == [0, 1]
    assert asked(engagement="opened") == [0, 1, 2]
    assert asked(engagement="opened", count=2) == []  # one message opened twice is one message
    assert asked(engagement="clicked") == [0]
    assert asked(engagement="clicked", op="at_most", count=0) == [1, 2]
    assert asked(engagement="received", campaign=campaign.pk, channel="email") == [0, 1]
    assert asked(engagement="opened", days=36_500, op="exactly", count=1) == [0, 1, 2]


@pytest.mark.parametrize(
    ("condition", "code", "pointer"),
    [
        ({"engagement": "sent"}, "rule_unknown_engagement", "/engagement"),
        ({"engagement": ["opened"]}, "rule_unknown_engagement", "/engagement"),
        ({"engagement": "opened", "campaign": 10**5000}, "rule_unknown_campaign", "/campaign"),
        ({"engagement": "opened", "campaign": True}, "rule_unknown_campaign", "/campaign"),
        ({"engagement": "opened", "channel": "pigeon"}, "rule_unknown_channel", "/channel"),
        ({"engagement": "opened", "count": -1}, "rule_bad_count", "/count"),
        ({"engagement": "opened", "count": 0}, "rule_bad_count", "/count"),
        ({"engagement": "opened", "days": -5}, "rule_bad_days", "/days"),
        ({"engagement": "opened", "days": 10**9}, "rule_bad_days", "/days"),
        ({"event": "a'b"}, "rule_bad_event", "/event"),
        (bought("a'b", 1), "rule_bad_property", "/where/0/property"),
        (bought("a", 10**400), "rule_bad_number", "/where/0/value"),
        (bought("a", None), "rule_bad_value", "/where/0/value"),
        ({"event": "buy", "where": [{}] * 11}, "rule_too_large", "/where"),
        ({"event": "buy", "DROP": 1}, "rule_unknown_key", ""),
    ],
)
def test_a_wrong_count_is_refused_at_its_place(
    workspace: Workspace, condition: Any, code: str, pointer: str
) -> None:
    with pytest.raises(Invalid) as caught:
        compile.check({"op": "at_least", **condition}, workspace)
    assert [(problem.code, problem.pointer) for problem in caught.value.problems] == [(code, pointer)]


@pytest.mark.parametrize(
    ("condition", "code", "pointer"),
    [
        ({"consent": "pigeon", "op": "is", "value": "yes"}, "rule_unknown_channel", "/consent"),
        ({"consent": "email", "op": "is", "value": "maybe"}, "rule_bad_value", "/value"),
        ({"consent": "email", "topic": "x", "op": "is", "value": "yes"}, "rule_unknown_topic", "/topic"),
        ({"reachable": "email", "op": "maybe"}, "rule_unknown_operator", "/op"),
        ({"reachable": {}, "op": "is"}, "rule_unknown_channel", "/reachable"),
        ({"field": 10**5000, "op": "is"}, "rule_unknown_field", "/field"),
        ({"field": "\ud800", "op": "is"}, "rule_unknown_field", "/field"),
    ],
)
def test_other_wrong_conditions_are_refused_at_their_place(
    workspace: Workspace, condition: Any, code: str, pointer: str
) -> None:
    with pytest.raises(Invalid) as caught:
        compile.check(condition, workspace)
    assert [(problem.code, problem.pointer) for problem in caught.value.problems] == [(code, pointer)]
    caught.value.detail.encode()  # can be sent
