"""Channel configurations: which provider carries which kind of message, as whom, with which settings.

The configuration's own row holds what serves now. Each check of it is a ConfigurationVersion; one that passes
is copied into the row. Secrets stand in Credential, sealed (see `sealing.py`); everything else about a
provider is plain JSON that the provider's own form has checked.
"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from accounts.models import AccessLabel, User, Workspace
from common.wording import spoken


class Credential(models.Model):
    """A provider's secret, sealed with authenticated encryption and bound to this row."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE)
    name = models.CharField(_("name"), max_length=100)
    sealed = models.BinaryField(default=bytes, editable=False)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("secret of a provider")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class Setup(models.Model):
    """What a check finds good or bad, and what a version keeps."""

    class Kind(models.TextChoices):
        MARKETING = "marketing", _("Marketing")
        TRANSACTIONAL = "transactional", _("Transactional")

    kind = models.CharField(_("type"), max_length=20, choices=Kind, default=Kind.MARKETING)
    provider = models.CharField(_("provider"), max_length=40)
    settings = models.JSONField(_("settings"), default=dict, blank=True)
    credential = models.ForeignKey(Credential, null=True, blank=True, on_delete=models.PROTECT)
    sender_name = models.CharField(_("sender name"), max_length=100)
    sender_email = models.EmailField(_("sender email"))
    reply_to = models.EmailField(_("reply-to email"), blank=True)

    class Meta:
        abstract = True


class ChannelConfiguration(Setup):
    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PROCESSING = "processing", _("Processing")
        ACTIVE = "active", _("Active")
        FAILED = "failed", _("Failed")
        DEACTIVATED = "deactivated", _("Deactivated")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="channel_configurations")
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=500, blank=True)
    channel = models.CharField(_("channel"), max_length=20, default="email")
    marketing_actions = ArrayField(
        models.CharField(max_length=60), verbose_name=_("marketing actions"), default=list, blank=True
    )
    labels = models.ManyToManyField(AccessLabel, blank=True, related_name="+", verbose_name=_("labels"))
    status = models.CharField(_("status"), max_length=20, choices=Status, default=Status.DRAFT)
    serving = models.PositiveIntegerField(null=True, editable=False)  # the version's number
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("channel configuration")
        verbose_name_plural = _("channel configurations")
        default_permissions = ()
        permissions = [
            ("view_channelconfiguration", "View channel configurations"),
            ("manage_channelconfiguration", "Manage channel configurations"),
        ]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="configuration_name_once")]

    def __str__(self) -> str:
        return self.name


class ConfigurationVersion(Setup):
    """One check of a configuration and what was checked. `steps` is the dialogue as it was held:
    `[{"name", "verdict": good | warning | failed, "said"}]`, with texts as `common/wording.py` keeps them;
    `dialogue` is the same for whoever reads it now. `changes` is `[{"field", "before", "after"}]`.
    """

    class State(models.TextChoices):
        PROCESSING = "processing", _("Processing")
        PASSED = "passed", _("Success")
        FAILED = "failed", _("Failed")

    configuration = models.ForeignKey(ChannelConfiguration, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=20, choices=State, default=State.PROCESSING)
    changes = models.JSONField(default=list)
    steps = models.JSONField(default=list)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["configuration", "number"], name="configuration_version_once"),
            models.UniqueConstraint(
                fields=["configuration"], name="one_check_at_a_time", condition=models.Q(state="processing")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.configuration_id} v{self.number}"

    @property
    def dialogue(self) -> list[dict[str, str]]:
        return spoken_steps(self.steps)


def spoken_steps(steps: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [{**step, "name": spoken(step["name"]), "said": spoken(step["said"])[:500]} for step in steps]


class ChannelConfigurationUserPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(ChannelConfiguration, on_delete=models.CASCADE)


class ChannelConfigurationGroupPermission(GroupObjectPermissionBase):
    content_object = models.ForeignKey(ChannelConfiguration, on_delete=models.CASCADE)
