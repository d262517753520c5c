"""Channel configurations: which provider carries which kind of message, as whom, with which settings.

Secrets stand in Credential, sealed (see `sealing.py`); everything else about a provider is plain JSON that
the provider's own form has checked.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from accounts.models import User, Workspace


class Credential(models.Model):
    """A provider's secret, sealed with authenticated encryption and bound to this row."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE)
    name = models.CharField(_("name"), max_length=100)
    sealed = models.BinaryField(default=bytes, editable=False)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class ChannelConfiguration(models.Model):
    class Kind(models.TextChoices):
        MARKETING = "marketing", _("Marketing")
        TRANSACTIONAL = "transactional", _("Transactional")

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PROCESSING = "processing", _("Processing")
        ACTIVE = "active", _("Active")
        FAILED = "failed", _("Failed")
        DEACTIVATED = "deactivated", _("Deactivated")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="channel_configurations")
    name = models.CharField(_("name"), max_length=100)
    channel = models.CharField(_("channel"), max_length=20, default="email")
    kind = models.CharField(_("type"), max_length=20, choices=Kind, default=Kind.MARKETING)
    status = models.CharField(_("status"), max_length=20, choices=Status, default=Status.DRAFT)
    provider = models.CharField(_("provider"), max_length=40)
    settings = models.JSONField(_("settings"), default=dict, blank=True)
    credential = models.ForeignKey(Credential, null=True, blank=True, on_delete=models.PROTECT)
    sender_name = models.CharField(_("sender name"), max_length=100)
    sender_email = models.EmailField(_("sender email"))
    reply_to = models.EmailField(_("reply-to email"), blank=True)
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


class ChannelConfigurationUserPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(ChannelConfiguration, on_delete=models.CASCADE)


class ChannelConfigurationGroupPermission(GroupObjectPermissionBase):
    content_object = models.ForeignKey(ChannelConfiguration, on_delete=models.CASCADE)
