"""People who work here, the workspaces they work in, the roles that give them rights, and the audit log.

A Role is a Django group that belongs to one workspace: being in the group is holding the role.
Rights are read in `access.py` only; state changes are recorded through `audit.py` only.
"""

from __future__ import annotations

import zoneinfo
from typing import Any, ClassVar

import pgtrigger
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import Group, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _


def validate_time_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(
            _("“%(name)s” is not a time zone. Give an IANA name such as Asia/Taipei."), params={"name": name}
        )


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """Signs in with an email address. `is_superuser` opens the admin site, never a campaign."""

    class Theme(models.TextChoices):
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    email = models.EmailField(_("email address"))
    name = models.CharField(_("name"), max_length=150)
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="UTC", validators=[validate_time_zone]
    )
    language = models.CharField(_("language"), max_length=10, default="en")
    theme = models.CharField(_("theme"), max_length=5, choices=Theme, default=Theme.LIGHT)
    is_staff = models.BooleanField(_("may open the admin site"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    joined_at = models.DateTimeField(_("joined"), default=timezone.now)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_once")]

    def __str__(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        """As the head of the admin site calls who is signed in."""
        return str(self)


class Workspace(models.Model):
    """An isolated environment: every campaign, audience, profile, configuration and key belongs to one."""

    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(_("short name"), unique=True)
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="UTC", validators=[validate_time_zone]
    )
    approval_required = models.BooleanField(
        _("approval required"),
        default=False,
        help_text=_("A campaign can be activated only after somebody else has approved it."),
    )
    only_rule_audiences = models.BooleanField(
        _("audiences by rule only"),
        default=False,
        help_text=_(
            "Campaigns go to audiences that a rule describes, never to uploads, compositions or lists: for"
            " data that laws protect in a special way."
        ),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    # Which fields addresses are taken from, where it is not the channel's own (channels/origins.py).
    address_from = models.JSONField(default=dict, db_default={}, editable=False)
    # The main switch (switch.py): the database it sends from, empty while somebody has stopped it.
    sends_from = models.CharField(_("sends from"), max_length=200, blank=True, editable=False)
    stopped_at = models.DateTimeField(_("sending stopped"), null=True, editable=False)
    stopped_by = models.CharField(_("stopped by"), max_length=200, blank=True, editable=False)
    stopped_why = models.CharField(_("why it was stopped"), max_length=500, blank=True, editable=False)

    class Meta:
        verbose_name = _("workspace")
        verbose_name_plural = _("workspaces")
        default_permissions = ()
        permissions = [
            ("manage_workspace", "Manage workspace settings, roles and API credentials"),
            ("view_audit_log", "Read the audit log"),
        ]

    def __str__(self) -> str:
        return self.name


BUILTIN_TITLES = {
    "administrator": _("Campaign administrator"),
    "approver": _("Campaign approver"),
    "manager": _("Campaign manager"),
    "viewer": _("Campaign viewer"),
}


class Role(Group):
    """A product profile: a named set of permissions in one workspace, held by the users of its group."""

    group_ptr = models.OneToOneField(Group, parent_link=True, primary_key=True, on_delete=models.CASCADE)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="roles", verbose_name=_("workspace")
    )
    title = models.CharField(_("title"), max_length=100)
    builtin = models.CharField(_("built-in role"), max_length=20, blank=True, editable=False)

    objects: ClassVar[models.Manager[Role]] = models.Manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")
        constraints = [models.UniqueConstraint(fields=["workspace", "title"], name="role_title_once")]

    def __str__(self) -> str:
        return f"{self.label} ({self.workspace})"

    @property
    def label(self) -> str:
        """Its title; a built-in role's, unless it was renamed, in the reader's language."""
        built_in = BUILTIN_TITLES.get(self.builtin, "")
        with translation.override("en"):
            is_renamed = str(built_in) != self.title
        return self.title if is_renamed else str(built_in)


class AccessLabel(models.Model):
    """A second gate: a labelled object is visible only to who holds all its labels, through their roles."""

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="labels", verbose_name=_("workspace")
    )
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=500, blank=True)
    roles = models.ManyToManyField(
        Role, blank=True, related_name="labels", verbose_name=_("roles that hold it")
    )

    class Meta:
        verbose_name = _("access label")
        verbose_name_plural = _("access labels")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="label_name_once")]

    def __str__(self) -> str:
        return self.name


