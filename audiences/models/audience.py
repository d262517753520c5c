"""A group of people a campaign may go to: by rule, by upload, put together from others, or a topic's list."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from accounts.models import AccessLabel, User, Workspace
from audiences.models.consent import Topic
from audiences.models.profile import Profile


class Audience(models.Model):
    class Kind(models.TextChoices):
        RULE = "rule", _("Rule")
        UPLOAD = "upload", _("Upload")
        COMPOSITION = "composition", _("Composition")
        SUBSCRIPTION = "subscription", _("Subscription list")

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("Published")
        ARCHIVED = "archived", _("Archived")

    class Refresh(models.TextChoices):
        MANUAL = "manual", _("only when asked")
        HOURLY = "hourly", _("every hour")
        DAILY = "daily", _("every day")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="audiences")
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=500, blank=True)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind, default=Kind.RULE)
    state = models.CharField(_("status"), max_length=10, choices=State, default=State.PUBLISHED)
    rule = models.JSONField(_("rule"), default=dict, blank=True)
    composition = models.JSONField(_("composition"), default=dict, blank=True)
    topic = models.ForeignKey(
        Topic, null=True, blank=True, on_delete=models.PROTECT, related_name="audiences"
    )
    # What is kept with each membership of an uploaded list, {key: type} in the order it came.
    fields = models.JSONField(default=dict, db_default={}, blank=True)
    owner = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True, verbose_name=_("tags"))
    labels = models.ManyToManyField(AccessLabel, blank=True, related_name="+", verbose_name=_("labels"))
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now)
    counted = models.IntegerField(_("people"), null=True, blank=True)
    counted_at = models.DateTimeField(_("last evaluated"), null=True, blank=True)
    refresh = models.CharField(_("evaluated"), max_length=10, choices=Refresh, default=Refresh.MANUAL)
    next_evaluation_at = models.DateTimeField(_("next evaluation"), null=True, blank=True, db_index=True)

    class Meta:
        verbose_name = _("audience")
        verbose_name_plural = _("audiences")
        default_permissions = ()
        permissions = [
            ("view_audience", "View audiences"),
            ("manage_audience", "Manage audiences and profiles, import"),
        ]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="audience_name_once")]
        indexes = [GinIndex(fields=["tags"], name="audience_tags")]

    def __str__(self) -> str:
        return self.name


class AudienceMember(models.Model):
    """A profile in an uploaded audience. `fields` holds what the list says of them there, by the audience's
    keys and in the stored form of `typed.py`.
    """

    pk = models.CompositePrimaryKey("audience_id", "profile_id")
    audience = models.ForeignKey(Audience, on_delete=models.CASCADE, related_name="members")
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="+")
    fields = models.JSONField(default=dict, db_default={})

    class Meta:
        default_permissions = ()


class AudienceSize(models.Model):
    """How large an audience was when it was evaluated, and how long that took.

    `reach` says for each channel how many of them marketing would reach (under the empty reason), and how
    many not, by the code of what keeps it from them: {"email": {"": 90, "050101": 10}}.
    """

    audience = models.ForeignKey(Audience, on_delete=models.CASCADE, related_name="sizes")
    at = models.DateTimeField()
    people = models.IntegerField()
    milliseconds = models.IntegerField()
    reach = models.JSONField(default=dict)

    class Meta:
        default_permissions = ()
        ordering = ["-at"]
        indexes = [models.Index(fields=["audience", "-at"])]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}: {self.people}"


class AudienceUserPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(Audience, on_delete=models.CASCADE)


class AudienceGroupPermission(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Audience, on_delete=models.CASCADE)
