"""The gates of campaigns, audiences and channels by themselves: function × role × object. The table is
written by hand; a gate that is new has no row and fails, and so does every condition of one that is left out.

One word for each of ROLES, one letter for each of KINDS: o let through, f forbidden, m missing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.utils import timezone

from accounts import access
from accounts.models import AccessLabel, Role, User, Workspace
from accounts.sharing import Sharing
from audiences import access as audiences
from audiences import sharing as audience_sharing
from audiences.models import AttributeDefinition, Audience, IdentityNamespace, Import
from campaigns import access as campaigns
from campaigns import shelf
from campaigns.models import Campaign
from channels import access as channels
from channels import sharing as channel_sharing
from channels.models import ChannelConfiguration
from common.errors import NotFound, PermissionMissing
from tests import builders
from tests.rights.world import KINDS, MISSING, World

pytestmark = pytest.mark.django_db
ROLES = ("administrator", "approver", "manager", "viewer", "outsider")
GATES = {"campaigns": campaigns, "audiences": audiences, "channels": channels}
# What is asked for one object: gate, permission, kind of object.
ONE = {
    ("campaigns.campaign_for", campaigns.VIEW, "campaign"): "oommm oommm oommm oommm mmmom",
    ("campaigns.campaign_for", campaigns.MANAGE, "campaign"): "oommm oommm oommm ffmmm mmmom",
    ("campaigns.campaign_for", campaigns.PUBLISH, "campaign"): "oommm oommm ffmmm ffmmm mmmom",
    ("campaigns.campaign_for", campaigns.APPROVE, "campaign"): "oommm oommm ffmmm ffmmm mmmom",
    ("campaigns.run_for", campaigns.VIEW, "run"): "oommm oommm oommm oommm mmmom",
    ("campaigns.run_for", "", "run"): "oommm oommm oommm oommm mmmom",  # to see it, unless told otherwise
    ("campaigns.run_for", campaigns.PUBLISH, "run"): "oommm oommm ffmmm ffmmm mmmom",
    ("audiences.audience_for", audiences.VIEW, "audience"): "oommm oommm oommm mommm mmmom",
    ("audiences.audience_for", "", "audience"): "oommm oommm oommm mommm mmmom",
    ("audiences.audience_for", audiences.MANAGE, "audience"): "oommm oommm oommm mfmmm mmmom",
    ("audiences.import_for", "", "import"): "ooomm ooomm ooomm mmmmm mmmom",
    ("audiences.profile_for", "", "profile"): "ooomm ooomm ooomm mmmmm mmmom",
    ("channels.configuration_for", channels.VIEW, "configuration"): "oommm oommm oommm mommm mmmom",
    ("channels.configuration_for", channels.MANAGE, "configuration"): "oommm ffmmm ffmmm mfmmm mmmom",
    ("channels.domain_for", channels.VIEW, "domain"): "ooomm ooomm ooomm mmmmm mmmom",
    ("channels.domain_for", channels.MANAGE, "domain"): "ooomm fffmm fffmm mmmmm mmmom",
}
# What is listed of the asking person's own first workspace, and whether the list opens at all.
LISTS = {
    ("campaigns.list_for", "campaign"): "oommm oommm oommm oommm mmmmm",
    ("audiences.list_for", "audience"): "oommm oommm oommm mommm fffff",
    ("audiences.choosable", "audience"): "oommm oommm oommm mommm mmmmm",
    ("audiences.imports_for", "import"): "ooomm ooomm ooomm fffff fffff",
    ("audiences.profiles_for", "profile"): "ooomm ooomm ooomm fffff fffff",
    ("channels.list_for", "configuration"): "oommm oommm oommm mommm fffff",
    ("channels.domains_for", "domain"): "ooomm ooomm ooomm fffff fffff",
}
# Asked by what they say in the tests below.
IN_WORDS = {
    *("campaigns.hidden_audiences", "campaigns.shown_audience", "campaigns.hidden_left_out"),
    *("campaigns.hidden_configurations", "campaigns.require_some"),
    *("audiences.attributes_for", "audiences.attribute_for", "audiences.namespace_for"),
    *("channels.doable", "channels.doable_in_list"),
}


def gate(name: str) -> Callable[..., Any]:
    module, _dot, function = name.partition(".")
    found: Callable[..., Any] = getattr(GATES[module], function)
    return found


def verdict(ask: Callable[..., Any], *given: Any) -> str:
    try:
        ask(*given)
    except NotFound:
        return "m"
    except PermissionMissing:
        return "f"
    return "o"


def test_every_gate_has_its_rows() -> None:
    there = {
        f"{name}.{function}"
        for name, module in GATES.items()
        for function, found in inspect.getmembers(module, inspect.isfunction)
        if found.__module__ == module.__name__ and not function.startswith("_")
    }
    assert there == {name for name, *_rest in (*ONE, *LISTS)} | IN_WORDS


def test_one_object_is_let_through_as_the_table_says(world: World) -> None:
    wrong = {}
    for (name, permission, thing), told in ONE.items():
        found = []
        for role in ROLES:
            pks = [int(world.parts(thing, kind)["pk"]) for kind in KINDS]
            given = [permission] if permission else []
            found.append("".join(verdict(gate(name), world.people[role], pk, *given) for pk in pks))
        if " ".join(found) != told:
            wrong[name, permission] = " ".join(found)
    assert wrong == {}


def test_a_list_holds_what_the_table_says(world: World) -> None:
    wrong = {}
    for (name, thing), told in LISTS.items():
        found = [_listed(world, name, thing, role) for role in ROLES]
        if " ".join(found) != told:
            wrong[name] = " ".join(found)
    assert wrong == {}


def _listed(world: World, name: str, thing: str, role: str) -> str:
    try:
        rows = {row.pk for row in gate(name)(world.people[role], world.here)}
    except PermissionMissing:
        return "f" * len(KINDS)
    return "".join("o" if int(world.parts(thing, kind)["pk"]) in rows else "m" for kind in KINDS)


# ---- what is gone, and what only a label keeps back ---------------------------------------------------


def test_a_campaign_whose_people_were_forgotten_is_gone_for_everybody(world: World) -> None:
    pk, manager = world.objects["campaign"]["own"]["pk"], world.people["manager"]
    Campaign.objects.exclude(pk=pk).filter(workspace=world.here).update(purged_at=timezone.now())
    assert [row.pk for row in campaigns.list_for(manager, world.here)] == [pk]
    Campaign.objects.filter(pk=pk).update(purged_at=timezone.now())
    assert not campaigns.list_for(manager, world.here)
    assert verdict(lambda: campaigns.campaign_for(manager, pk)) == "m"
    shared = world.objects["campaign"]["shared"]["pk"]
    access.share(Campaign.objects.get(pk=shared), world.people["viewer"], ["manage_campaign"])
    assert (
        verdict(lambda: campaigns.require_some(world.people["viewer"], campaigns.MANAGE, world.here)) == "f"
    )


def manages_some(person: User, where: Workspace) -> str:
    return verdict(lambda: campaigns.require_some(person, campaigns.MANAGE, where))


def test_one_shared_to_be_managed_is_enough_to_manage_some(world: World) -> None:
    viewer = world.people["viewer"]
    shared = Campaign.objects.get(pk=world.objects["campaign"]["shared"]["pk"])
    assert manages_some(viewer, world.here) == "f"
    access.share(shared, viewer, ["manage_campaign"])
    assert manages_some(viewer, world.here) == "o"
    assert manages_some(viewer, world.there) == "f"
    assert manages_some(world.people["manager"], world.here) == "o"


def test_an_import_into_an_audience_behind_a_label_is_missing(world: World) -> None:
    manager, pk = world.people["manager"], world.objects["import"]["own"]["pk"]
    for kind, told in (("own", "o"), ("labelled", "m")):
        Import.objects.filter(pk=pk).update(audience=world.objects["audience"][kind]["pk"])
        assert verdict(lambda: audiences.import_for(manager, pk)) == told
        assert (pk in {job.pk for job in audiences.imports_for(manager, world.here)}) == (told == "o")


def test_only_what_is_published_is_chosen_but_what_is_chosen_stays(world: World) -> None:
    manager, own = world.people["manager"], world.objects["audience"]["own"]["pk"]
    hidden, other = (world.objects["audience"][kind]["pk"] for kind in ("labelled", "other"))
    Audience.objects.filter(pk=own).update(state=Audience.State.DRAFT)
    assert own not in _keys(audiences.choosable(manager, world.here))
    assert own in _keys(audiences.choosable(manager, world.here, chosen=own))
    assert hidden in _keys(audiences.choosable(manager, world.here, chosen=hidden))
    assert other not in _keys(audiences.choosable(manager, world.here, chosen=other))


def _keys(rows: Iterable[Any]) -> set[int]:
    return {row.pk for row in rows}


def test_names_behind_a_label_are_kept_back(world: World) -> None:
    """Of an audience, of one that is left out, and of a configuration; who holds the label reads them."""
    manager = world.people["manager"]
    own = Campaign.objects.get(pk=world.objects["campaign"]["own"]["pk"])
    hidden = {kind: world.objects[kind]["labelled"]["pk"] for kind in ("audience", "configuration")}
    assert campaigns.hidden_audiences(manager, [own]) == set()
    assert campaigns.shown_audience(manager, own) == own.audience
    assert campaigns.hidden_left_out(manager, [own]) == {hidden["audience"]}
    assert campaigns.hidden_configurations(manager) == {hidden["configuration"]}
    own.audience = Audience.objects.get(pk=hidden["audience"])
    assert campaigns.hidden_audiences(manager, [own]) == {hidden["audience"]}
    assert campaigns.shown_audience(manager, own) is None
    holder = Role.objects.get(workspace=world.here, builtin="manager")
    AccessLabel.objects.get(workspace=world.here, name="Board").roles.add(holder)
    assert campaigns.hidden_left_out(manager, [own]) == campaigns.hidden_configurations(manager) == set()
    assert campaigns.shown_audience(manager, own) == own.audience


def test_fields_and_namespaces_are_the_workspaces_own(world: World) -> None:
    manager, viewer = world.people["manager"], world.people["viewer"]
    for where, key in ((world.here, "here_only"), (world.there, "there_only")):
        AttributeDefinition.objects.create(workspace=where, key=key, label=key, type="text")
    assert audiences.attribute_for(manager, world.here, "here_only").workspace == world.here
    assert {one.workspace for one in audiences.attributes_for(manager, world.here)} == {world.here}
    assert verdict(lambda: audiences.attribute_for(manager, world.here, "there_only")) == "m"
    assert audiences.namespace_for(manager, world.here, "card").workspace == world.here
    assert verdict(lambda: audiences.namespace_for(manager, world.here, "email")) == "m"
    IdentityNamespace.objects.create(workspace=world.there, key="there_card", label="Card")
    assert verdict(lambda: audiences.namespace_for(manager, world.here, "there_card")) == "m"
    for ask in (
        lambda: audiences.attributes_for(viewer, world.here),
        lambda: audiences.attribute_for(viewer, world.here, "here_only"),
        lambda: audiences.namespace_for(viewer, world.here, "card"),
        lambda: audiences.attributes_for(manager, world.there),
        lambda: audiences.namespace_for(manager, world.there, "card"),
    ):
        assert verdict(ask) == "f"


def test_who_may_only_see_audiences_opens_no_person_and_no_import(world: World) -> None:
    """No built-in role is like that; a role of one's own may be."""
    role, person = Role.objects.get(pk=world.objects["role"]["own"]["pk"]), world.people["viewer"]
    role.permissions.set(Permission.objects.filter(codename="view_audience"))
    person.groups.set([role.group_ptr])
    pks = {thing: world.objects[thing]["own"]["pk"] for thing in ("audience", "import", "profile")}
    assert verdict(audiences.audience_for, person, pks["audience"]) == "o"
    assert verdict(audiences.audience_for, person, pks["audience"], audiences.MANAGE) == "f"
    assert verdict(audiences.attributes_for, person, world.here) == "o"
    assert verdict(audiences.import_for, person, pks["import"]) == "f"
    assert verdict(audiences.profile_for, person, pks["profile"]) == "f"
    assert verdict(audiences.imports_for, person, world.here) == "f"
    assert verdict(audiences.profiles_for, person, world.here) == "f"


