"""The audit log, for who may read it; nothing here is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.access import may, workspaces_where
from accounts.auditwords import kind_in_words, verb_in_words, who_in_words
from accounts.doors.callers import actor_of
from accounts.models import AuditEntry
from common.admin import ReadOnly, WorkspaceFilter, column

if TYPE_CHECKING:
    AuditAdminBase = admin.ModelAdmin[AuditEntry]
else:  # cannot be subscripted while running
    AuditAdminBase = admin.ModelAdmin


class KindFilter(admin.SimpleListFilter):
    title, parameter_name = _("Object"), "object_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = model_admin.get_queryset(request).order_by().values_list("object_type", flat=True).distinct()
        return sorted(((kind, kind_in_words(kind)) for kind in found), key=lambda pair: pair[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(object_type=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, AuditAdminBase):
    list_display = [
        column("at", _("When")),
        column("workspace", _("Workspace")),
        *("who", "done", "kind"),
        column("object_label", _("Name")),
    ]
    fields = (
        *("at", "workspace", "who", "actor_key", "done", "kind", "object_key", "object_label"),
        *("details", "sequence", "previous_hash", "hash"),
    )
    list_filter = [("workspace", WorkspaceFilter), KindFilter]
    search_fields = ["actor", "object_label"]
    date_hierarchy = "at"
    list_select_related = ["workspace"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        """A superuser also reads the installation's own entries, which belong to no workspace."""
        actor = actor_of(request)
        rows = audit.readable_by(actor, super().get_queryset(request))
        mine = rows.filter(workspace__in=workspaces_where(actor, "accounts.view_audit_log"))
        return mine | rows.filter(workspace=None) if actor.is_superuser else mine

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @admin.display(description=_("Who"), ordering="actor")
    def who(self, entry: AuditEntry) -> str:
        return who_in_words(entry)

    @admin.display(description=_("What"), ordering="verb")
    def done(self, entry: AuditEntry) -> str:
        return verb_in_words(entry.verb)

    @admin.display(description=_("Object"), ordering="object_type")
    def kind(self, entry: AuditEntry) -> str:
        return kind_in_words(entry.object_type)

    def has_view_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        actor = actor_of(request)
        if obj is None or obj.workspace is None:
            reads_any = workspaces_where(actor, "accounts.view_audit_log").exists()
            return actor.is_superuser or (obj is None and reads_any)
        return may(actor, "accounts.view_audit_log", obj.workspace)
