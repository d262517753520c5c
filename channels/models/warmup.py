"""Warm-up plans: how many messages a day each mailbox provider may get from a sender it does not know yet."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User, Workspace
from channels.models.configuration import ChannelConfiguration


class WarmupPlan(models.Model):
    """`days` is `[{group: messages}]`, the first one on `starts_on`; `own_groups` is `{domain: group}`."""

    class State(models.TextChoices):
        NOT_STARTED = "not_started", _("Not started")
        LIVE = "live", pgettext_lazy("warm-up plan", "Live")
        COMPLETED = "completed", _("Completed")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="warmup_plans")
    configuration = models.ForeignKey(
        ChannelConfiguration, on_delete=models.CASCADE, related_name="warmup_plans"
    )
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=500, blank=True)
    state = models.CharField(_("status"), max_length=11, choices=State, default=State.NOT_STARTED)
    days = models.JSONField(_("volume of each day"), default=list)
    own_groups = models.JSONField(_("domain groups of one’s own"), default=dict, blank=True)
    starts_on = models.DateField(_("first day"), null=True)
    completed_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("warm-up plan")
        verbose_name_plural = _("warm-up plans")
        default_permissions = ()
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="warmup_plan_name_once"),
            models.UniqueConstraint(
                fields=["configuration"], name="one_live_warmup_plan", condition=models.Q(state="live")
            ),
        ]

    def __str__(self) -> str:
        return self.name


class WarmupCount(models.Model):
    """How many messages of a plan left on one of its days to one group, or may have left."""

    pk = models.CompositePrimaryKey("plan_id", "day", "group")
    plan_id = models.BigIntegerField()
    day = models.DateField()
    group = models.CharField(max_length=40)
    sent = models.IntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.plan_id} {self.day} {self.group}: {self.sent}"


class WarmupHold(models.Model):
    """A message on its way, which counts as sent until its outcome is known or `until` has passed."""

    pk = models.CompositePrimaryKey("run_id", "action", "ref")
    run_id = models.BigIntegerField()
    action = models.PositiveSmallIntegerField()
    ref = models.BigIntegerField()
    plan_id = models.BigIntegerField()
    group = models.CharField(max_length=40)
    until = models.DateTimeField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["plan_id", "group"], name="warmup_hold_of_group")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.action}/{self.ref}"
