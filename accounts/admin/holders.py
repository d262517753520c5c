"""Roles, and who holds them: adding a person by name or email invites them, and sends their one mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import roles
from accounts.access import MANAGE_WORKSPACE, workspaces_where
from accounts.admin.asking import Managed, SeenByManagers, manages, people_known_to
from accounts.doors.callers import actor_of
from accounts.models import Role, User
from common.admin import ReadOnly, WorkspaceFilter
from common.errors import Invalid

if TYPE_CHECKING:
    RoleAdminBase = admin.ModelAdmin[Role]
    HoldersBase = admin.TabularInline[Any, Role]
    HolderFormBase = forms.ModelForm[Any]
    HolderFormSetBase = BaseInlineFormSet[Any, Role, Any]
else:  # cannot be subscripted while running
    RoleAdminBase = admin.ModelAdmin
    HoldersBase = admin.TabularInline
    HolderFormBase = forms.ModelForm
    HolderFormSetBase = BaseInlineFormSet

Holding = User.groups.through
# The row is drawn with its own text; Django's says "User_groups object (3)".
Holding.__str__ = lambda self: self.user.email  # type: ignore[method-assign,attr-defined]


class HolderForm(HolderFormBase):
    """One person of a role: fixed when they hold it, a name or an address to fill in when they will."""

    who = forms.CharField(
        label=_("Name or email"),
        max_length=254,
        required=False,
        widget=forms.TextInput(
            # The admin site's table has no label for each row.
            attrs={"list": "people", "autocomplete": "off", "size": 50, "aria-label": _("Name or email")}
        ),
    )

    class Meta:
        model = Holding
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["who"].disabled = True
            self.initial["who"] = f"{self.instance.user.name} <{self.instance.user.email}>"

    def clean_who(self) -> str:
        who: str = self.cleaned_data["who"]
        if who and not self.instance.pk:
            try:
                roles.person_called(who)
            except Invalid as error:
                raise forms.ValidationError(str(error.detail)) from error
        return who


class HolderFormSet(HolderFormSetBase):
    # What the admin site asks for to write its own line of history.
    new_objects: list[Any] = []
    changed_objects: list[Any] = []
    deleted_objects: list[Any] = []


class Holders(Managed, HoldersBase):
    model = Holding
    form, formset = HolderForm, HolderFormSet
    fields = ["who"]
    extra = 1
    verbose_name, verbose_name_plural = _("user"), _("users")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("user").order_by("user__name")


@admin.register(Role)
class RoleAdmin(SeenByManagers, ReadOnly, RoleAdminBase):
    list_display = ["named", "workspace", "holder_count"]
    list_filter = [("workspace", WorkspaceFilter)]
    search_fields = ["title"]
    ordering = ["workspace__name", "pk"]
    fields = ("workspace", "named", "what_it_allows")
    readonly_fields = ("workspace", "named", "what_it_allows")
    inlines = [Holders]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Role]:
        mine = workspaces_where(actor_of(request), MANAGE_WORKSPACE)
        return super().get_queryset(request).filter(workspace__in=mine).select_related("workspace")

    def has_change_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        return manages(request, obj)

    @admin.display(description=_("title"), ordering="title")
    def named(self, role: Role) -> str:
        return role.label

    @admin.display(description=_("users"))
    def holder_count(self, role: Role) -> int:
        return User.objects.filter(groups=role.pk).count()

    @admin.display(description=_("what it allows"))
    def what_it_allows(self, role: Role) -> str:
        held = set(role.permissions.values_list("content_type__app_label", "codename"))
        labels = roles.PERMISSION_LABELS.items()
        return " · ".join(str(label) for name, label in labels if tuple(name.split(".")) in held)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        known = people_known_to(actor_of(request)).filter(is_active=True).order_by("name")[:500]
        told = _(
            "A person who is not here yet is invited: give their email address. One email with a link is sent"
            " when you save."
        )
        context = {**(extra_context or {}), "people": known, "told": told}
        return super().change_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: Role, form: Any, change: bool) -> None:
        """The role itself does not change here."""

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        role, actor, now = cast(Role, formset.instance), actor_of(request), timezone.now()
        # First who comes, then who goes: so one administrator can follow another.
        for given in formset.extra_forms:
            who = given.cleaned_data.get("who") if given not in formset.deleted_forms else ""
            if who:
                user = roles.grant(role, who=who, actor=actor, now=now)
                messages.info(
                    request, _("%(email)s holds the role %(role)s.") % {"email": user.email, "role": role}
                )
        for gone in formset.deleted_forms:
            if gone.instance.pk:
                roles.revoke(role, user=gone.instance.user, actor=actor, now=now)