class ApiCredential(models.Model):
    """Lets another system act as a role. Only the SHA-256 of the secret is kept; it is shown once.

    While a secret is rotated, the one before works on until `previous_until`.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, verbose_name=_("workspace"))
    role = models.ForeignKey(Role, on_delete=models.PROTECT, verbose_name=_("role"))
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("public id"), max_length=24, unique=True)
    secret_hash = models.CharField(max_length=64, editable=False)
    previous_hash = models.CharField(max_length=64, blank=True, editable=False)
    previous_until = models.DateTimeField(_("older secret works until"), null=True, blank=True)
    calls_per_minute = models.PositiveIntegerField(
        _("calls per minute"), null=True, blank=True, help_text=_("Empty: as many as there are.")
    )
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, verbose_name=_("created by"))
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("API credential")
        verbose_name_plural = _("API credentials")

    is_active = True
    is_authenticated = True

    def __str__(self) -> str:
        return self.name


class CallCount(models.Model):
    """The calls of one credential within the present minute (`callrate.py`). Its table is unlogged."""

    credential = models.OneToOneField(ApiCredential, primary_key=True, on_delete=models.CASCADE)
    minute = models.DateTimeField()
    calls = models.PositiveIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.credential_id}: {self.calls}"


class SignInTry(models.Model):
    """Passwords tried for one account, or from one network (`slowing.py`). Its table is unlogged."""

    key = models.CharField(primary_key=True, max_length=64)
    tries = models.PositiveIntegerField()
    at = models.DateTimeField()
    free_at = models.DateTimeField()  # before this moment no try is looked at

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.key[:8]}: {self.tries}"


class TwoSteps(models.Model):
    """The second step of somebody's sign-in (`twosteps.py`), with the secret their app shares with us."""

    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="two_steps")
    sealed = models.BinaryField()
    confirmed_at = models.DateTimeField(null=True)  # until then nobody is asked for a code
    last_slot = models.BigIntegerField(default=0)  # the half minute whose code was used last
    codes = models.JSONField(default=list)  # hashes of the recovery codes that are left

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.user)


class AuditEntry(models.Model):
    """One state change. Written once: a trigger refuses any change, a hash chains the rows."""

    workspace = models.ForeignKey(
        Workspace, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    sequence = models.BigIntegerField()
    actor = models.CharField(max_length=200)
    actor_key = models.CharField(max_length=60)
    verb = models.CharField(max_length=60)
    object_type = models.CharField(max_length=60)
    object_key = models.CharField(max_length=60)
    object_label = models.CharField(max_length=200)
    details = models.JSONField(default=dict)
    at = models.DateTimeField()
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")
        default_permissions = ("view",)
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "sequence"], name="audit_sequence_once", nulls_distinct=False
            )
        ]
        indexes = [models.Index(fields=["object_type", "object_key"])]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="never_emptied",
                operation=pgtrigger.Truncate,
                level=pgtrigger.Statement,
                when=pgtrigger.Before,
                func="RAISE EXCEPTION 'the audit log is append-only: it cannot be truncated';",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor} {self.verb} {self.object_label}"


class Notification(models.Model):
    """One notice to one person: a kind and its values, put into words in the reader's language.

    `object_type` and `object_key` name what it is about; who may not see that any more sees no notice.
    """

    class Mail(models.TextChoices):
        NONE = "none"
        DUE = "due"
        SENT = "sent"
        LOST = "lost"  # given up after many tries

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notifications")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=40)
    values = models.JSONField(default=dict)
    object_type = models.CharField(max_length=60)
    object_key = models.CharField(max_length=60)
    address = models.CharField(max_length=500)
    once = models.CharField(max_length=100, blank=True)
    in_bell = models.BooleanField(default=True)
    mail = models.CharField(max_length=5, choices=Mail, default=Mail.NONE)
    tries = models.PositiveSmallIntegerField(default=0)
    try_at = models.DateTimeField(null=True)
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["user", "once"], name="told_once", condition=~models.Q(once=""))
        ]
        indexes = [
            models.Index(fields=["user", "-id"]),
            models.Index(fields=["try_at"], name="notice_mail_due", condition=models.Q(mail="due")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} → {self.user_id}"


class NoticePreference(models.Model):
    """How one person wants to hear of one kind of notice; without a row the kind's own default holds."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=40)
    bell = models.BooleanField(default=True)
    mail = models.BooleanField(default=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "kind"], name="preference_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.kind}"


class Heartbeat(models.Model):
    """When each running part was last seen alive: the clock, and the workers that it rings for."""

    part = models.CharField(primary_key=True, max_length=40)
    seen_at = models.DateTimeField()
    drift = models.FloatField(null=True)  # seconds that its clock is ahead of the database's

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.part
