"""Campaigns in the admin site: to look something up, never to change it past its lifecycle."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.access import may, visible_to, workspaces_where
from accounts.models import User
from campaigns import access
from campaigns.models import Campaign
from common.admin import ReadOnly, WorkspaceFilter, column

if TYPE_CHECKING:
    CampaignAdminBase = admin.ModelAdmin[Campaign]
else:  # cannot be subscripted while running
    CampaignAdminBase = admin.ModelAdmin


@admin.register(Campaign)
class CampaignAdmin(ReadOnly, CampaignAdminBase):
    # Its audience may stand behind a label of its own; the campaign's page knows who may read its name.
    list_display = [
        *("name", column("workspace", _("Workspace")), "type", "status"),
        *(column("edited_by", _("Last edited by")), "changed_at"),
    ]
    fields = (
        *("name", "workspace", "type", "category", "status", "description", "tags"),
        *("starts_at", "ends_at", "version", "created_at", "changed_at", "activated_at", "completed_at"),
    )
    list_filter = [("workspace", WorkspaceFilter), "status", "type"]
    search_fields = ["name"]
    list_select_related = ["workspace", "edited_by"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        rows = super().get_queryset(request).filter(purged_at=None)
        return visible_to(cast(User, request.user), rows, access.VIEW)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return workspaces_where(cast(User, request.user), access.VIEW).exists()

    def has_view_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        if obj is None:
            return self.has_module_permission(request)
        return may(cast(User, request.user), access.VIEW, obj)
