"""Who may do what. Every right is read here and nowhere else; guardian is called here and nowhere else.

A right comes from a role held in the object's workspace, or from the object having been shared with the
person or with a role they hold there. Access labels are a second gate: without a role that holds every label
of the object there is no right at all. Being a superuser gives nothing: it opens the admin site only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib.auth.models import Group, Permission
from django.db.models import Exists, F, ManyToManyField, Model, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from guardian.utils import get_group_obj_perms_model, get_user_obj_perms_model

from accounts.models import AccessLabel, ApiCredential, Role, User, Workspace
from common.errors import PermissionMissing

Row = TypeVar("Row", bound=Model)
MANAGE_WORKSPACE = "accounts.manage_workspace"


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


def _is_of(permission: str, model: type[Model]) -> bool:
    """A share gives rights over the object itself: those that its own model names."""
    app_label, codename = permission.split(".")
    return app_label == model._meta.app_label and codename in dict(model._meta.permissions)


def _label_field(model: type[Model]) -> ManyToManyField[Any, Any] | None:
    return next((field for field in model._meta.many_to_many if field.related_model is AccessLabel), None)


def _lacking(actor: User | ApiCredential, field: ManyToManyField[Any, Any], workspace: Any) -> QuerySet[Any]:
    """The rows of a model's label table whose label no role of the actor in `workspace` holds."""
    holders = AccessLabel.roles.through._default_manager.filter(
        accesslabel=OuterRef(field.m2m_reverse_field_name()),
        role__in=_groups(actor).values("pk"),
        role__workspace=workspace,
    )
    through = field.remote_field.through
    assert through
    rows: QuerySet[Any] = through._default_manager.filter(~Exists(holders))
    return rows


def lacking_labels(actor: Actor, obj: Model) -> list[str]:
    """The names of the object's labels that keep the actor out, in order."""
    field = _label_field(type(obj))
    if field is None or isinstance(actor, System):
        return []
    rows = _lacking(actor, field, obj.workspace).filter(**{field.m2m_field_name(): obj})  # type: ignore[attr-defined]
    name = f"{field.m2m_reverse_field_name()}__name"
    return list(rows.order_by(name).values_list(name, flat=True))


def labels_held(actor: Actor, workspace: Workspace) -> QuerySet[AccessLabel]:
    """The workspace's labels that a role of the actor holds, by name."""
    labels = AccessLabel.objects.filter(workspace=workspace)
    if isinstance(actor, System):
        return labels
    return labels.filter(roles__in=_groups(actor, workspace).values("pk")).distinct()


def explain(actor: Actor, permission: str, obj: Model) -> Explanation:
    """Whether the actor has the permission on a workspace or on anything that belongs to one.

    A missing label is named only to those who manage the workspace's labels.
    """
    if isinstance(actor, System):
        return Explanation(True, permission, _("Carillon itself does this."))
    workspace = obj if isinstance(obj, Workspace) else getattr(obj, "workspace", None)
    if not isinstance(workspace, Workspace):
        raise TypeError(f"{obj!r} belongs to no workspace")
    groups = _groups(actor, workspace)
    found = _by_role_or_share(actor, permission, obj, workspace, groups)
    if found.allowed and (labels := lacking_labels(actor, obj)):
        reason = _("An access label keeps it from you.")
        if groups.filter(_holds(MANAGE_WORKSPACE)).exists():
            reason = _("None of your roles holds its label “%(label)s”.") % {"label": labels[0]}
        return Explanation(False, permission, reason)
    return found


def _by_role_or_share(
    actor: User | ApiCredential, permission: str, obj: Model, workspace: Workspace, groups: QuerySet[Group]
) -> Explanation:
    named = {"workspace": workspace}
    if groups.filter(_holds(permission)).exists():
        return Explanation(True, permission, _("A role in %(workspace)s allows it.") % named)
    is_own_right = obj is not workspace and _is_of(permission, type(obj))
    if is_own_right and _is_shared(actor, permission, obj, workspace):
        return Explanation(True, permission, _("It was shared with you or with a role you hold."))
    if not groups.exists():
        return Explanation(False, permission, _("You hold no role in %(workspace)s.") % named)
    return Explanation(False, permission, _("None of your roles in %(workspace)s allows it.") % named)


