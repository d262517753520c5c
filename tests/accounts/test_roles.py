"""Who gets which right, and who does not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core import mail
from django.db import transaction
from django.utils.translation import override
from guardian.shortcuts import assign_perm

from accounts import audit, roles
from accounts.access import SYSTEM, explain, may, require, visible_to
from accounts.models import AuditEntry, Role, User, Workspace
from campaigns.models import Campaign
from channels.models import ChannelConfiguration
from common.errors import Invalid, PermissionMissing

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def workspace() -> Workspace:
    return roles.create_workspace(name="Fernhill", slug="fernhill", actor=SYSTEM, now=NOW)


def holder(workspace: Workspace, role: str) -> User:
    user = User.objects.create_user(f"{role}@{workspace.slug}.example", name=role.title())
    user.groups.add(Role.objects.get(workspace=workspace, builtin=role).group_ptr)
    return user


TABLE = {
    "campaigns.view_campaign": "administrator approver manager viewer",
    "campaigns.view_report": "administrator approver manager viewer",
    "campaigns.manage_campaign": "administrator approver manager",
    "campaigns.publish_campaign": "administrator approver",
    "campaigns.approve_campaign": "administrator approver",
    "channels.view_channelconfiguration": "administrator approver manager",
    "channels.manage_channelconfiguration": "administrator",
    "audiences.view_audience": "administrator approver manager",
    "audiences.manage_audience": "administrator approver manager",
    "accounts.manage_workspace": "administrator",
    "accounts.view_audit_log": "administrator",
}


def test_the_table_names_every_permission() -> None:
    assert set(TABLE) == set(roles.PERMISSION_LABELS)


@pytest.mark.parametrize("permission", TABLE)
@pytest.mark.parametrize("role", roles.BUILTIN)
def test_a_built_in_role_holds_exactly_its_permissions(
    workspace: Workspace, role: str, permission: str
) -> None:
    assert may(holder(workspace, role), permission, workspace) == (role in TABLE[permission].split())


def test_a_role_in_one_workspace_gives_nothing_in_another(workspace: Workspace) -> None:
    other = roles.create_workspace(name="Other", slug="other", actor=SYSTEM, now=NOW)
    assert not may(holder(workspace, "administrator"), "campaigns.view_campaign", other)


def test_a_built_in_role_is_called_in_the_readers_language_until_it_is_renamed(workspace: Workspace) -> None:
    role = Role.objects.get(workspace=workspace, builtin="approver")
    with override("zh-hant"):
        assert str(role) == f"Campaign 核准者 ({workspace})"
        audit.record(actor=SYSTEM, verb="change", obj=role, workspace=workspace, now=NOW)
        role.title = "Editors in chief"
        assert role.label == "Editors in chief"
    kept = AuditEntry.objects.filter(workspace=workspace).latest("pk").object_label
    assert kept == f"Campaign approver ({workspace})", "the log is in one language"


def test_a_superuser_without_a_role_may_do_nothing(workspace: Workspace) -> None:
    root = User.objects.create_superuser("root@fernhill.example", "x", name="Root")
    assert not any(may(root, permission, workspace) for permission in TABLE)


def test_somebody_deactivated_may_do_nothing(workspace: Workspace) -> None:
    user = holder(workspace, "administrator")
    user.is_active = False
    assert not may(user, "campaigns.view_campaign", workspace)


def test_what_is_shared_with_a_viewer_can_be_edited_by_them_and_nothing_else(workspace: Workspace) -> None:
    viewer = holder(workspace, "viewer")
    shared, other = (Campaign.objects.create(workspace=workspace, name=name) for name in ("a", "b"))
    assign_perm("campaigns.manage_campaign", viewer, shared)
    assert may(viewer, "campaigns.manage_campaign", shared)
    assert not may(viewer, "campaigns.manage_campaign", other)
    assert list(visible_to(viewer, Campaign.objects.all(), "campaigns.manage_campaign")) == [shared]


def test_a_configuration_shared_with_a_role_is_seen_by_all_who_hold_it(
    workspace: Workspace, django_assert_num_queries: Any
) -> None:
    viewer, manager = holder(workspace, "viewer"), holder(workspace, "manager")
    shared, hidden = (
        ChannelConfiguration.objects.create(workspace=workspace, name=name, provider="sandbox")
        for name in ("shared", "hidden")
    )
    permission = "channels.view_channelconfiguration"
    assign_perm(permission, Role.objects.get(workspace=workspace, builtin="viewer").group_ptr, shared)
    with django_assert_num_queries(3):
        assert list(visible_to(viewer, ChannelConfiguration.objects.all(), permission)) == [shared]
    assert may(viewer, permission, shared)
    assert not may(viewer, permission, hidden)
    assert not may(viewer, "channels.manage_channelconfiguration", shared)
    seen = visible_to(manager, ChannelConfiguration.objects.order_by("pk"), permission)
    assert list(seen) == [shared, hidden]
    assert explain(viewer, permission, shared).reason != explain(manager, permission, shared).reason


def test_a_share_in_one_workspace_is_nothing_to_a_neighbour(workspace: Workspace) -> None:
    other = roles.create_workspace(name="Other", slug="other", actor=SYSTEM, now=NOW)
    neighbour = holder(other, "administrator")
    campaign = Campaign.objects.create(workspace=workspace, name="a")
    assign_perm("campaigns.view_campaign", neighbour, campaign)
    assert not may(neighbour, "campaigns.view_campaign", campaign)
    assert not visible_to(neighbour, Campaign.objects.all(), "campaigns.view_campaign")


def test_a_share_dies_with_the_last_role_in_the_workspace(workspace: Workspace) -> None:
    viewer = holder(workspace, "viewer")
    campaign = Campaign.objects.create(workspace=workspace, name="a")
    assign_perm("campaigns.manage_campaign", viewer, campaign)
    viewer.groups.clear()
    assert not may(viewer, "campaigns.manage_campaign", campaign)
    assert not visible_to(viewer, Campaign.objects.all(), "campaigns.manage_campaign")


def test_what_is_made_anew_under_an_old_number_is_shared_with_nobody(workspace: Workspace) -> None:
    """Shares stand in tables with real keys, so they go with what was shared and with whom it was."""
    viewer, admin = holder(workspace, "viewer"), holder(workspace, "administrator")
    campaign = Campaign.objects.create(workspace=workspace, name="a")
    for one in (viewer, Role.objects.get(workspace=workspace, builtin="viewer").group_ptr):
        assign_perm("campaigns.manage_campaign", one, campaign)
    assert may(viewer, "campaigns.manage_campaign", campaign)
    number = campaign.pk
    campaign.delete()
    anew = Campaign.objects.create(pk=number, workspace=workspace, name="b")
    assert not may(viewer, "campaigns.manage_campaign", anew)
    assert not visible_to(viewer, Campaign.objects.all(), "campaigns.manage_campaign")
    assert may(admin, "campaigns.manage_campaign", anew)

    assign_perm("campaigns.manage_campaign", viewer, anew)
    number = viewer.pk
    viewer.delete()
    other = User.objects.create_user("other@fernhill.example", name="Other", pk=number)
    other.groups.add(Role.objects.get(workspace=workspace, builtin="viewer").group_ptr)
    assert not may(other, "campaigns.manage_campaign", anew)


def test_a_missing_right_is_named(workspace: Workspace) -> None:
    viewer = holder(workspace, "viewer")
    with pytest.raises(PermissionMissing) as caught:
        require(viewer, "campaigns.publish_campaign", workspace)
    assert caught.value.permission == "campaigns.publish_campaign"
    assert "Fernhill" in explain(viewer, "campaigns.publish_campaign", workspace).reason


def test_an_unknown_address_is_invited_by_exactly_one_mail(
    workspace: Workspace, django_capture_on_commit_callbacks
) -> None:
    admin = holder(workspace, "administrator")
    viewer = Role.objects.get(workspace=workspace, builtin="viewer")
    with django_capture_on_commit_callbacks(execute=True):
        user = roles.grant(viewer, who="New@fernhill.example", actor=admin, now=NOW)
        roles.grant(viewer, who="new@fernhill.example", actor=admin, now=NOW)
    assert [message.to for message in mail.outbox] == [["new@fernhill.example"]]
    assert "/accounts/welcome/" in mail.outbox[0].body
    assert may(user, "campaigns.view_campaign", workspace)
    assert AuditEntry.objects.filter(verb="grant role").count() == 1


def test_an_address_is_never_taken_for_a_name(workspace: Workspace) -> None:
    """Somebody who calls themselves by another's address does not get what was meant for them."""
    User.objects.create_user("mallory@fernhill.example", name="boss@fernhill.example")
    role = Role.objects.get(workspace=workspace, builtin="administrator")
    given = roles.grant(role, who="boss@fernhill.example", actor=SYSTEM, now=NOW)
    assert given.email == "boss@fernhill.example"


