"""Who may do what. Every right is read here and nowhere else; guardian is called here and nowhere else.

A right comes from a role held in the object's workspace, or from the object having been shared with the
person or with a role they hold. Being a superuser gives nothing: it opens the admin site only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib.auth.models import Group
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _
from guardian.utils import get_group_obj_perms_model, get_user_obj_perms_model

from accounts.models import ApiCredential, Role, User, Workspace
from common.errors import PermissionMissing

Row = TypeVar("Row", bound=Model)


class System:
    """The product itself: the clock and the engine. No person can act as it."""

    pk = None

    def __str__(self) -> str:
        return "the clock"


SYSTEM = System()
Actor = User | ApiCredential | System


@dataclass(frozen=True)
class Explanation:
    """The answer to "may they?", with the reason in words."""

    allowed: bool
    permission: str
    reason: str


def workspaces_of(user: User) -> QuerySet[Workspace]:
    return Workspace.objects.filter(roles__user=user).distinct().order_by("name")


def workspaces_where(actor: Actor, permission: str) -> QuerySet[Workspace]:
    """The workspaces in which a role gives the actor the permission."""
    if isinstance(actor, System):
        return Workspace.objects.all()
    allowing = Role.objects.filter(pk__in=_groups(actor).filter(_holds(permission)).values("pk"))
    return Workspace.objects.filter(pk__in=allowing.values("workspace"))


def is_member(actor: Actor, workspace: Workspace) -> bool:
    return isinstance(actor, System) or _groups(actor, workspace).exists()


def _groups(actor: User | ApiCredential, workspace: Workspace | None = None) -> QuerySet[Group]:
    """The groups of the roles the actor holds, in one workspace or in all."""
    roles = Role.objects.filter(workspace=workspace) if workspace else Role.objects.all()
    if isinstance(actor, ApiCredential):
        return Group.objects.filter(pk__in=roles.filter(pk=actor.role_id).values("pk"))
    if not actor.is_active:
        return Group.objects.none()
    return Group.objects.filter(pk__in=roles.filter(user=actor).values("pk"))


def _holds(permission: str) -> Q:
    app_label, codename = permission.split(".")
    return Q(permissions__codename=codename, permissions__content_type__app_label=app_label)


def _shares(model: type[Model]) -> QuerySet[Any]:
    return model._default_manager.all()


def _is_shared(actor: User | ApiCredential, permission: str, obj: Model, workspace: Workspace) -> bool:
    codename = permission.split(".")[1]
    shares = {"content_object": obj, "permission__codename": codename}
    if _shares(get_group_obj_perms_model(obj)).filter(group__in=_groups(actor, workspace), **shares).exists():
        return True
    if isinstance(actor, ApiCredential) or not is_member(actor, workspace):
        return False
    return _shares(get_user_obj_perms_model(obj)).filter(user=actor, **shares).exists()


def explain(actor: Actor, permission: str, obj: Model) -> Explanation:
    """Whether the actor has the permission on a workspace or on anything that belongs to one."""
    if isinstance(actor, System):
        return Explanation(True, permission, _("Carillon itself does this."))
    workspace = obj if isinstance(obj, Workspace) else getattr(obj, "workspace", None)
    if not isinstance(workspace, Workspace):
        raise TypeError(f"{obj!r} belongs to no workspace")
    groups = _groups(actor, workspace)
    if groups.filter(_holds(permission)).exists():
        return Explanation(
            True, permission, _("A role in %(workspace)s allows it.") % {"workspace": workspace}
        )
    is_own_right = obj is not workspace and permission.split(".")[0] == obj._meta.app_label
    if is_own_right and _is_shared(actor, permission, obj, workspace):
        return Explanation(True, permission, _("It was shared with you or with a role you hold."))
    if not groups.exists():
        return Explanation(
            False, permission, _("You hold no role in %(workspace)s.") % {"workspace": workspace}
        )
    return Explanation(
        False, permission, _("None of your roles in %(workspace)s allows it.") % {"workspace": workspace}
    )


def may(actor: Actor, permission: str, obj: Model) -> bool:
    return explain(actor, permission, obj).allowed


def rights_on(actor: User | ApiCredential, rows: Sequence[Model]) -> dict[Any, set[str]]:
    """Every permission the actor has on each row of one model, by primary key, in three queries."""
    if not rows:
        return {}
    groups, model = _groups(actor), type(rows[0])
    by_role = Role.objects.filter(pk__in=groups.values("pk")).values_list(
        "workspace_id", "permissions__content_type__app_label", "permissions__codename"
    )
    in_workspace: dict[int, set[str]] = {}
    for workspace_id, app_label, codename in by_role:
        in_workspace.setdefault(workspace_id, set()).add(f"{app_label}.{codename}")
    rights = {row.pk: set(in_workspace.get(row.workspace_id, ())) for row in rows}  # type: ignore[attr-defined]
    shares = [_shares(get_group_obj_perms_model(rows[0])).filter(group__in=groups)]
    if isinstance(actor, User):
        shares.append(_shares(get_user_obj_perms_model(rows[0])).filter(user=actor))
    member_of = {row.pk for row in rows if row.workspace_id in in_workspace}  # type: ignore[attr-defined]
    for found in shares:
        for pk, codename in found.filter(content_object__in=member_of).values_list(
            "content_object", "permission__codename"
        ):
            rights[pk].add(f"{model._meta.app_label}.{codename}")
    return rights


def require(actor: Actor, permission: str, obj: Model) -> None:
    """Raises PermissionMissing, which names the permission."""
    if not may(actor, permission, obj):
        raise PermissionMissing(permission)


def visible_to(actor: Actor, queryset: QuerySet[Row], permission: str) -> QuerySet[Row]:
    """The rows the actor has the permission on, by role or by share, in one query."""
    if isinstance(actor, System):
        return queryset
    codename = permission.split(".")[1]
    groups = _groups(actor)
    allowed = Q(workspace__in=workspaces_where(actor, permission))
    shared_with_group = _shares(get_group_obj_perms_model(queryset.model())).filter(
        group__in=groups, permission__codename=codename
    )
    allowed |= Q(pk__in=shared_with_group.values("content_object"))
    if isinstance(actor, User):
        member_of = Role.objects.filter(pk__in=groups.values("pk")).values("workspace")
        shared_with_user = _shares(get_user_obj_perms_model(queryset.model())).filter(
            user=actor, permission__codename=codename
        )
        allowed |= Q(pk__in=shared_with_user.values("content_object"), workspace__in=member_of)
    return queryset.filter(allowed)
