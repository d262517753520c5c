"""Profiles, what we may send them, and the audiences they fall into.

Addresses are kept normalised (see `channels/kinds.py`), so that one person is one row and a suppressed
address stays suppressed however it is written.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from accounts.models import User, Workspace, validate_time_zone


class Profile(models.Model):
    """One person. `attributes` holds the workspace's own fields, typed by AttributeDefinition."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="profiles")
    email = models.CharField(_("email"), max_length=254, null=True, blank=True)
    phone = models.CharField(_("phone"), max_length=20, null=True, blank=True)
    locale = models.CharField(_("language"), max_length=35, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True, validators=[validate_time_zone])
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    is_test = models.BooleanField(_("test profile"), default=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now)

    class Meta:
        verbose_name = _("profile")
        verbose_name_plural = _("profiles")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["workspace", "email"], name="profile_email_once"),
            models.UniqueConstraint(fields=["workspace", "phone"], name="profile_phone_once"),
        ]
        indexes = [models.Index(fields=["workspace", "id"])]

    def __str__(self) -> str:
        return self.email or self.phone or f"#{self.pk}"


class AttributeDefinition(models.Model):
    class Type(models.TextChoices):
        TEXT = "text", _("text")
        NUMBER = "number", _("number")
        BOOLEAN = "boolean", _("yes or no")
        DATE = "date", _("date")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="attribute_definitions")
    key = models.CharField(_("key"), max_length=63)
    type = models.CharField(_("type"), max_length=10, choices=Type, default=Type.TEXT)

    class Meta:
        default_permissions = ()
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["workspace", "key"], name="attribute_key_once")]

    def __str__(self) -> str:
        return self.key


class Consent(models.Model):
    """What a person last said about one channel. No row means consent was never withdrawn."""

    class State(models.TextChoices):
        YES = "yes", _("agreed")
        NO = "no", _("opted out")

    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="consents")
    channel = models.CharField(max_length=20)
    state = models.CharField(max_length=3, choices=State)
    source = models.CharField(max_length=60)
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["profile", "channel"], name="consent_once")]

    def __str__(self) -> str:
        return f"{self.channel}: {self.state}"


class Suppression(models.Model):
    """An address nobody in the workspace writes to, whoever owns it. It outlives the profile."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE)
    channel = models.CharField(max_length=20)
    address = models.CharField(max_length=254)
    reason = models.CharField(max_length=60)
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["workspace", "channel", "address"], name="suppression_once")
        ]

    def __str__(self) -> str:
        return self.address


class Audience(models.Model):
    class Kind(models.TextChoices):
        RULE = "rule", _("Rule")
        UPLOAD = "upload", _("Upload")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="audiences")
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.RULE)
    rule = models.JSONField(_("rule"), default=dict, blank=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now)
    counted = models.IntegerField(_("people"), null=True, blank=True)
    counted_at = models.DateTimeField(_("counted"), null=True, blank=True)

    class Meta:
        verbose_name = _("audience")
        verbose_name_plural = _("audiences")
        default_permissions = ()
        permissions = [
            ("view_audience", "View audiences"),
            ("manage_audience", "Manage audiences and profiles, import"),
        ]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="audience_name_once")]

    def __str__(self) -> str:
        return self.name


class AudienceMember(models.Model):
    """A profile in an uploaded audience."""

    pk = models.CompositePrimaryKey("audience_id", "profile_id")
    audience = models.ForeignKey(Audience, on_delete=models.CASCADE, related_name="members")
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="+")

    class Meta:
        default_permissions = ()


class Import(models.Model):
    """One CSV file: read row by row into StagedRow at upload, then merged into profiles."""

    class State(models.TextChoices):
        STAGED = "staged", _("Ready to import")
        MERGING = "merging", _("Importing")
        COMPLETED = "completed", _("Imported")
        FAILED = "failed", _("Failed")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE)
    audience = models.ForeignKey(Audience, null=True, on_delete=models.CASCADE, related_name="imports")
    file_name = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.STAGED)
    columns = models.JSONField(default=list)
    total = models.IntegerField(default=0)
    cursor = models.IntegerField(default=0)  # number of the last row taken
    merged = models.IntegerField(default=0)
    created_count = models.IntegerField(default=0)
    changed_count = models.IntegerField(default=0)
    rejected_count = models.IntegerField(default=0)
    problems = models.JSONField(default=list)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.file_name


class StagedRow(models.Model):
    """A checked row of a file, waiting to be merged."""

    pk = models.CompositePrimaryKey("job_id", "number")
    job = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="rows")
    number = models.IntegerField()
    email = models.CharField(max_length=254, null=True)
    phone = models.CharField(max_length=20, null=True)
    locale = models.CharField(max_length=35, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)
    attributes = models.JSONField(default=dict)

    class Meta:
        default_permissions = ()


class AudienceUserPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(Audience, on_delete=models.CASCADE)


class AudienceGroupPermission(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Audience, on_delete=models.CASCADE)
