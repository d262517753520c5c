"""The built-in roles as one table, and the verbs that give and take them.

A workspace is born with the four roles; giving one to an address nobody has yet invites that person.
Exactly one mail leaves per grant, after commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit, invitations
from accounts.access import Actor, System, may, people_who_may, require, workspaces_where
from accounts.models import Role, User, Workspace
from common.errors import IllegalTransition, Invalid, PermissionMissing, Problem
from common.place import place

MANAGE = "accounts.manage_workspace"
RolePermission = Role.permissions.through
# What the upper apps make for a new workspace; each adds its own at start.
BORN_WITH: list[Callable[[Workspace], None]] = []
SETTINGS = ("name", "time_zone", "approval_required", "only_rule_audiences")  # of a workspace

PERMISSION_LABELS = {
    "campaigns.view_campaign": gettext_lazy("View campaigns"),
    "campaigns.view_report": gettext_lazy("View reports"),
    "campaigns.manage_campaign": gettext_lazy("Manage campaigns"),
    "campaigns.publish_campaign": gettext_lazy("Publish campaigns"),
    "campaigns.approve_campaign": gettext_lazy("Approve campaigns"),
    "channels.view_channelconfiguration": gettext_lazy("View channel configurations"),
    "channels.manage_channelconfiguration": gettext_lazy("Manage channel configurations"),
    "audiences.view_audience": gettext_lazy("View audiences"),
    "audiences.manage_audience": gettext_lazy("Manage audiences and profiles, import"),
    "accounts.manage_workspace": gettext_lazy("Manage workspace settings, roles and API credentials"),
    "accounts.view_audit_log": gettext_lazy("Read the audit log"),
}

VIEWER = ("campaigns.view_campaign", "campaigns.view_report")
MANAGER = (
    *VIEWER,
    "campaigns.manage_campaign",
    "channels.view_channelconfiguration",
    "audiences.view_audience",
    "audiences.manage_audience",
)
APPROVER = (*MANAGER, "campaigns.publish_campaign", "campaigns.approve_campaign")

BUILTIN: dict[str, tuple[str, tuple[str, ...]]] = {
    "administrator": ("Campaign administrator", tuple(PERMISSION_LABELS)),
    "approver": ("Campaign approver", APPROVER),
    "manager": ("Campaign manager", MANAGER),
    "viewer": ("Campaign viewer", VIEWER),
}


@transaction.atomic
def create_workspace(
    *, name: str, slug: str, time_zone: str = "UTC", actor: Actor, now: datetime
) -> Workspace:
    """A workspace with its four built-in roles, which sends from this database.

    Only the product itself or a superuser makes one. The superuser becomes its administrator: without that
    nobody could ever give its first role.
    """
    if not (isinstance(actor, System) or (isinstance(actor, User) and actor.is_superuser)):
        raise PermissionMissing("accounts.manage_workspace")
    workspace = Workspace.objects.create(
        name=name, slug=slug, time_zone=time_zone, created_at=now, sends_from=place()
    )
    _create_builtins(workspace)
    for make in BORN_WITH:
        make(workspace)
    audit.record(actor=actor, verb="create", obj=workspace, workspace=workspace, now=now)
    if isinstance(actor, User):
        _give(Role.objects.get(workspace=workspace, builtin="administrator"), actor, actor=actor, now=now)
    return workspace


@transaction.atomic
def change_workspace(workspace: Workspace, *, actor: Actor, now: datetime, **values: Any) -> Workspace:
    """Sets some of SETTINGS; what changed is recorded with what it was."""
    require(actor, MANAGE, workspace)
    if unknown := set(values) - set(SETTINGS):
        raise TypeError(f"not settings of a workspace: {unknown}")
    row = Workspace.objects.select_for_update().get(pk=workspace.pk)
    changes = {name: [getattr(row, name), value] for name, value in values.items()}
    changes = {name: change for name, change in changes.items() if change[0] != change[1]}
    if changes:
        for name, (_old, new) in changes.items():
            setattr(row, name, new)
        row.save(update_fields=list(changes))
        audit.record(actor=actor, verb="change", obj=row, workspace=row, now=now, changes=changes)
    return row


def _create_builtins(workspace: Workspace) -> None:
    known = {
        f"{app_label}.{codename}": pk
        for pk, app_label, codename in Permission.objects.filter(
            content_type__app_label__in={name.split(".")[0] for name in PERMISSION_LABELS}
        ).values_list("pk", "content_type__app_label", "codename")
    }
    given = []
    for key, (title, permissions) in BUILTIN.items():
        role = Role.objects.create(
            workspace=workspace, title=title, builtin=key, name=f"{workspace.slug}: {title}"
        )
        given += [
            RolePermission(group_id=role.pk, permission_id=known[permission]) for permission in permissions
        ]
    RolePermission.objects.bulk_create(given)


def person_called(who: str) -> User | None:
    """The person with this address or, where it is no address, this name. None: nobody yet; invite them.

    Raises Invalid where more than one answers to the name, or where nobody does and it is no address.
    """
    who = who.strip()
    # An address is never read as a name: anybody may be called anything.
    wanted = Q(email__iexact=who) if "@" in who else Q(name__iexact=who)
    matches = list(User.objects.filter(wanted)[:2])
    if len(matches) > 1:
        detail = _("More than one person is called “%(who)s”. Give the email address.") % {"who": who}
        raise Invalid(Problem("ambiguous_user", detail, "who"))
    if not matches:
        invitations.check_address(who)
    return matches[0] if matches else None


@transaction.atomic
def grant(role: Role, *, who: str, actor: Actor, now: datetime) -> User:
    """Gives the role to a person named by name or email; an unknown email is invited.

    Granting what is already held changes nothing and sends nothing.
    """
    require(actor, MANAGE, role.workspace)
    user = person_called(who) or _invite(who.strip(), role.workspace, actor)
    # Two grants at once wait here for each other, so that one mail leaves.
    user = User.objects.select_for_update().get(pk=user.pk)
    if not user.groups.filter(pk=role.pk).exists():
        _give(role, user, actor=actor, now=now)
        invitations.send_after_commit(user, role)
    return user


def _invite(email: str, workspace: Workspace, actor: Actor) -> User:
    """A new person reads the language of the one who invites until they choose their own."""
    language = actor.language if isinstance(actor, User) else settings.LANGUAGE_CODE
    try:
        with transaction.atomic():
            return invitations.create_invited(email, language=language, time_zone=workspace.time_zone)
    except IntegrityError:  # somebody else invited them in this moment
        return User.objects.get(email__iexact=email)


def _give(role: Role, user: User, *, actor: Actor, now: datetime) -> None:
    user.groups.add(role.group_ptr)
    open_or_close_the_admin_site(user)
    audit.record(actor=actor, verb="grant role", obj=role, workspace=role.workspace, now=now, user=user.email)


def open_or_close_the_admin_site(user: User) -> None:
    """Roles are given in the admin site, so who may give them may open it, and nobody else."""
    user.is_staff = user.is_superuser or workspaces_where(user, MANAGE).exists()
    user.save(update_fields=["is_staff"])


@transaction.atomic
def revoke(role: Role, *, user: User, actor: Actor, now: datetime) -> None:
    """Raises IllegalTransition for the last person who can manage the workspace."""
    require(actor, MANAGE, role.workspace)
    hold([role.workspace])
    user = User.objects.select_for_update().get(pk=user.pk)
    if not user.groups.filter(pk=role.pk).exists():
        return
    managed = may(user, MANAGE, role.workspace)
    user.groups.remove(role.group_ptr)
    if managed:
        keep_a_way_in(role.workspace)
    open_or_close_the_admin_site(user)
    audit.record(
        actor=actor, verb="revoke role", obj=role, workspace=role.workspace, now=now, user=user.email
    )


def hold(workspaces: Iterable[Workspace]) -> None:
    """Rights to manage are taken away one after the other, so that two do not take the last two."""
    rows = Workspace.objects.filter(pk__in=[one.pk for one in workspaces]).order_by("pk")
    list(rows.select_for_update(no_key=True))


def keep_a_way_in(workspace: Workspace) -> None:
    """Somebody must still be able to give roles here. The caller has made the change and holds the row."""
    if not people_who_may(MANAGE, workspace).exists():
        detail = _("Nobody could manage “%(workspace)s” any more. Give somebody else that right first.")
        raise IllegalTransition(detail % {"workspace": workspace}, code="last_administrator")
