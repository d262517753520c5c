"""Who may do what. Every right is read here and nowhere else; guardian is called here and nowhere else.

A right comes from a role held in the object's workspace, or from the object having been shared with the
person or with a role they hold there. Access labels are a second gate: without a role that holds every label
of the object there is no right at all. Being a superuser gives nothing: it opens the admin site only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.apps import apps
from django.contrib.auth.models import Permission
from django.db import connection
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
    """The answer to "may they?", with the reason in words that they may read.

    `label` is the one that keeps them out, which is not for everybody to know.
    """

    allowed: bool
    permission: str
    reason: str
    label: str = ""


def workspaces_of(user: User) -> QuerySet[Workspace]:
    return Workspace.objects.filter(roles__user=user).distinct().order_by("name")


def workspace_called(user: User, slug: str) -> Workspace | None:
    """One of the person's by what a form names it. PostgreSQL is not asked for what no text can be, a NUL."""
    return next((one for one in workspaces_of(user) if one.slug == slug), None)


@dataclass(frozen=True)
class _Standing:
    """What the actor's roles give, by workspace: `roles` their keys, `rights` the permissions of all of them.

    Read anew for every question, so that a right taken away is gone at the next one. The keys then stand in
    the queries as numbers: to nest the roles' own query in each of them took longer than all the rest.
    """

    roles: dict[int, set[int]]
    rights: dict[int, set[str]]

    @property
    def role_keys(self) -> set[int]:
        return set().union(*self.roles.values())

    def where(self, permission: str) -> set[int]:
        """The workspaces in which a role gives the permission."""
        return {workspace for workspace, held in self.rights.items() if permission in held}

    def gives(self, permission: str, workspace: Workspace) -> bool:
        return permission in self.rights.get(workspace.pk, ())

    def labels(self) -> set[int]:
        """The labels that the roles hold, each in its own workspace."""
        held = AccessLabel.roles.through._default_manager.filter(
            role__in=self.role_keys, role__workspace=F("accesslabel__workspace")
        )
        return set(held.values_list("accesslabel", flat=True))


# The permissions of the role that stands beside it as accounts_role.
OF_ROLE = """SELECT t.app_label || '.' || p.codename FROM auth_group_permissions g
    JOIN auth_permission p ON p.id = g.permission_id JOIN django_content_type t ON t.id = p.content_type_id
    WHERE g.group_id = accounts_role.group_ptr_id"""
HELD = f"SELECT group_ptr_id, workspace_id, ARRAY({OF_ROLE}) FROM accounts_role"  # noqa: S608 -- our own words


def _standing(actor: User | ApiCredential, workspace: Workspace | None = None) -> _Standing:
    """Of the roles held in one workspace, or in all; in one query, which most requests ask several times."""
    if isinstance(actor, ApiCredential):
        told, given = f"{HELD} WHERE group_ptr_id = %s", [actor.role_id]
    elif actor.is_active:
        theirs = "(SELECT group_id FROM accounts_user_groups WHERE user_id = %s)"
        told, given = f"{HELD} WHERE group_ptr_id IN {theirs}", [actor.pk]
    else:
        return _Standing({}, {})
    if workspace is not None:
        told, given = f"{told} AND workspace_id = %s", [*given, workspace.pk]
    standing = _Standing({}, {})
    with connection.cursor() as cursor:
        cursor.execute(told, given)
        for role, where, rights in cursor.fetchall():
            standing.roles.setdefault(where, set()).add(role)
            standing.rights.setdefault(where, set()).update(rights)
    return standing


def workspaces_where(actor: Actor, permission: str) -> QuerySet[Workspace]:
    """The workspaces in which a role gives the actor the permission."""
    if isinstance(actor, System):
        return Workspace.objects.all()
    return Workspace.objects.filter(pk__in=_standing(actor).where(permission))


def is_member(actor: Actor, workspace: Workspace) -> bool:
    return isinstance(actor, System) or workspace.pk in _standing(actor, workspace).roles


def _holds(permission: str) -> Q:
    app_label, codename = permission.split(".")
    return Q(permissions__codename=codename, permissions__content_type__app_label=app_label)


def _shares(model: type[Model]) -> QuerySet[Any]:
    return model._default_manager.all()


def _is_shared(actor: User | ApiCredential, permission: str, obj: Model, roles: set[int]) -> bool:
    """With a member of the object's workspace, who holds these roles there."""
    shares = {"content_object": obj, "permission__codename": permission.split(".")[1]}
    if _shares(get_group_obj_perms_model(obj)).filter(group__in=roles, **shares).exists():
        return True
    if isinstance(actor, ApiCredential):
        return False
    return _shares(get_user_obj_perms_model(obj)).filter(user=actor, **shares).exists()


def _is_of(permission: str, model: type[Model]) -> bool:
    """A share gives rights over the object itself: those that its own model names."""
    app_label, codename = permission.split(".")
    return app_label == model._meta.app_label and codename in dict(model._meta.permissions)