def may(actor: Actor, permission: str, obj: Model) -> bool:
    return explain(actor, permission, obj).allowed


def require(actor: Actor, permission: str, obj: Model) -> None:
    """Raises PermissionMissing, which names the permission."""
    if not may(actor, permission, obj):
        raise PermissionMissing(permission)


def rights_in(actor: User | ApiCredential, workspace: Workspace) -> set[str]:
    """Every permission that the actor's roles give in the workspace, in one query."""
    return _by_roles(_groups(actor, workspace)).get(workspace.pk, set())


def _by_roles(groups: QuerySet[Group]) -> dict[int, set[str]]:
    """The permissions of the roles, by workspace; a role without any still makes its workspace appear."""
    rows = Role.objects.filter(pk__in=groups.values("pk")).values_list(
        "workspace_id", "permissions__content_type__app_label", "permissions__codename"
    )
    in_workspace: dict[int, set[str]] = {}
    for workspace_id, app_label, codename in rows:
        held = in_workspace.setdefault(workspace_id, set())
        if codename:
            held.add(f"{app_label}.{codename}")
    return in_workspace


def rights_on(actor: User | ApiCredential, rows: Sequence[Model]) -> dict[Any, set[str]]:
    """Every permission the actor has on each row of one model, by primary key, in at most four queries."""
    if not rows:
        return {}
    groups, model = _groups(actor), type(rows[0])
    in_workspace = _by_roles(groups)
    rights = {row.pk: set(in_workspace.get(row.workspace_id, ())) for row in rows}  # type: ignore[attr-defined]
    member_of = {row.pk for row in rows if row.workspace_id in in_workspace}  # type: ignore[attr-defined]
    for pk, codename in _shared_rights(actor, model, groups, member_of):
        rights[pk].add(f"{model._meta.app_label}.{codename}")
    for pk in behind_labels(actor, model, member_of):
        rights[pk] = set()
    return rights


def _shared_rights(
    actor: User | ApiCredential, model: type[Model], groups: QuerySet[Group], pks: set[Any]
) -> Iterable[tuple[Any, str]]:
    to_groups = _shares(get_group_obj_perms_model(model())).filter(
        group__in=groups, group__role__workspace=F("content_object__workspace")
    )
    shares = [to_groups]
    if isinstance(actor, User):
        shares.append(_shares(get_user_obj_perms_model(model())).filter(user=actor))
    for found in shares:
        yield from found.filter(content_object__in=pks).values_list("content_object", "permission__codename")


def behind_labels(actor: Actor, model: type[Model], pks: Iterable[Any]) -> set[Any]:
    """Those of the rows whose labels keep the actor out, whatever roles and shares say; in one query."""
    field = _label_field(model)
    if field is None or isinstance(actor, System):
        return set()
    name = field.m2m_field_name()
    rows = _lacking(actor, field, OuterRef(f"{name}__workspace"))
    return set(rows.filter(**{f"{name}__in": list(pks)}).values_list(name, flat=True))


def visible_to(actor: Actor, queryset: QuerySet[Row], permission: str) -> QuerySet[Row]:
    """The rows the actor has the permission on, by role or share and with every label; in one query."""
    if isinstance(actor, System):
        return queryset
    allowed = Q(workspace__in=workspaces_where(actor, permission))
    if _is_of(permission, queryset.model):
        allowed |= _shared_with(actor, queryset.model, permission.split(".")[1])
    rows = queryset.filter(allowed)
    if field := _label_field(queryset.model):
        lacking = _lacking(actor, field, OuterRef(OuterRef("workspace")))
        rows = rows.exclude(Exists(lacking.filter(**{field.m2m_field_name(): OuterRef("pk")})))
    return rows


