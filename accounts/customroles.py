"""Roles of an administrator's own making: any subset of the permissions. The built-in four can be
changed too, and every change reaches all who hold the role at their next request.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import MANAGE_WORKSPACE, Actor, require
from accounts.models import ApiCredential, Role, User, Workspace
from accounts.roles import PERMISSION_LABELS, hold, keep_a_way_in, open_or_close_the_admin_site
from common.errors import IllegalTransition, Invalid, NotFound, Problem
from common.text import has_control


def role_for(actor: Actor, workspace: Workspace, pk: int) -> Role:
    require(actor, MANAGE_WORKSPACE, workspace)
    role = Role.objects.filter(workspace=workspace, pk=pk).select_related("workspace").first()
    if role is None:
        raise NotFound(_("There is no such role."))
    return role


def permissions_of(role: Role) -> set[str]:
    rows = role.permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in rows} & set(PERMISSION_LABELS)


@transaction.atomic
def save(
    role: Role | None,
    *,
    workspace: Workspace,
    title: str,
    permissions: Iterable[str],
    actor: Actor,
    now: datetime,
) -> Role:
    """A new role, or another title and other permissions for one. The last way in stays open."""
    require(actor, MANAGE_WORKSPACE, workspace)
    title, wanted = " ".join(title.split()), set(permissions)
    if not title or len(title) > 100 or has_control(title):
        raise Invalid(Problem("bad_title", _("Give the role a title of up to 100 characters."), "title"))
    if wanted - set(PERMISSION_LABELS):
        detail = _("This is not known here. Choose from the list.")
        raise Invalid(Problem("unknown", detail, "permissions"))
    row = role or Role(workspace=workspace)
    before = {"title": row.title, "permissions": sorted(permissions_of(row)) if role else []}
    row.title, row.name = title, f"{workspace.slug}: {title}"[:150]
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        detail = _("There is a role called “%(title)s” already.") % {"title": title}
        raise Invalid(Problem("title_taken", detail, "title")) from error
    hold([workspace])
    row.permissions.set(Permission.objects.filter(_any(wanted)) if wanted else [])
    keep_a_way_in(workspace)
    _open_or_close_admin(row)
    after = {"title": title, "permissions": sorted(wanted)}
    changes = {key: [before[key], after[key]] for key in after if before[key] != after[key]}
    verb = "change" if role else "create"
    audit.record(actor=actor, verb=verb, obj=row, workspace=workspace, now=now, changes=changes)
    return row


def _any(wanted: set[str]) -> Q:
    found = Q()
    for permission in wanted:
        app_label, codename = permission.split(".")
        found |= Q(content_type__app_label=app_label, codename=codename)
    return found


def _open_or_close_admin(role: Role) -> None:
    """Who may give roles may open the admin site, and nobody else."""
    for user in User.objects.filter(groups=role.pk):
        open_or_close_the_admin_site(user)


@transaction.atomic
def delete(role: Role, *, actor: Actor, now: datetime) -> None:
    """Only one of one's own making that nobody holds and no credential acts as."""
    require(actor, MANAGE_WORKSPACE, role.workspace)
    row = Role.objects.select_for_update(of=("self",)).get(pk=role.pk)
    if row.builtin:
        raise IllegalTransition(_("A built-in role stays; change what it allows instead."))
    if User.objects.filter(groups=row.pk).exists() or ApiCredential.objects.filter(role=row).exists():
        raise IllegalTransition(
            _("Somebody or some credential still holds “%(role)s”.") % {"role": row.title}
        )
    audit.record(actor=actor, verb="delete", obj=row, workspace=role.workspace, now=now)
    row.delete()
