"""The life of an audience: made, changed, moved between its states, copied, deleted; and every refusal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts.access import SYSTEM
from accounts.models import AccessLabel, AuditEntry, Role, User, Workspace
from audiences import audiences, lifecycle
from audiences.models import Audience, AudienceMember, Topic
from campaigns.models import Campaign
from common.errors import CarillonError, Conflict, IllegalTransition, Invalid, PermissionMissing
from tests import builders

pytestmark = pytest.mark.django_db
NOW = builders.NOW
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def manager(where: Workspace) -> User:
    return builders.person(where, "manager")


def act(audience: Audience, verb: str, actor: Any) -> Any:
    if verb in lifecycle.TRANSITIONS:
        return lifecycle.apply(audience, verb, actor=actor, now=LATER)
    return getattr(audiences, verb)(audience, actor=actor, now=LATER)


@pytest.mark.parametrize("verb", lifecycle.PRESSABLE)
@pytest.mark.parametrize("state", Audience.State.values)
def test_every_verb_moves_from_its_states_and_is_refused_in_the_others(
    where: Workspace, manager: User, state: str, verb: str
) -> None:
    audience = builders.audience(where, state=state)
    if state in lifecycle.PRESSABLE[verb].sources:
        act(audience, verb, manager)
        target = lifecycle.PRESSABLE[verb].target
        assert verb == "delete" or Audience.objects.get(pk=audience.pk).state == (target or state)
        assert AuditEntry.objects.filter(object_type="audiences.audience").count() == 1
    else:
        with pytest.raises(IllegalTransition) as told:
            act(audience, verb, manager)
        assert told.value.extra["state"] == state
        audience.refresh_from_db()
        assert audience.state == state and not AuditEntry.objects.filter(verb=verb).exists()


@pytest.mark.parametrize("verb", lifecycle.PRESSABLE)
def test_a_verb_without_the_right_is_refused_before_the_state_is_told(where: Workspace, verb: str) -> None:
    audience = builders.audience(where, state="archived")
    with pytest.raises(PermissionMissing):
        act(audience, verb, builders.person(where, "viewer"))
    assert list(Audience.objects.values_list("name", "state")) == [("Everybody", "archived")]


def test_a_new_audience_keeps_what_it_was_given(where: Workspace, manager: User) -> None:
    label = AccessLabel.objects.create(workspace=where, name="VIP")
    label.roles.add(Role.objects.get(workspace=where, builtin="manager"))
    made = audiences.create(
        where,
        name=" Gold ",
        kind="rule",
        state="draft",
        description="The best",
        tags=["#Gold", "gold", " east "],
        labels=[label],
        actor=manager,
        now=NOW,
    )
    assert (made.name, made.state, made.tags, made.owner) == ("Gold", "draft", ["east", "Gold"], manager)
    assert list(made.labels.all()) == [label]


def refused(where: Workspace, actor: Any, **values: Any) -> str:
    with pytest.raises(Invalid) as told:
        audiences.create(where, **{"name": "New", "kind": "rule", **values}, actor=actor, now=NOW)
    assert not Audience.objects.filter(name="New").exists()
    return told.value.code


def test_what_cannot_be_is_refused_with_its_reason(where: Workspace, manager: User) -> None:
    other = builders.workspace("other")
    stranger = builders.person(other, "manager", "stranger")
    theirs = Topic.objects.create(workspace=other, key="news", name="News")
    old = Topic.objects.create(workspace=where, key="old", name="Old", archived_at=NOW)
    label = AccessLabel.objects.create(workspace=where, name="VIP")
    builders.audience(where, name="Taken")
    assert refused(where, manager, name="Taken") == "name_taken"
    assert refused(where, manager, name="  ") == "bad_name"
    assert refused(where, manager, name="x" * 101) == "bad_name"
    assert refused(where, manager, tags=["x" * 51]) == "tag_too_long"
    assert refused(where, manager, tags=map(str, range(21))) == "too_many_tags"
    assert refused(where, manager, owner=stranger) == "owner_elsewhere"
    assert refused(where, manager, labels=[label]) == "label_not_held"
    assert refused(where, manager, rule={"field": "nmae", "op": "is", "value": "x"}) == "rule_unknown_field"
    assert refused(where, manager, kind="subscription") == "topic_missing"
    assert refused(where, manager, kind="subscription", topic=theirs) == "topic_missing"
    assert refused(where, manager, kind="subscription", topic=old) == "topic_archived"


def test_a_change_is_logged_with_what_it_was_and_no_rule_in_words(where: Workspace, manager: User) -> None:
    audience = builders.audience(where)
    rule = {"field": "email", "op": "is", "value": "ann@example.com"}
    for _twice in range(2):
        audiences.change(audience, name="Ann", tags=["a"], rule=rule, actor=manager, now=LATER)
    entry = AuditEntry.objects.get(verb="change")
    assert entry.details["changes"]["name"] == ["Everybody", "Ann"]
    assert set(entry.details["changes"]) == {"name", "tags", "rule"}
    assert "ann@example.com" not in str(entry.details)
    audience.refresh_from_db()
    assert (audience.rule, audience.changed_at, audience.counted) == (rule, LATER, None)


def test_a_change_on_an_older_page_is_refused(where: Workspace, manager: User) -> None:
    audience = builders.audience(where)
    seen = audience.changed_at
    audiences.change(audience, seen_at=seen, name="First", actor=manager, now=LATER)
    with pytest.raises(Conflict):
        audiences.change(audience, seen_at=seen, name="Second", actor=manager, now=LATER)
    audience.refresh_from_db()
    assert audience.name == "First"


def test_an_uploaded_audience_takes_no_rule(where: Workspace, manager: User) -> None:
    audience = builders.audience(where, kind="upload")
    for call in (audiences.change_rule, audiences.change):
        with pytest.raises(IllegalTransition):
            call(audience, rule={"all": []}, actor=manager, now=LATER)
    audience.refresh_from_db()
    assert audience.rule == {}


def test_only_labels_that_are_held_can_be_given(where: Workspace, manager: User) -> None:
    mine, theirs = (AccessLabel.objects.create(workspace=where, name=name) for name in ("mine", "theirs"))
    mine.roles.add(Role.objects.get(workspace=where, builtin="manager"))
    audience = builders.audience(where)
    audiences.change(audience, labels=[mine], actor=manager, now=LATER)
    with pytest.raises(Invalid):
        audiences.change(audience, labels=[mine, theirs], actor=manager, now=LATER)
    assert list(audience.labels.all()) == [mine]
    with pytest.raises(PermissionMissing):
        audiences.change(audience, name="x", actor=builders.person(where, "approver"), now=LATER)


def test_what_is_used_is_not_deleted_and_its_users_are_named(where: Workspace, manager: User) -> None:
    audience = builders.audience(where, name="Base")
    Campaign.objects.create(workspace=where, name="Winter", audience=audience)
    builders.audience(
        where, name="Both", kind="composition", composition={"union": [{"audience": audience.pk}]}
    )
    hidden = builders.audience(
        where, name="Secret", kind="composition", composition={"audience": audience.pk}
    )
    hidden.labels.add(AccessLabel.objects.create(workspace=where, name="VIP"))
    with pytest.raises(IllegalTransition) as told:
        audiences.delete(audience, actor=manager, now=LATER)
    assert told.value.code == "audience_in_use"
    assert told.value.extra == {"uses": ["campaign “Winter”", "audience “Both”"], "hidden": 1}
    assert "Secret" not in told.value.detail and "1 more" in told.value.detail
    assert Audience.objects.filter(pk=audience.pk).exists()
    Campaign.objects.all().delete()
    Audience.objects.exclude(pk=audience.pk).delete()
    audiences.delete(audience, actor=manager, now=LATER)
    assert not Audience.objects.exists()


def test_a_copy_of_an_upload_holds_the_same_people_under_a_free_name(where: Workspace, manager: User) -> None:
    audience = builders.audience(where, name="x" * 100, kind="upload", tags=["a"])
    for person in builders.profiles(where, 3):
        AudienceMember.objects.create(audience=audience, profile=person)
    copies = [audiences.duplicate(audience, actor=manager, now=LATER) for _ in range(3)]
    assert len({copy.name for copy in copies}) == 3 and all(len(copy.name) <= 100 for copy in copies)
    assert [copy.members.count() for copy in copies] == [3, 3, 3]
    assert {copy.state for copy in copies} == {"draft"} and copies[0].tags == ["a"]


def test_a_draft_whose_rule_broke_meanwhile_is_not_published(where: Workspace) -> None:
    broken = {"field": "gone", "op": "is", "value": "x"}
    audience = builders.audience(where, state="draft", rule=broken)
    with pytest.raises(CarillonError):
        lifecycle.apply(audience, "publish", actor=SYSTEM, now=LATER)
    audience.refresh_from_db()
    assert audience.state == "draft"
