"""The admin site of accounts: who holds which role or label, people, workspaces, credentials, the audit log.

It shows and asks; every change goes through the verbs (`roles`, `people`, `labels`), so rights, audit log and
mail are the same as anywhere else. Being a superuser opens people and new workspaces, never a role's holders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin  # noqa: F401  registers Group, which is taken off below
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import audit, labels, people, roles, switch, twosteps
from accounts.access import may, workspaces_where
from accounts.auditwords import kind_in_words, verb_in_words
from accounts.doors.seenform import SeenForm
from accounts.models import AccessLabel, ApiCredential, AuditEntry, Role, User, Workspace
from common.admin import ReadOnly
from common.errors import Invalid

if TYPE_CHECKING:
    RoleAdminBase = admin.ModelAdmin[Role]
    UserAdminBase = admin.ModelAdmin[User]
    WorkspaceAdminBase = admin.ModelAdmin[Workspace]
    CredentialAdminBase = admin.ModelAdmin[ApiCredential]
    AuditAdminBase = admin.ModelAdmin[AuditEntry]
    LabelAdminBase = admin.ModelAdmin[AccessLabel]
    HoldersBase = admin.TabularInline[Any, Role]
    HolderFormBase = forms.ModelForm[Any]
    HolderFormSetBase = BaseInlineFormSet[Any, Role, Any]
else:  # cannot be subscripted while running
    RoleAdminBase = UserAdminBase = WorkspaceAdminBase = CredentialAdminBase = admin.ModelAdmin
    AuditAdminBase = LabelAdminBase = admin.ModelAdmin
    HoldersBase = admin.TabularInline
    HolderFormBase = forms.ModelForm
    HolderFormSetBase = BaseInlineFormSet

MANAGE = "accounts.manage_workspace"
Holding = User.groups.through
# The row is drawn with its own text; Django's says "User_groups object (3)".
Holding.__str__ = lambda self: self.user.email  # type: ignore[method-assign,attr-defined]

# A role is a group underneath; changing one there would pass by the verbs.
admin.site.unregister(Group)


def _actor(request: HttpRequest) -> User:
    return cast(User, request.user)


def _manages(request: HttpRequest, obj: Model | None) -> bool:
    actor = _actor(request)
    return may(actor, MANAGE, obj) if obj else workspaces_where(actor, MANAGE).exists()


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


class Holders(HoldersBase):
    model = Holding
    form, formset = HolderForm, HolderFormSet
    fields = ["who"]
    extra = 1
    verbose_name, verbose_name_plural = _("user"), _("users")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("user").order_by("user__name")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _manages(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _manages(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _manages(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _manages(request, obj)


@admin.register(Role)
class RoleAdmin(ReadOnly, RoleAdminBase):
    list_display = ["title", "workspace", "holder_count"]
    list_filter = [("workspace", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["title"]
    ordering = ["workspace__name", "pk"]
    fields = ("workspace", "title", "what_it_allows")
    readonly_fields = ("workspace", "title", "what_it_allows")
    inlines = [Holders]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Role]:
        mine = workspaces_where(_actor(request), MANAGE)
        return super().get_queryset(request).filter(workspace__in=mine).select_related("workspace")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _manages(request, None)

    def has_view_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        return _manages(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        return _manages(request, obj)

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
        known = _people_known_to(_actor(request)).filter(is_active=True).order_by("name")[:500]
        context = {**(extra_context or {}), "people": known}
        return super().change_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: Role, form: Any, change: bool) -> None:
        """The role itself does not change here."""

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        role, actor, now = cast(Role, formset.instance), _actor(request), timezone.now()
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


def _people_known_to(actor: User) -> QuerySet[User]:
    """Whom an administrator may see: those who hold a role in a workspace of theirs; a superuser sees all."""
    if actor.is_superuser:
        return User.objects.all()
    held = Role.objects.filter(workspace__in=workspaces_where(actor, MANAGE))
    return User.objects.filter(groups__in=held.values("pk")).distinct()


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
        known = _people_known_to(_actor(request)).values("pk")
        return super().get_queryset(request).filter(pk__in=known)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return _actor(request).is_superuser or _manages(request, None)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return _actor(request).is_superuser

    @admin.display(description=_("roles"))
    def roles(self, user: User) -> str:
        return " · ".join(str(role) for role in Role.objects.filter(user=user).select_related("workspace"))

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in form.changed_data}
        ends = values.pop("end_two_steps", False)
        people.change(obj, actor=_actor(request), now=timezone.now(), **values)
        if ends:
            twosteps.end(obj, actor=_actor(request), now=timezone.now())


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
        mine = workspaces_where(_actor(request), MANAGE).values("pk")
        return super().get_queryset(request).filter(pk__in=mine)

    def get_readonly_fields(self, request: HttpRequest, obj: Workspace | None = None) -> list[str]:
        return ["slug", "sends", "sending"] if obj else ["sends", "sending"]

    @admin.display(description=_("sends"), boolean=True)
    def sends(self, obj: Workspace) -> bool:
        return switch.standing(obj).is_on if obj.pk else True

    @admin.display(description=_("sending"))
    def sending(self, obj: Workspace) -> str:
        return (switch.standing(obj).in_words() if obj.pk else "") or "–"

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        return _manages(request, obj) or (obj is None and _actor(request).is_superuser)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _actor(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        return _manages(request, obj)

    def save_model(self, request: HttpRequest, obj: Workspace, form: Any, change: bool) -> None:
        actor, now, given = _actor(request), timezone.now(), form.cleaned_data
        if not change:
            names = ("name", "slug", "time_zone")
            made = roles.create_workspace(**{name: given[name] for name in names}, actor=actor, now=now)
            obj.pk = made.pk
        values = {name: given[name] for name in roles.SETTINGS}
        roles.change_workspace(Workspace(pk=obj.pk), actor=actor, now=now, **values)


@admin.register(ApiCredential)
class ApiCredentialAdmin(ReadOnly, CredentialAdminBase):
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
    list_filter = [("workspace", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["workspace", "role__workspace"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiCredential]:
        mine = workspaces_where(_actor(request), MANAGE)
        return super().get_queryset(request).filter(workspace__in=mine)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _manages(request, None)

    def has_view_permission(self, request: HttpRequest, obj: ApiCredential | None = None) -> bool:
        return _manages(request, obj)


class KindFilter(admin.SimpleListFilter):
    title, parameter_name = _("Object"), "object_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = model_admin.get_queryset(request).order_by().values_list("object_type", flat=True).distinct()
        return sorted(((kind, kind_in_words(kind)) for kind in found), key=lambda pair: pair[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(object_type=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, AuditAdminBase):
    list_display = ["at", "workspace", "actor", "done", "kind", "object_label"]
    fields = (
        *("at", "workspace", "actor", "actor_key", "done", "kind", "object_key", "object_label"),
        *("details", "sequence", "previous_hash", "hash"),
    )
    list_filter = [("workspace", admin.RelatedOnlyFieldListFilter), KindFilter]
    search_fields = ["actor", "object_label"]
    date_hierarchy = "at"
    list_select_related = ["workspace"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        """A superuser also reads the installation's own entries, which belong to no workspace."""
        actor = _actor(request)
        rows = audit.readable_by(actor, super().get_queryset(request))
        mine = rows.filter(workspace__in=workspaces_where(actor, "accounts.view_audit_log"))
        return mine | rows.filter(workspace=None) if actor.is_superuser else mine

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @admin.display(description=_("What"), ordering="verb")
    def done(self, entry: AuditEntry) -> str:
        return verb_in_words(entry.verb)

    @admin.display(description=_("Object"), ordering="object_type")
    def kind(self, entry: AuditEntry) -> str:
        return kind_in_words(entry.object_type)

    def has_view_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        actor = _actor(request)
        if obj is None or obj.workspace is None:
            reads_any = workspaces_where(actor, "accounts.view_audit_log").exists()
            return actor.is_superuser or (obj is None and reads_any)
        return may(actor, "accounts.view_audit_log", obj.workspace)


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
class AccessLabelAdmin(LabelAdminBase):
    """A label hides what carries it from everybody whose roles do not hold it."""

    form = LabelForm
    list_display = ["name", "workspace", "description", "held_by"]
    list_filter = [("workspace", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["name"]
    ordering = ["workspace__name", "name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AccessLabel]:
        mine = workspaces_where(_actor(request), MANAGE)
        rows = super().get_queryset(request).filter(workspace__in=mine)
        return rows.select_related("workspace").prefetch_related("roles")

    def get_readonly_fields(self, request: HttpRequest, obj: AccessLabel | None = None) -> list[str]:
        return ["workspace"] if obj else []

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "workspace":
            kwargs["queryset"] = workspaces_where(_actor(request), MANAGE).order_by("name")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "roles":
            mine = workspaces_where(_actor(request), MANAGE)
            roles_of_mine = Role.objects.filter(workspace__in=mine).select_related("workspace")
            kwargs["queryset"] = roles_of_mine.order_by("workspace__name", "title")
            kwargs["widget"] = forms.CheckboxSelectMultiple
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _manages(request, None)

    def has_view_permission(self, request: HttpRequest, obj: AccessLabel | None = None) -> bool:
        return _manages(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _manages(request, None)

    def has_change_permission(self, request: HttpRequest, obj: AccessLabel | None = None) -> bool:
        return _manages(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: AccessLabel | None = None) -> bool:
        return _manages(request, obj)

    @admin.display(description=_("roles that hold it"))
    def held_by(self, label: AccessLabel) -> str:
        return " · ".join(role.label for role in label.roles.all())

    def save_model(self, request: HttpRequest, obj: AccessLabel, form: Any, change: bool) -> None:
        given, actor, now = form.cleaned_data, _actor(request), timezone.now()
        values = {name: given[name] for name in ("name", "description", "roles")}
        if change:
            labels.change(obj, **values, actor=actor, now=now)
        else:
            obj.pk = labels.create(given["workspace"], **values, actor=actor, now=now).pk

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The verb has written the roles."""

    def delete_model(self, request: HttpRequest, obj: AccessLabel) -> None:
        labels.delete(obj, actor=_actor(request), now=timezone.now())

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[AccessLabel], *more: Any, **named: Any
    ) -> HttpResponse | None:
        """All that are picked, or none, and no line of history about it: Django's own is not atomic."""
        with transaction.atomic():
            return super().response_action(request, queryset, *more, **named)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AccessLabel]) -> None:
        for label in queryset:
            self.delete_model(request, label)