def test_the_buttons_of_a_configuration_are_those_one_may_press(world: World) -> None:
    """One that is shared to be managed is not duplicated: the copy would be the workspace's."""
    administrator, manager, viewer = (world.people[role] for role in ("administrator", "manager", "viewer"))
    row = ChannelConfiguration.objects.get(pk=world.objects["configuration"]["shared"]["pk"])
    access.share(row, viewer, ["view_channelconfiguration", "manage_channelconfiguration"])
    verbs = ["change", "duplicate"]
    told = {administrator: verbs, manager: [], viewer: ["change"]}
    for person, expected in told.items():
        assert channels.doable(person, row, verbs) == expected
        assert channels.doable_in_list(person, world.here, {row: verbs}) == {row: expected}


# ---- what it takes to share, and what a share gives --------------------------------------------------

VIEWS, AUDIENCE = ("view_campaign", "view_report"), ("view_audience",)
CONFIGURATION = ("view_channelconfiguration",)
SHARINGS: dict[str, tuple[Sharing, type[Model], str, dict[str, tuple[str, ...]]]] = {
    "campaign": (
        shelf.SHARING,
        Campaign,
        "manage_campaign",
        {
            "view": VIEWS,
            "edit": (*VIEWS, "manage_campaign"),
            "publish": (*VIEWS, "publish_campaign"),
            "approve": (*VIEWS, "approve_campaign"),
            "all": (*VIEWS, "manage_campaign", "publish_campaign", "approve_campaign"),
        },
    ),
    "audience": (
        audience_sharing.SHARING,
        Audience,
        "manage_audience",
        {"view": AUDIENCE, "manage": (*AUDIENCE, "manage_audience")},
    ),
    "configuration": (
        channel_sharing.SHARING,
        ChannelConfiguration,
        "manage_channelconfiguration",
        {"view": CONFIGURATION, "manage": (*CONFIGURATION, "manage_channelconfiguration")},
    ),
}


