"""Role, share and label together: the functions that answer "may they?" agree, whatever was given."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.db import connection
from guardian.shortcuts import assign_perm

from accounts.access import (
    SYSTEM,
    Share,
    explain,
    is_member,
    labels_held,
    may,
    people_who_may,
    rights_in,
    rights_of_role,
    rights_on,
    share,
    shares_of,
    unshare,
    visible_to,
    workspaces_of,
    workspaces_where,
)
from accounts.models import AccessLabel, ApiCredential, Role, User, Workspace
from audiences.models import Audience
from tests import builders

pytestmark = pytest.mark.django_db
VIEW, MANAGE = "audiences.view_audience", "audiences.manage_audience"
OURS = (VIEW, MANAGE, "campaigns.view_campaign")


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


def label(where: Workspace, name: str, *holders: str) -> AccessLabel:
    made = AccessLabel.objects.create(workspace=where, name=name)
    made.roles.set(Role.objects.filter(workspace=where, builtin__in=holders))
    return made


def test_a_labelled_audience_is_there_only_for_who_holds_all_its_labels(where: Workspace) -> None:
    audience = builders.audience(where)
    audience.labels.add(label(where, "EU", "manager", "approver"), label(where, "VIP", "approver"))
    manager, approver = builders.person(where, "manager"), builders.person(where, "approver")
    assert may(approver, MANAGE, audience) and not may(manager, VIEW, audience)
    assert list(visible_to(approver, Audience.objects.all(), VIEW)) == [audience]
    assert not visible_to(manager, Audience.objects.all(), VIEW)
    assert rights_on(manager, [audience]) == {audience.pk: set()}
    assert list(visible_to(SYSTEM, Audience.objects.all(), VIEW)) == [audience]


def test_a_missing_label_is_named_only_to_who_manages_labels(where: Workspace) -> None:
    audience = builders.audience(where)
    audience.labels.add(label(where, "VIP"))
    told = explain(builders.person(where, "administrator"), VIEW, audience)
    assert "“VIP”" in told.reason and not told.allowed
    assert "VIP" not in explain(builders.person(where, "manager"), VIEW, audience).reason
    # Who has no right anyway hears of no label at all.
    assert "label" not in explain(builders.person(where, "viewer"), MANAGE, audience).reason


def test_a_share_does_not_open_what_a_label_closes(where: Workspace) -> None:
    audience, viewer = builders.audience(where), builders.person(where, "viewer")
    share(audience, viewer, ["view_audience"])
    assert may(viewer, VIEW, audience)
    audience.labels.add(label(where, "VIP", "manager"))
    assert not may(viewer, VIEW, audience) and not visible_to(viewer, Audience.objects.all(), VIEW)


def test_sharing_gives_exactly_the_rights_named_and_can_be_taken_back(where: Workspace) -> None:
    audience, viewer = builders.audience(where), builders.person(where, "viewer")
    role = Role.objects.get(workspace=where, builtin="viewer")
    share(audience, viewer, ["view_audience", "manage_audience", "view_campaign"])
    share(audience, role, ["view_audience"])
    both = ("manage_audience", "view_audience")
    assert shares_of(audience) == [Share(viewer, both), Share(role, ("view_audience",))]
    share(audience, viewer, ["view_audience"])
    assert not may(viewer, MANAGE, audience)
    unshare(audience, viewer)
    unshare(audience, role)
    assert shares_of(audience) == [] and not may(viewer, VIEW, audience)


def test_a_share_touches_no_other_person_and_no_other_object(where: Workspace) -> None:
    first, second = builders.audience(where, name="one"), builders.audience(where, name="two")
    ana, bo = (builders.person(where, "viewer", name) for name in ("ana", "bo"))
    for audience in (first, second):
        for person in (ana, bo):
            share(audience, person, ["view_audience"])
    unshare(first, ana)
    assert shares_of(first) == [Share(bo, ("view_audience",))]
    assert shares_of(second) == [Share(ana, ("view_audience",)), Share(bo, ("view_audience",))]
    assert not may(ana, VIEW, first) and may(ana, VIEW, second) and may(bo, VIEW, first)
    assert not may(bo, MANAGE, first) and not may(bo, "campaigns.view_audience", first)
    assert not visible_to(bo, Audience.objects.all(), "campaigns.view_audience")
    assert not visible_to(bo, Audience.objects.all(), MANAGE)


def test_what_is_asked_of_a_workspace_is_told_of_that_one(where: Workspace) -> None:
    """Somebody manages here and looks on there: each of the two is answered by itself."""
    there = builders.workspace("there")
    ana, nobody = builders.person(where, "administrator", "ana"), builders.person(there, "manager", "bo")
    ana.groups.add(Role.objects.get(workspace=there, builtin="viewer").group_ptr)
    held = {one: label(one, one.slug, "administrator", "viewer") for one in (where, there)}
    label(where, "not held", "manager")
    label(there, "of another role there", "administrator")
    for one in (where, there):
        assert list(labels_held(ana, one)) == [held[one]]
        assert is_member(ana, one)
    assert {one.name for one in labels_held(SYSTEM, where)} == {where.slug, "not held"}
    assert is_member(SYSTEM, where) and not is_member(nobody, where) and is_member(nobody, there)
    assert set(workspaces_of(ana)) == {where, there} and set(workspaces_of(nobody)) == {there}
    assert set(workspaces_where(ana, VIEW)) == {where}
    assert set(workspaces_where(ana, "campaigns.view_campaign")) == {where, there}
    assert set(workspaces_where(SYSTEM, VIEW)) == {where, there}
    assert VIEW in rights_in(ana, where)
    assert rights_in(ana, there) == {"campaigns.view_campaign", "campaigns.view_report"}
    assert rights_in(nobody, where) == set()
    assert not may(ana, VIEW, there) and may(ana, VIEW, where)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("seed", range(6))
def test_explain_rights_on_and_visible_to_agree(seed: int) -> None:
    """Roles, shares and labels at random over two workspaces, also those that should count for nothing."""
    pick = random.Random(seed)
    here, there = builders.workspace("here"), builders.workspace("there")
    everything = [*Role.objects.all(), *(_empty_role(where) for where in (here, there))]
    audiences = [builders.audience(pick.choice([here, there]), name=str(number)) for number in range(12)]
    actors = [_somebody(pick, everything, number) for number in range(8)]
    labels = [AccessLabel.objects.create(workspace=where, name="x") for where in (here, there)]
    for one in labels:
        one.roles.set(pick.sample(everything, 4))
    for audience in audiences:
        audience.labels.set(pick.sample(labels, pick.choice([0, 0, 1, 2])))
        for name in pick.sample(("view_audience", "manage_audience"), pick.randint(0, 2)):
            people = [one for one in actors if isinstance(one, User)]
            for holder in (*pick.sample(people, 2), *(role.group_ptr for role in pick.sample(everything, 2))):
                assign_perm(name, holder, audience)
    able = {(one, row): set(people_who_may(one, row)) for one in OURS for row in audiences}
    answers = set()
    for actor in actors:
        rights = rights_on(actor, audiences)
        if isinstance(actor, ApiCredential):
            assert _told_by_sql(actor) == rights
        for permission in OURS:
            seen = set(visible_to(actor, Audience.objects.all(), permission))
            for audience in audiences:
                told = explain(actor, permission, audience).allowed
                assert told == (permission in rights[audience.pk]) == (audience in seen)
                assert isinstance(actor, ApiCredential) or told == (actor in able[permission, audience])
                answers.add(told)
    assert answers == {True, False}


def _told_by_sql(credential: ApiCredential) -> dict[int, set[str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT audiences_audience.id, {rights_of_role(Audience)} FROM audiences_audience "
            "JOIN accounts_role ON accounts_role.group_ptr_id = %s",
            [credential.role_id],
        )
        return {pk: set(rights) for pk, rights in cursor.fetchall()}


def _empty_role(where: Workspace) -> Role:
    return Role.objects.create(workspace=where, title="Nothing", name=f"{where.slug}: Nothing")


def _somebody(pick: random.Random, everything: list[Role], number: int) -> Any:
    if number % 4 == 3:
        role = pick.choice(everything)
        return ApiCredential.objects.create(
            workspace=role.workspace, role=role, name="x", prefix=f"p{number}", secret_hash=""
        )
    user = User.objects.create_user(f"u{number}@example.com", name=f"U{number}", is_active=number != 2)
    user.groups.set([role.group_ptr for role in pick.sample(everything, pick.randint(0, 3))])
    return user


def test_the_rights_on_many_are_read_in_a_constant_number_of_queries(
    where: Workspace, django_assert_num_queries: Any
) -> None:
    manager = builders.person(where, "manager")
    rows = [builders.audience(where, name=str(number)) for number in range(20)]
    with django_assert_num_queries(5):
        rights_on(manager, rows)