def _label_field(model: type[Model]) -> ManyToManyField[Any, Any] | None:
    return next((field for field in model._meta.many_to_many if field.related_model is AccessLabel), None)


def labelled_models() -> list[type[Model]]:
    """The kinds of objects that can carry labels."""
    return [model for model in apps.get_models() if _label_field(model)]


def _lacking(field: ManyToManyField[Any, Any], held: set[int]) -> QuerySet[Any]:
    """The rows of a model's label table whose label is none of those held."""
    through = field.remote_field.through
    assert through
    rows: QuerySet[Any] = through._default_manager.exclude(**{f"{field.m2m_reverse_field_name()}__in": held})
    return rows


def lacking_labels(actor: Actor, obj: Model) -> list[str]:
    """The names of the object's labels that keep the actor out, in order."""
    field = _label_field(type(obj))
    if field is None or isinstance(actor, System):
        return []
    labels = dict(getattr(obj, field.name).order_by("name").values_list("pk", "name"))
    if not labels:
        return []
    held = _standing(actor).labels()
    return [name for pk, name in labels.items() if pk not in held]


def labels_held(actor: Actor, workspace: Workspace) -> QuerySet[AccessLabel]:
    """The workspace's labels that a role of the actor holds, by name."""
    labels = AccessLabel.objects.filter(workspace=workspace)
    if isinstance(actor, System):
        return labels
    return labels.filter(pk__in=_standing(actor, workspace).labels())


def explain(actor: Actor, permission: str, obj: Model) -> Explanation:
    """Whether the actor has the permission on a workspace or on anything that belongs to one.

    A missing label is named only to those who manage the workspace's labels.
    """
    if isinstance(actor, System):
        return Explanation(True, permission, _("Carillon itself does this."))
    workspace = obj if isinstance(obj, Workspace) else getattr(obj, "workspace", None)
    if not isinstance(workspace, Workspace):
        raise TypeError(f"{obj!r} belongs to no workspace")
    standing = _standing(actor, workspace)
    found = _by_role_or_share(actor, permission, obj, workspace, standing)
    if found.allowed and (labels := lacking_labels(actor, obj)):
        reason = _("An access label keeps it from you.")
        if standing.gives(MANAGE_WORKSPACE, workspace):
            reason = _("None of your roles holds its label “%(label)s”.") % {"label": labels[0]}
        return Explanation(False, permission, reason, labels[0])
    return found


def _by_role_or_share(
    actor: User | ApiCredential, permission: str, obj: Model, workspace: Workspace, standing: _Standing
) -> Explanation:
    named = {"workspace": workspace}
    if standing.gives(permission, workspace):
        return Explanation(True, permission, _("A role in %(workspace)s allows it.") % named)
    roles = standing.roles.get(workspace.pk, set())
    if not roles:
        return Explanation(False, permission, _("You hold no role in %(workspace)s.") % named)
    is_own_right = obj is not workspace and _is_of(permission, type(obj))
    if is_own_right and _is_shared(actor, permission, obj, roles):
        return Explanation(True, permission, _("It was shared with you or with a role you hold."))
    return Explanation(False, permission, _("None of your roles in %(workspace)s allows it.") % named)


def may(actor: Actor, permission: str, obj: Model) -> bool:
    return explain(actor, permission, obj).allowed


def require(actor: Actor, permission: str, obj: Model) -> None:
    """Raises PermissionMissing, which names the permission."""
    if not may(actor, permission, obj):
        raise PermissionMissing(permission)


def rights_in(actor: User | ApiCredential, workspace: Workspace) -> set[str]:
    """Every permission that the actor's roles give in the workspace, in one query."""
    return _standing(actor, workspace).rights.get(workspace.pk, set())


def rights_on(actor: User | ApiCredential, rows: Sequence[Model]) -> dict[Any, set[str]]:
    """Every permission the actor has on each row of one model, by primary key, in at most five queries."""
    if not rows:
        return {}
    standing, model = _standing(actor), type(rows[0])
    rights = {row.pk: set(standing.rights.get(row.workspace_id, ())) for row in rows}  # type: ignore[attr-defined]
    member_of = {row.pk for row in rows if row.workspace_id in standing.roles}  # type: ignore[attr-defined]
    for pk, codename in _shared_rights(actor, model, standing, member_of):
        rights[pk].add(f"{model._meta.app_label}.{codename}")
    for pk in _behind_labels(standing, model, member_of):
        rights[pk] = set()
    return rights


def _shared_rights(
    actor: User | ApiCredential, model: type[Model], standing: _Standing, pks: set[Any]
) -> Iterable[tuple[Any, str]]:
    for found in _shares_with(actor, model, standing):
        yield from found.filter(content_object__in=pks).values_list("content_object", "permission__codename")