def _shared_with(actor: User | ApiCredential, model: type[Model], codename: str) -> Q:
    groups = _groups(actor)
    share = {"content_object": OuterRef("pk"), "permission__codename": codename}
    to_groups = _shares(get_group_obj_perms_model(model())).filter(
        group__in=groups.values("pk"), group__role__workspace=OuterRef("workspace"), **share
    )
    found = Q(Exists(to_groups))
    if isinstance(actor, User):
        member_of = Role.objects.filter(pk__in=groups.values("pk")).values("workspace")
        to_user = _shares(get_user_obj_perms_model(model())).filter(user=actor, **share)
        found |= Q(Exists(to_user), workspace__in=member_of)
    return found


def people_who_may(permission: str, obj: Model) -> QuerySet[User]:
    """Everybody active who has the permission on the object, by role or share and with every label of it."""
    workspace: Workspace = obj if isinstance(obj, Workspace) else obj.workspace  # type: ignore[attr-defined]
    roles = Role.objects.filter(workspace=workspace)
    allowed = Q(groups__in=roles.filter(_holds(permission)).values("pk"))
    if _is_of(permission, type(obj)):
        share = {"content_object": obj, "permission__codename": permission.split(".")[1]}
        to_groups = _shares(get_group_obj_perms_model(obj)).filter(group__role__workspace=workspace, **share)
        to_users = _shares(get_user_obj_perms_model(obj)).filter(**share)
        allowed |= Q(groups__in=to_groups.values("group")) | Q(pk__in=to_users.values("user"))
    members = User.objects.filter(is_active=True, groups__in=roles.values("pk")).values("pk")
    people = User.objects.filter(pk__in=User.objects.filter(allowed, pk__in=members).values("pk"))
    if field := _label_field(type(obj)):
        for label in getattr(obj, field.name).all():
            holders = label.roles.filter(workspace=workspace)
            people = people.filter(pk__in=User.objects.filter(groups__in=holders.values("pk")).values("pk"))
    return people.order_by("name", "pk")


@dataclass(frozen=True)
class Share:
    """One object shared with one person or one role of its workspace; `rights` are codenames, sorted."""

    holder: User | Role
    rights: tuple[str, ...]


def share(obj: Model, holder: User | Role, rights: Iterable[str]) -> None:
    """Gives exactly these rights (codenames of the object's own permissions), and takes away any others."""
    table, whom = _share_table(obj, holder)
    known = Permission.objects.filter(
        content_type__app_label=obj._meta.app_label, content_type__model=obj._meta.model_name
    )
    wanted = {permission.pk: permission for permission in known.filter(codename__in=rights)}
    rows = table.filter(content_object=obj, **whom)
    rows.exclude(permission__in=wanted).delete()
    for permission in wanted.values():
        table.get_or_create(content_object=obj, permission=permission, **whom)


def unshare(obj: Model, holder: User | Role) -> None:
    share(obj, holder, ())


def shares_of(obj: Model) -> list[Share]:
    """With whom the object is shared: people by name, then roles by title."""
    rights: dict[User | Role, list[str]] = {}
    to_users = _shares(get_user_obj_perms_model(obj)).filter(content_object=obj)
    for row in to_users.select_related("user", "permission").order_by("user__name", "permission__codename"):
        rights.setdefault(row.user, []).append(row.permission.codename)
    to_groups = _shares(get_group_obj_perms_model(obj)).filter(content_object=obj)
    rows = to_groups.select_related("group__role__workspace", "permission")
    for row in rows.order_by("group__role__title", "permission__codename"):
        rights.setdefault(row.group.role, []).append(row.permission.codename)
    return [Share(holder, tuple(held)) for holder, held in rights.items()]


def _share_table(obj: Model, holder: User | Role) -> tuple[QuerySet[Any], dict[str, Any]]:
    if isinstance(holder, Role):
        return _shares(get_group_obj_perms_model(obj)), {"group": holder.group_ptr}
    return _shares(get_user_obj_perms_model(obj)), {"user": holder}