@pytest.mark.parametrize("thing", SHARINGS)
def test_sharing_takes_the_right_to_manage_and_each_right_that_is_given(world: World, thing: str) -> None:
    """With every right but one the one that lacks is named, and nothing is given."""
    sharing, model, manage, levels = SHARINGS[thing]
    assert {*sharing.levels} == {*levels} == {*sharing.labels}
    role, person = Role.objects.get(pk=world.objects["role"]["own"]["pk"]), world.people["viewer"]
    person.groups.set([role.group_ptr])
    row, now = model._default_manager.get(pk=world.objects[thing]["own"]["pk"]), timezone.now()
    guest = builders.person(world.here, "viewer", "guest")
    rights = {right for given in levels.values() for right in given}
    for level, given in levels.items():
        for lacking in sorted({manage, *given}):
            role.permissions.set(Permission.objects.filter(codename__in=rights - {lacking}))
            with pytest.raises(PermissionMissing, match=f"{model._meta.app_label}.{lacking}"):
                sharing.give(row, holder=guest, level=level, actor=person, now=now)
            assert not access.shares_of(row)
        role.permissions.set(Permission.objects.filter(codename__in={manage, *given}))
        sharing.give(row, holder=guest, level=level, actor=person, now=now)
        assert access.shares_of(row) == [access.Share(guest, tuple(sorted(given)))]
        assert sharing.shares_of(row) == [(guest, level)]
        role.permissions.set(Permission.objects.filter(codename__in=rights - {manage}))
        with pytest.raises(PermissionMissing, match=manage):
            sharing.withdraw(row, holder=guest, actor=person, now=now)
        access.unshare(row, guest)
    # A right over something else is none over this.
    access.share(row, guest, ["view_profile", "manage_workspace", "publish_campaigns"])
    assert not access.shares_of(row)


