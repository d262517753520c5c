"""Rule sets: how often one person may be written to, and when nobody is."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User, Workspace


class RuleState(models.TextChoices):
    DRAFT = "draft", _("Draft")
    ACTIVE = "active", _("Active")
    INACTIVE = "inactive", _("Inactive")


class RuleSet(models.Model):
    """The global one of a workspace holds for every marketing message, the others where they are chosen."""

    State = RuleState
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="rule_sets")
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=500, blank=True)
    is_global = models.BooleanField(default=False, editable=False)
    state = models.CharField(_("status"), max_length=8, choices=RuleState, default=RuleState.DRAFT)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("rule set")
        verbose_name_plural = _("rule sets")
        default_permissions = ()
        ordering = ["-is_global", "name"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="rule_set_name_once"),
            models.UniqueConstraint(
                fields=["workspace"], name="one_global_rule_set", condition=models.Q(is_global=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        """Its name; that of the one every workspace is born with, in the reader's language."""
        return gettext("Global default") if self.is_global and self.name == "Global default" else self.name


class Rule(models.Model):
    """A cap: at most `count` in a calendar window of `every` × `unit`, in UTC, over its channels together.

    Quiet hours: `periods` as `quiet.py` reads them, in `zone` (empty: the recipient's own, or
    `default_zone` for people without one).
    """

    class Kind(models.TextChoices):
        CAP = "cap", _("Frequency cap")
        QUIET = "quiet", _("Quiet hours")

    class Unit(models.TextChoices):
        HOUR = "hour", _("hours")
        DAY = "day", _("days")
        WEEK = "week", _("weeks")
        MONTH = "month", _("months")

    class Handling(models.TextChoices):
        QUEUE = "queue", _("Queue: sent when the quiet time ends")
        DISCARD = "discard", _("Discard: not sent at all")

    State = RuleState
    rule_set = models.ForeignKey(RuleSet, on_delete=models.CASCADE, related_name="rules")
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(max_length=5, choices=Kind)
    state = models.CharField(_("status"), max_length=8, choices=RuleState, default=RuleState.DRAFT)
    channels = ArrayField(models.CharField(max_length=20), verbose_name=_("channels"))
    count = models.PositiveIntegerField(_("at most"), default=1)
    unit = models.CharField(_("per"), max_length=5, choices=Unit, default=Unit.WEEK)
    every = models.PositiveSmallIntegerField(_("every"), default=1)
    zone = models.CharField(_("time zone"), max_length=64, blank=True)
    default_zone = models.CharField(_("time zone of people without one"), max_length=64, blank=True)
    handling = models.CharField(
        _("what becomes of a message"), max_length=7, choices=Handling, default=Handling.QUEUE
    )
    periods = models.JSONField(_("periods"), default=list, blank=True)

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        default_permissions = ()
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["rule_set", "name"], name="rule_name_once")]

    def __str__(self) -> str:
        return self.name
