"""People, as far as an administrator may know them; a superuser sees all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import people, twosteps
from accounts.admin.asking import manages, people_known_to
from accounts.doors.callers import actor_of
from accounts.doors.seenform import SeenForm
from accounts.models import Role, User
from common.admin import ReadOnly

if TYPE_CHECKING:
    UserAdminBase = admin.ModelAdmin[User]
else:  # cannot be subscripted while running
    UserAdminBase = admin.ModelAdmin


class UserForm(SeenForm):
    language = forms.ChoiceField(label=_("language"), choices=settings.LANGUAGES)
    end_two_steps = forms.BooleanField(
        label=_("end two-step sign-in"),
        required=False,
        help_text=_("For somebody who has lost phone and recovery codes. Make sure that it is they who ask."),
    )

    class Meta:
        model = User
        fields = ["name", "time_zone", "language", "is_active", "is_superuser"]


@admin.register(User)
class UserAdmin(ReadOnly, UserAdminBase):
    """People are born by being given a role, so there is no "Add"."""

    form = UserForm
    list_display = ["email", "name", "is_active", "is_superuser", "last_login"]
    list_filter = ["is_active"]
    search_fields = ["email", "name"]
    ordering = ["name"]
    fields = [
        *("email", "name", "time_zone", "language", "is_active", "is_superuser", "end_two_steps"),
        *("roles", "last_login", "seen"),
    ]
    readonly_fields = ["email", "roles", "last_login"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        known = people_known_to(actor_of(request)).values("pk")
        return super().get_queryset(request).filter(pk__in=known)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return actor_of(request).is_superuser or manages(request, None)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return actor_of(request).is_superuser

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Two steps are ended by who may change a person; the others have no box to look at."""
        fields = super().get_fields(request, obj)
        return (
            fields if actor_of(request).is_superuser else [name for name in fields if name != "end_two_steps"]
        )

    @admin.display(description=_("roles"))
    def roles(self, user: User) -> str:
        return " · ".join(str(role) for role in Role.objects.filter(user=user).select_related("workspace"))

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in form.changed_data}
        ends = values.pop("end_two_steps", False)
        people.change(obj, actor=actor_of(request), now=timezone.now(), **values)
        if ends:
            twosteps.end(obj, actor=actor_of(request), now=timezone.now())