# ---- whoever may, by the table of all rights ---------------------------------------------------------


def test_those_who_may_are_those_whom_the_gate_lets(world: World) -> None:
    """`people_who_may`, `explain` and `rights_on` agree on every person, permission and object."""
    gone = builders.person(world.here, "approver", "gone")
    User.objects.filter(pk=gone.pk).update(is_active=False)
    shared = Campaign.objects.get(pk=world.objects["campaign"]["shared"]["pk"])
    for role in ("viewer", "outsider"):  # a share gives nothing to who holds no role there
        access.share(shared, world.people[role], ["view_campaign", "approve_campaign"])
    access.share(shared, Role.objects.get(workspace=world.there, builtin="viewer"), ["publish_campaign"])
    people, rows = list(User.objects.all()), list(Campaign.objects.all())
    answers = set()
    for permission in (campaigns.VIEW, campaigns.MANAGE, campaigns.PUBLISH, campaigns.APPROVE):
        for row in rows:
            able = set(access.people_who_may(permission, row))
            assert able == {one for one in people if access.may(one, permission, row)}, (permission, row)
            answers.add(bool(able))
    assert answers == {True, False} and MISSING not in _keys(rows)
    for person in people:
        rights = access.rights_on(person, rows)
        for row in rows:
            told = {one for one in (campaigns.VIEW, campaigns.APPROVE) if access.may(person, one, row)}
            assert rights[row.pk] & {campaigns.VIEW, campaigns.APPROVE} == told
