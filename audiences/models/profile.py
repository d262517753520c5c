"""A person, the names other systems know them by, and the fields a workspace keeps about its people.

Addresses are kept normalised (see `channels/kinds.py`), so that one person is one row and a suppressed
address stays suppressed however it is written.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import MD5
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace, validate_time_zone


class Profile(models.Model):
    """One person. `attributes` holds the workspace's own fields, typed by AttributeDefinition.

    The names a person has one of are columns, so that an import finds and writes a page of people in one
    statement; those a person may have several of are rows of Identity.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="profiles")
    email = models.CharField(_("email"), max_length=254, null=True, blank=True)
    phone = models.CharField(_("phone"), max_length=20, null=True, blank=True)
    external_id = models.CharField(_("external id"), max_length=128, null=True, blank=True)
    locale = models.CharField(_("language"), max_length=35, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True, validators=[validate_time_zone])
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    is_test = models.BooleanField(_("test profile"), default=False)
    # Of this person no open and no click is recorded, and their messages hold plain links.
    is_untracked = models.BooleanField(_("not followed"), default=False, db_default=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now)

    class Meta:
        verbose_name = _("profile")
        verbose_name_plural = _("profiles")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["workspace", "email"], name="profile_email_once"),
            models.UniqueConstraint(fields=["workspace", "phone"], name="profile_phone_once"),
            models.UniqueConstraint(fields=["workspace", "external_id"], name="profile_external_id_once"),
        ]
        indexes = [
            models.Index(fields=["workspace", "id"]),
            models.Index(  # for the start of an address, whatever the database's collation
                fields=["workspace", "email"],
                opclasses=["int8_ops", "varchar_pattern_ops"],
                name="profile_email_start",
            ),
        ]

    def __str__(self) -> str:
        return self.email or self.phone or self.external_id or f"#{self.pk}"


class IdentityNamespace(models.Model):
    """A namespace the workspace invented. The built-in ones are named in `audiences/identities.py`."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="identity_namespaces")
    key = models.CharField(_("key"), max_length=63)
    label = models.CharField(_("label"), max_length=100, blank=True)

    class Meta:
        verbose_name = _("identity namespace")
        default_permissions = ()
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["workspace", "key"], name="namespace_key_once")]

    def __str__(self) -> str:
        return self.label or self.key


class Identity(models.Model):
    """A name of a person in a namespace that is no column: a push token, a LINE id, a workspace's own.

    A browser's push subscription may be longer than an index takes, so the digest is what is unique.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="identities")
    namespace = models.CharField(max_length=63)
    value = models.CharField(max_length=2000)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        ordering = ["namespace", "value"]
        constraints = [models.UniqueConstraint("workspace", "namespace", MD5("value"), name="identity_once")]

    def __str__(self) -> str:
        return f"{self.namespace}: {self.value}"


class AttributeDefinition(models.Model):
    """A field the workspace keeps about its people. How each type is stored: `audiences/attributes.py`."""

    class Type(models.TextChoices):
        TEXT = "text", _("text")
        NUMBER = "number", _("number")
        BOOLEAN = "boolean", _("yes or no")
        DATE = "date", _("date")
        DATE_TIME = "datetime", _("date and time")
        LIST = "list", _("list")
        CHOICE = "choice", _("choice")
        EMAIL = "email", _("email address")
        PHONE = "phone", _("phone number")

    class Index(models.TextChoices):
        NONE = "none", _("not indexed")
        WANTED = "wanted", _("index waiting")
        BUILDING = "building", _("index being built")
        READY = "ready", _("indexed")
        FAILED = "failed", _("index failed")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="attribute_definitions")
    key = models.CharField(_("key"), max_length=63)
    label = models.CharField(_("label"), max_length=100, blank=True)
    type = models.CharField(_("type"), max_length=10, choices=Type, default=Type.TEXT)
    choices = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    index_state = models.CharField(max_length=10, choices=Index, default=Index.NONE)
    is_converting = models.BooleanField(default=False)  # people hold values of two types just now
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    class Meta:
        verbose_name = _("attribute")
        default_permissions = ()
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["workspace", "key"], name="attribute_key_once")]

    def __str__(self) -> str:
        return self.label or self.key


class AttributeConversion(models.Model):
    """An attribute on its way to another type or to other choices: the last one of it, over or under way.

    First every value is read, and the old type still counts; only when all fit is one page of people after
    the other written. What it passes through: `audiences/conversions.py`.
    """

    class State(models.TextChoices):
        CHECKING = "checking", _("Checking the values")
        CONVERTING = "converting", _("Converting the values")
        DONE = "done", _("Converted")
        REFUSED = "refused", _("Not converted")

    definition = models.OneToOneField(
        AttributeDefinition, on_delete=models.CASCADE, related_name="conversion"
    )
    type = models.CharField(max_length=10, choices=AttributeDefinition.Type)
    label = models.CharField(max_length=100, blank=True)
    choices = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.CHECKING)
    reason = models.CharField(max_length=20, blank=True)  # a code of conversions.REASONS
    cursor = models.BigIntegerField(default=0)  # the last person read in this state
    seen_count = models.BigIntegerField(default=0)
    people_count = models.BigIntegerField(null=True)  # counted when the work begins
    misfit_count = models.BigIntegerField(default=0)
    examples = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    worked_at = models.DateTimeField(null=True)  # a worker's last page; the sweep rings for a silent one
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.definition_id} → {self.type}"

    @property
    def is_over(self) -> bool:
        return self.state in (self.State.DONE, self.State.REFUSED)

    @property
    def share(self) -> int:
        """Percent of the whole way; every person is read twice."""
        if self.state == self.State.DONE:
            return 100
        half = min(50, 50 * self.seen_count // self.people_count) if self.people_count else 0
        return half + (50 if self.state == self.State.CONVERTING else 0)
