"""Every kind of audience finds its people, also inside another one, and circles are refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import Workspace
from audiences import composition, evaluate, membership
from audiences.models import (
    AttributeDefinition,
    Audience,
    AudienceMember,
    Consent,
    Profile,
    Topic,
)
from audiences.rules.compile import check
from campaigns.delivery import fanout
from campaigns.models import Message, Run
from common.errors import Invalid
from tests import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
Kind = Audience.Kind


@pytest.fixture
def workspace() -> Workspace:
    """Six people p0 … p5; `name` of the even ones is “Ann n”, `points` is n."""
    made = builders.workspace()
    AttributeDefinition.objects.create(workspace=made, key="points", type="number")
    for n, person in enumerate(builders.profiles(made, 6)):
        Profile.objects.filter(pk=person.pk).update(attributes={**person.attributes, "points": n})
    return made


def people(workspace: Workspace, *numbers: int) -> list[Profile]:
    return [Profile.objects.get(workspace=workspace, email=f"p{n}@example.com") for n in numbers]


def upload(workspace: Workspace, *numbers: int, name: str = "Upload") -> Audience:
    made = builders.audience(workspace, name=name, kind=Kind.UPLOAD)
    for person in people(workspace, *numbers):
        AudienceMember.objects.create(audience=made, profile=person)
    return made


def by_rule(workspace: Workspace, rule: Any, name: str = "Rule") -> Audience:
    return builders.audience(workspace, name=name, rule=rule)


def composed(workspace: Workspace, tree: Any, name: str = "Composition") -> Audience:
    return builders.audience(workspace, name=name, kind=Kind.COMPOSITION, composition=tree)


def subscribed(workspace: Workspace, *numbers: int) -> Audience:
    topic = Topic.objects.create(workspace=workspace, key="news", name="News")
    for person in people(workspace, *numbers):
        Consent.objects.create(
            profile=person, channel="email", topic=topic, state="yes", source="test", at=NOW
        )
    return builders.audience(workspace, name="News", kind=Kind.SUBSCRIPTION, topic=topic)


def found(audience: Audience | dict[str, Any], workspace: Workspace) -> str:
    whole = evaluate.definition(audience) if isinstance(audience, Audience) else audience
    members = evaluate.sample(whole, workspace.pk, 100)
    assert evaluate.count(whole, workspace.pk) == len(members)
    return " ".join(str(person.email)[1] for person in members)


def above(points: int) -> dict[str, Any]:
    return {"field": "points", "op": "greater_than", "value": points}


def test_each_kind_finds_its_people(workspace: Workspace) -> None:
    listed, ruled, topic = upload(workspace, 0, 1, 4), by_rule(workspace, above(3)), subscribed(workspace, 2)
    assert found(listed, workspace) == "0 1 4"
    assert found(ruled, workspace) == "4 5"
    assert found(topic, workspace) == "2"
    everything = {"union": [{"audience": one.pk} for one in (listed, ruled, topic)]}
    assert found(composed(workspace, everything), workspace) == "0 1 2 4 5"


def test_a_rule_asks_for_membership_in_every_kind(workspace: Workspace) -> None:
    listed, ruled, topic = upload(workspace, 0, 1, 4), by_rule(workspace, above(3)), subscribed(workspace, 2)
    both = composed(workspace, {"intersection": [{"audience": listed.pk}, {"audience": ruled.pk}]})
    for audience, within in ((listed, "0 1 4"), (ruled, "4 5"), (topic, "2"), (both, "4")):
        without = " ".join(sorted(set("012345") - set(within)))
        for op, who in (("in", within), ("not_in", without)):
            rule = {"audience": audience.pk, "op": op}
            assert found({"id": None, "kind": "rule", "name": "", "rule": rule}, workspace) == who
            negated = {"none": [{"any": [rule]}]}
            other = within if op == "not_in" else without
            assert found({"id": None, "kind": "rule", "name": "", "rule": negated}, workspace) == other


def test_a_definition_freezes_what_it_names_and_others_stay_as_they_were(workspace: Workspace) -> None:
    inner = by_rule(workspace, above(3), "Inner")
    middle = by_rule(workspace, {"audience": inner.pk, "op": "in"}, "Middle")
    outer = composed(workspace, {"audience": middle.pk}, "Outer")
    assert evaluate.definition(inner) == {
        "id": inner.pk,
        "kind": "rule",
        "name": "Inner",
        "rule": above(3),
    }
    frozen = evaluate.definition(outer)
    assert set(frozen["audiences"]) == {str(inner.pk), str(middle.pk)}
    Audience.objects.filter(pk=inner.pk).update(rule={})
    assert found(frozen, workspace) == "4 5"
    assert found(outer, workspace) == "0 1 2 3 4 5"


def test_circles_are_refused_with_the_names_in_them(workspace: Workspace) -> None:
    first = by_rule(workspace, {}, "First")
    second = by_rule(workspace, {"all": [{"audience": first.pk, "op": "not_in"}]}, "Second")
    third = composed(workspace, {"union": [{"audience": second.pk}]}, "Third")
    with pytest.raises(Invalid) as caught:
        check({"any": [above(1), {"audience": third.pk, "op": "in"}]}, workspace, first.pk)
    (problem,) = caught.value.problems
    assert (problem.code, problem.pointer) == ("rule_audience_cycle", "/any/1/audience")
    assert "“Third” → “Second” → “First”" in problem.detail
    with pytest.raises(Invalid) as caught:
        composition.check({"audience": third.pk}, workspace, third.pk)
    assert caught.value.code == "rule_audience_cycle"
    Audience.objects.filter(pk=first.pk).update(rule={"audience": third.pk, "op": "in"})  # past the check
    for broken in (first, second, third):
        broken.refresh_from_db()
        with pytest.raises(Invalid):
            evaluate.definition(broken)
        rule = {"audience": broken.pk, "op": "in"}
        with pytest.raises(Invalid):
            evaluate.count({"id": None, "kind": "rule", "name": "", "rule": rule}, workspace.pk)


def test_audiences_of_other_workspaces_are_unknown(workspace: Workspace) -> None:
    other = builders.workspace("other")
    foreign = by_rule(other, {})
    for number in (foreign.pk, 0, -1, 2**63, 10**30, "1", None, True, 1.5, [1], {}):
        with pytest.raises(Invalid) as caught:
            check({"audience": number, "op": "in"}, workspace)
        assert [(one.code, one.pointer) for one in caught.value.problems] == [
            ("rule_unknown_audience", "/audience")
        ]
        with pytest.raises(Invalid) as caught:
            composition.check({"union": [{"audience": number}]}, workspace)
        assert [(one.code, one.pointer) for one in caught.value.problems] == [
            ("rule_unknown_audience", "/union/0/audience")
        ]


def test_audiences_that_multiply_are_refused(workspace: Workspace) -> None:
    """Each names the one before thirty times: without a bound a few lines would become millions."""
    before = by_rule(workspace, {"all": [above(n) for n in range(50)]}, "Level 0")
    with pytest.raises(Invalid) as caught:
        for level in range(1, 12):
            rule = {"any": [{"all": [above(1), {"audience": before.pk, "op": "in"}]}] * 30}
            check(rule, workspace)
            before = by_rule(workspace, rule, f"Level {level}")
    assert caught.value.code == "rule_too_large"


def test_a_chain_too_long_is_refused(workspace: Workspace) -> None:
    before = by_rule(workspace, {}, "Level 0")
    with pytest.raises(Invalid) as caught:
        for level in range(1, 12):
            rule = {"audience": before.pk, "op": "in"}
            check(rule, workspace)
            before = by_rule(workspace, rule, f"Level {level}")
    assert caught.value.code == "rule_too_large"


@pytest.mark.parametrize("kind", Kind.values)
def test_a_campaign_goes_to_every_kind(workspace: Workspace, kind: str) -> None:
    made = {
        Kind.RULE: lambda: by_rule(workspace, above(3)),
        Kind.UPLOAD: lambda: upload(workspace, 0, 1),
        Kind.COMPOSITION: lambda: composed(workspace, {"rule": above(3)}),
        Kind.SUBSCRIPTION: lambda: subscribed(workspace, 2, 3),
    }[Kind(kind)]()
    who = found(made, workspace)
    campaign = builders.live(workspace, audience=made, starts_at=NOW + timedelta(hours=1))
    run = Run.objects.get(campaign=campaign)
    Run.objects.filter(pk=run.pk).update(state=Run.State.EXPANDING)
    fanout.expand(run.pk, now=NOW + timedelta(hours=2), page=1)
    reached = Message.objects.filter(run=run).order_by("ref").values_list("address", flat=True)
    assert " ".join(address[1] for address in reached) == who


def test_each_kind_reads_as_a_sentence(workspace: Workspace) -> None:
    listed, ruled, topic = upload(workspace, 0), by_rule(workspace, above(3)), subscribed(workspace, 2)
    tree = {"exclusion": {"from": {"audience": ruled.pk}, "remove": [{"audience": listed.pk}]}}
    told = [
        membership.sentence(evaluate.definition(one), workspace)
        for one in (listed, ruled, topic, composed(workspace, tree))
    ]
    assert told == [
        "The people of the uploaded list “Upload”",
        "points is greater than 3",
        "The people who subscribed to “News” by email",
        "the audience “Rule” without the audience “Upload”",
    ]
