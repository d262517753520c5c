"""Audiences in the admin site: to look something up, never to change it past its verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.access import may, visible_to, workspaces_where
from accounts.models import User
from audiences.access import VIEW
from audiences.models import Audience
from common.admin import ReadOnly, WorkspaceFilter, column

if TYPE_CHECKING:
    AudienceAdminBase = admin.ModelAdmin[Audience]
else:  # cannot be subscripted while running
    AudienceAdminBase = admin.ModelAdmin


@admin.register(Audience)
class AudienceAdmin(ReadOnly, AudienceAdminBase):
    list_display = [
        *("name", column("workspace", _("Workspace")), "kind", "state", column("counted", _("People"))),
        *(column("counted_at", _("Counted")), column("owner", _("Owner"))),
        column("changed_at", _("Changed")),
    ]
    fields = (
        *("name", "workspace", "kind", "state", "description", "tags", "owner", "labels"),
        *("rule", "composition", "topic", "refresh", "counted", "counted_at", "next_evaluation_at"),
        *("created_by", "created_at", "changed_at"),
    )
    list_filter = [("workspace", WorkspaceFilter), "state", "kind"]
    search_fields = ["name"]
    list_select_related = ["workspace", "owner"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Audience]:
        return visible_to(cast(User, request.user), super().get_queryset(request), VIEW)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return workspaces_where(cast(User, request.user), VIEW).exists()

    def has_view_permission(self, request: HttpRequest, obj: Audience | None = None) -> bool:
        if obj is None:
            return self.has_module_permission(request)
        return may(cast(User, request.user), VIEW, obj)
