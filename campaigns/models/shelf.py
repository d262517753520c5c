"""What helps people find and follow campaigns: saved views, who follows what, and other calendars."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User, Workspace
from campaigns.models.campaign import Campaign


class SavedView(models.Model):
    """The list's filters, order and columns under a name. Shared: everybody in the workspace may use it."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=60)
    query = models.CharField(max_length=2000)
    is_shared = models.BooleanField(_("for everybody in the workspace"), default=False)

    class Meta:
        verbose_name = _("saved view")
        default_permissions = ()
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "owner", "name"], name="view_name_once")]

    def __str__(self) -> str:
        return self.name


class Columns(models.Model):
    """The columns one person chose for the list of campaigns."""

    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="+")
    names = models.JSONField(default=list)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return ", ".join(self.names)


class Follow(models.Model):
    """Somebody's own wish to hear about one campaign, or not to."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="follows")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    wants = models.BooleanField(default=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["campaign", "user"], name="follow_once")]

    def __str__(self) -> str:
        return f"{self.user_id} → {self.campaign_id}"


class ExternalCalendar(models.Model):
    """Holidays, shop events: dates from a file, shown beside the campaigns of the workspace."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=60)
    added_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    added_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("external calendar")
        default_permissions = ()
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="calendar_name_once")]

    def __str__(self) -> str:
        return self.name


class CalendarEntry(models.Model):
    """`last` is the last day of it, itself included."""

    calendar = models.ForeignKey(ExternalCalendar, on_delete=models.CASCADE, related_name="entries")
    name = models.CharField(max_length=200)
    first = models.DateField()
    last = models.DateField()

    class Meta:
        default_permissions = ()
        ordering = ["first", "name"]

    def __str__(self) -> str:
        return self.name
