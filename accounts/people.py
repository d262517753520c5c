"""What a superuser, or the operator at the console, may change about a person: name, language, zone, and
whether they may sign in at all.

People are born by being given a role (`roles.grant`) and are never deleted, so that history keeps its names.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import MANAGE_WORKSPACE, SYSTEM, Actor, people_who_may, workspaces_where
from accounts.models import Role, User, Workspace
from accounts.roles import grant, hold, keep_a_way_in
from common.errors import Invalid, PermissionMissing, Problem

CHANGEABLE = {"name", "time_zone", "language", "is_active", "is_superuser"}


@transaction.atomic
def change(user: User, *, actor: Actor, now: datetime, **values: Any) -> User:
    """Sets the values given; recorded in the installation's own log, for a person belongs to no workspace.

    Raises IllegalTransition where nobody but them can manage a workspace, and they may sign in no more.
    """
    if not (actor is SYSTEM or (isinstance(actor, User) and actor.is_superuser)):
        raise PermissionMissing("accounts.change_user")
    if unknown := set(values) - CHANGEABLE:
        raise TypeError(f"not to be changed here: {unknown}")
    managed = list(workspaces_where(User.objects.get(pk=user.pk), MANAGE_WORKSPACE))
    hold(managed)
    row = User.objects.select_for_update().get(pk=user.pk)
    changes = {name: [getattr(row, name), value] for name, value in values.items()}
    changes = {name: change for name, change in changes.items() if change[0] != change[1]}
    if row == actor and {"is_active", "is_superuser"} & set(changes):
        detail = _("Nobody can lock themselves out. Ask another superuser.")
        raise Invalid(Problem("own_account", detail, next(iter(changes))))
    if changes:
        for name, (_old, new) in changes.items():
            setattr(row, name, new)
        row.is_staff = row.is_staff or row.is_superuser
        row.save(update_fields=[*changes, "is_staff"])
        if not row.is_active:
            for workspace in managed:
                keep_a_way_in(workspace)
        audit.record(actor=actor, verb="change", obj=row, workspace=None, now=now, changes=changes)
    return row


@transaction.atomic
def switch_off(user: User, *, instead: str, actor: Actor, now: datetime) -> list[Workspace]:
    """They are out at their next request. What nobody else could manage is handed to `instead`, an address,
    by the built-in role; returns those workspaces. Raises IllegalTransition where there is nobody to take it.
    """
    managed = list(workspaces_where(User.objects.get(pk=user.pk), MANAGE_WORKSPACE))
    hold(managed)
    left = [one for one in managed if not people_who_may(MANAGE_WORKSPACE, one).exclude(pk=user.pk).exists()]
    handed = left if instead else []
    for workspace in handed:
        role = Role.objects.get(workspace=workspace, builtin="administrator")
        grant(role, who=instead, actor=actor, now=now)
    change(user, is_active=False, actor=actor, now=now)
    return handed
