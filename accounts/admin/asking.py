"""Who asks the admin site, and whom and what they may see there."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from accounts.access import MANAGE_WORKSPACE, may, workspaces_where
from accounts.doors.callers import actor_of
from accounts.models import Role, User


def manages(request: HttpRequest, obj: Model | None) -> bool:
    """The object's workspace, or some workspace where there is no object."""
    actor = actor_of(request)
    return may(actor, MANAGE_WORKSPACE, obj) if obj else workspaces_where(actor, MANAGE_WORKSPACE).exists()


def people_known_to(actor: User) -> QuerySet[User]:
    """Whom an administrator may see: those who hold a role in a workspace of theirs; a superuser sees all."""
    if actor.is_superuser:
        return User.objects.all()
    held = Role.objects.filter(workspace__in=workspaces_where(actor, MANAGE_WORKSPACE))
    return User.objects.filter(groups__in=held.values("pk")).distinct()


class SeenByManagers:
    """Shown to who manages the object's workspace, whatever Django's own permissions say."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return manages(request, None)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return manages(request, obj)


class Managed(SeenByManagers):
    """And added, changed and removed by them."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return manages(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return manages(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return manages(request, obj)
