"""Seed lists: addresses of our own that get a copy of whatever a configuration carries."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User, Workspace
from channels.models.configuration import ChannelConfiguration


class SeedList(models.Model):
    """`test_profile` is the id of the person whose data fills the copies, where one was chosen."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="seed_lists")
    name = models.CharField(_("name"), max_length=100)
    addresses = ArrayField(models.CharField(max_length=254), verbose_name=_("addresses"), default=list)
    test_profile = models.BigIntegerField(_("test profile"), null=True, blank=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("seed list")
        verbose_name_plural = _("seed lists")
        default_permissions = ()
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="seed_list_name_once")]

    def __str__(self) -> str:
        return self.name


class SeedUse(models.Model):
    """The one seed list of a configuration."""

    configuration = models.OneToOneField(
        ChannelConfiguration, primary_key=True, on_delete=models.CASCADE, related_name="seed_use"
    )
    seed_list = models.ForeignKey(SeedList, on_delete=models.CASCADE, related_name="uses")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.configuration_id}: {self.seed_list_id}"