def test_a_new_person_reads_the_language_of_the_one_who_invites(
    workspace: Workspace, django_capture_on_commit_callbacks: Any
) -> None:
    admin = holder(workspace, "administrator")
    User.objects.filter(pk=admin.pk).update(language="zh-hant")
    admin.refresh_from_db()
    role = Role.objects.get(workspace=workspace, builtin="viewer")
    with django_capture_on_commit_callbacks(execute=True):
        user = roles.grant(role, who="lin@fernhill.example", actor=admin, now=NOW)
    assert user.language == "zh-hant"


def test_a_grant_that_is_rolled_back_sends_nothing(
    workspace: Workspace, django_capture_on_commit_callbacks: Any
) -> None:
    role = Role.objects.get(workspace=workspace, builtin="viewer")
    with (
        django_capture_on_commit_callbacks(execute=True),
        pytest.raises(ZeroDivisionError),
        transaction.atomic(),
    ):
        roles.grant(role, who="lin@fernhill.example", actor=SYSTEM, now=NOW)
        raise ZeroDivisionError
    assert not mail.outbox
    assert not User.objects.filter(email="lin@fernhill.example").exists()


def test_somebody_without_the_right_gives_no_role(workspace: Workspace) -> None:
    viewer = holder(workspace, "viewer")
    role = Role.objects.get(workspace=workspace, builtin="administrator")
    with pytest.raises(PermissionMissing):
        roles.grant(role, who=viewer.email, actor=viewer, now=NOW)
    assert not viewer.groups.filter(pk=role.pk).exists()
    assert not mail.outbox


@pytest.mark.parametrize("who", ["nobody", "", "a@", "x" * 300])
def test_a_name_nobody_has_is_refused_with_what_to_do(workspace: Workspace, who: str) -> None:
    admin = holder(workspace, "administrator")
    role = Role.objects.get(workspace=workspace, builtin="viewer")
    with pytest.raises(Invalid, match="Give an email address"):
        roles.grant(role, who=who, actor=admin, now=NOW)
