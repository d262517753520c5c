"""Access labels, and which roles hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import labels
from accounts.access import MANAGE_WORKSPACE, workspaces_where
from accounts.admin.asking import Managed
from accounts.doors.callers import actor_of
from accounts.doors.seenform import SeenForm
from accounts.models import AccessLabel, Role
from common.admin import WorkspaceFilter

if TYPE_CHECKING:
    LabelAdminBase = admin.ModelAdmin[AccessLabel]
else:  # cannot be subscripted while running
    LabelAdminBase = admin.ModelAdmin


class LabelForm(SeenForm):
    class Meta:
        model = AccessLabel
        fields = ["workspace", "name", "description", "roles"]

    def clean(self) -> dict[str, Any]:
        """What the verb would refuse is told here, beside its field."""
        given = super().clean()
        workspace = given.get("workspace") or getattr(self.instance, "workspace", None)
        for role in given.get("roles", ()):
            if role.workspace_id != getattr(workspace, "pk", None):
                detail = _("“%(role)s” is a role of another workspace.") % {"role": role}
                self.add_error("roles", detail)
        return given


@admin.register(AccessLabel)
class AccessLabelAdmin(Managed, LabelAdminBase):
    """A label hides what carries it from everybody whose roles do not hold it."""

    form = LabelForm
    list_display = ["name", "workspace", "description", "held_by"]
    list_filter = [("workspace", WorkspaceFilter)]
    search_fields = ["name"]
    ordering = ["workspace__name", "name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AccessLabel]:
        mine = workspaces_where(actor_of(request), MANAGE_WORKSPACE)
        rows = super().get_queryset(request).filter(workspace__in=mine)
        return rows.select_related("workspace").prefetch_related("roles")

    def get_readonly_fields(self, request: HttpRequest, obj: AccessLabel | None = None) -> list[str]:
        return ["workspace"] if obj else []

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "workspace":
            kwargs["queryset"] = workspaces_where(actor_of(request), MANAGE_WORKSPACE).order_by("name")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "roles":
            mine = workspaces_where(actor_of(request), MANAGE_WORKSPACE)
            roles_of_mine = Role.objects.filter(workspace__in=mine).select_related("workspace")
            kwargs["queryset"] = roles_of_mine.order_by("workspace__name", "title")
            kwargs["widget"] = forms.CheckboxSelectMultiple
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @admin.display(description=_("roles that hold it"))
    def held_by(self, label: AccessLabel) -> str:
        return " · ".join(role.label for role in label.roles.all())

    def save_model(self, request: HttpRequest, obj: AccessLabel, form: Any, change: bool) -> None:
        given, actor, now = form.cleaned_data, actor_of(request), timezone.now()
        values = {name: given[name] for name in ("name", "description", "roles")}
        if change:
            labels.change(obj, **values, actor=actor, now=now)
        else:
            obj.pk = labels.create(given["workspace"], **values, actor=actor, now=now).pk

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The verb has written the roles."""

    def delete_model(self, request: HttpRequest, obj: AccessLabel) -> None:
        labels.delete(obj, actor=actor_of(request), now=timezone.now())

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[AccessLabel], *more: Any, **named: Any
    ) -> HttpResponse | None:
        """All that are picked, or none, and no line of history about it: Django's own is not atomic."""
        with transaction.atomic():
            return super().response_action(request, queryset, *more, **named)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AccessLabel]) -> None:
        for label in queryset:
            self.delete_model(request, label)