def _shares_with(
    actor: User | ApiCredential, model: type[Model], standing: _Standing
) -> Iterable[QuerySet[Any]]:
    """What was shared with a role of the actor in the object's own workspace, and with the person."""
    yield _shares(get_group_obj_perms_model(model())).filter(
        group__in=standing.role_keys, group__role__workspace=F("content_object__workspace")
    )
    if isinstance(actor, User):
        yield _shares(get_user_obj_perms_model(model())).filter(user=actor)


def rights_of_role(model: type[Model]) -> str:
    """SQL for what `rights_on` tells of a row of the model's table: the permissions, as text[], of the role
    that stands beside it as accounts_role. For the one question that has to be quick.
    """
    field = _label_field(model)
    assert field is not None
    labels = field.remote_field.through
    assert labels is not None
    named = {
        "of_role": OF_ROLE,
        "app": model._meta.app_label,
        "table": model._meta.db_table,
        "shares": get_group_obj_perms_model(model())._meta.db_table,
        "labels": labels._meta.db_table,
        "labelled": field.m2m_column_name(),
    }
    return RIGHTS_OF_ROLE % named


RIGHTS_OF_ROLE = """
CASE WHEN EXISTS (
    SELECT FROM %(labels)s carried WHERE carried.%(labelled)s = %(table)s.id AND NOT EXISTS (
        SELECT FROM accounts_accesslabel_roles held JOIN accounts_accesslabel a ON a.id = held.accesslabel_id
        WHERE a.id = carried.accesslabel_id AND held.role_id = accounts_role.group_ptr_id
          AND a.workspace_id = accounts_role.workspace_id)
) THEN '{}' ELSE ARRAY(
    %(of_role)s AND accounts_role.workspace_id = %(table)s.workspace_id
) || ARRAY(
    SELECT '%(app)s.' || p.codename FROM %(shares)s s JOIN auth_permission p ON p.id = s.permission_id
    WHERE s.content_object_id = %(table)s.id AND s.group_id = accounts_role.group_ptr_id
      AND accounts_role.workspace_id = %(table)s.workspace_id
) END"""


def behind_labels(actor: Actor, model: type[Model], pks: Iterable[Any] | None = None) -> set[Any]:
    """Those of the rows, or of all, whose labels keep the actor out, whatever roles and shares say."""
    return set() if isinstance(actor, System) else _behind_labels(_standing(actor), model, pks)


def _behind_labels(standing: _Standing, model: type[Model], pks: Iterable[Any] | None) -> set[Any]:
    field = _label_field(model)
    if field is None:
        return set()
    name, rows = field.m2m_field_name(), _lacking(field, standing.labels())
    if pks is not None:
        rows = rows.filter(**{f"{name}__in": list(pks)})
    return set(rows.values_list(name, flat=True))


def visible_to(actor: Actor, queryset: QuerySet[Row], permission: str) -> QuerySet[Row]:
    """The rows the actor has the permission on, by role or share and with every label.

    Reads what the actor holds at once, in at most two queries; the rows are one query, not asked yet.
    """
    if isinstance(actor, System):
        return queryset
    standing = _standing(actor)
    allowed = Q(workspace__in=standing.where(permission))
    if _is_of(permission, queryset.model):
        for found in _shares_with(actor, queryset.model, standing):
            shared = found.filter(permission__codename=permission.split(".")[1]).values("content_object")
            allowed |= Q(pk__in=shared, workspace__in=list(standing.roles))
    rows = queryset.filter(allowed)
    if field := _label_field(queryset.model):
        lacking = _lacking(field, standing.labels()).filter(**{field.m2m_field_name(): OuterRef("pk")})
        rows = rows.exclude(Exists(lacking))
    return rows


def people_who_may(permission: str, obj: Model) -> QuerySet[User]:
    """Everybody active who has the permission on the object, by role or share and with every label of it."""
    workspace: Workspace = obj if isinstance(obj, Workspace) else obj.workspace  # type: ignore[attr-defined]
    roles = Role.objects.filter(workspace=workspace)
    allowed = Q(groups__in=roles.filter(_holds(permission)).values("pk"))
    if obj is not workspace and _is_of(permission, type(obj)):
        share = {"content_object": obj, "permission__codename": permission.split(".")[1]}
        to_groups = _shares(get_group_obj_perms_model(obj)).filter(group__role__workspace=workspace, **share)
        to_users = _shares(get_user_obj_perms_model(obj)).filter(**share)
        allowed |= Q(groups__in=to_groups.values("group")) | Q(pk__in=to_users.values("user"))
    members = User.objects.filter(is_active=True, groups__in=roles.values("pk")).values("pk")
    people = User.objects.filter(pk__in=User.objects.filter(allowed, pk__in=members).values("pk"))
    if field := _label_field(type(obj)):
        for label in getattr(obj, field.name).all():
            holders = label.roles.filter(workspace=label.workspace_id)
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
