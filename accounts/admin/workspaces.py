"""Workspaces with their settings, and the API credentials that were issued in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import roles, switch
from accounts.access import MANAGE_WORKSPACE, workspaces_where
from accounts.admin.asking import SeenByManagers, manages
from accounts.doors.callers import actor_of
from accounts.doors.seenform import SeenForm
from accounts.models import ApiCredential, Workspace
from common.admin import ReadOnly, WorkspaceFilter

if TYPE_CHECKING:
    WorkspaceAdminBase = admin.ModelAdmin[Workspace]
    CredentialAdminBase = admin.ModelAdmin[ApiCredential]
else:  # cannot be subscripted while running
    WorkspaceAdminBase = admin.ModelAdmin
    CredentialAdminBase = admin.ModelAdmin


class WorkspaceForm(SeenForm):
    class Meta:
        model = Workspace
        fields = ["name", "slug", "time_zone", "approval_required", "only_rule_audiences"]


@admin.register(Workspace)
class WorkspaceAdmin(ReadOnly, WorkspaceAdminBase):
    list_display = ["name", "slug", "time_zone", "approval_required", "sends"]
    fields = [
        "name",
        "slug",
        "time_zone",
        "approval_required",
        "only_rule_audiences",
        "sends",
        "sending",
        "seen",
    ]
    form = WorkspaceForm
    ordering = ["name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workspace]:
        mine = workspaces_where(actor_of(request), MANAGE_WORKSPACE).values("pk")
        return super().get_queryset(request).filter(pk__in=mine)

    def get_readonly_fields(self, request: HttpRequest, obj: Workspace | None = None) -> list[str]:
        return ["slug", "sends", "sending"] if obj else ["sends", "sending"]

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: Workspace | None = None
    ) -> dict[str, Sequence[str]]:
        return {} if obj else {"slug": ["name"]}

    @admin.display(description=_("sends"), boolean=True)
    def sends(self, obj: Workspace) -> bool:
        return switch.standing(obj).is_on if obj.pk else True

    @admin.display(description=_("sending"))
    def sending(self, obj: Workspace) -> str:
        return (switch.standing(obj).in_words() if obj.pk else "") or "–"

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        return manages(request, obj) or (obj is None and actor_of(request).is_superuser)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return actor_of(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        return manages(request, obj)

    def save_model(self, request: HttpRequest, obj: Workspace, form: Any, change: bool) -> None:
        actor, now, given = actor_of(request), timezone.now(), form.cleaned_data
        if not change:
            names = ("name", "slug", "time_zone")
            made = roles.create_workspace(**{name: given[name] for name in names}, actor=actor, now=now)
            obj.pk = made.pk
        values = {name: given[name] for name in roles.SETTINGS}
        roles.change_workspace(Workspace(pk=obj.pk), actor=actor, now=now, **values)


@admin.register(ApiCredential)
class ApiCredentialAdmin(SeenByManagers, ReadOnly, CredentialAdminBase):
    """Issued and revoked on the API page."""

    list_display = [
        "name",
        "workspace",
        "role",
        "prefix",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    ]
    fields = ("name", "workspace", "role", "prefix", "created_by", "created_at", "expires_at", "revoked_at")
    list_filter = [("workspace", WorkspaceFilter)]
    list_select_related = ["workspace", "role__workspace"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiCredential]:
        mine = workspaces_where(actor_of(request), MANAGE_WORKSPACE)
        return super().get_queryset(request).filter(workspace__in=mine)
