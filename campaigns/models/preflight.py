"""A look at every message of a draft before anybody gets one."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from accounts.models import User
from campaigns.models.campaign import Campaign


class Preflight(models.Model):
    """One look, of the content whose SHA-256 is `fingerprint`: it is stale once the campaign has another.

    `findings` are `[{code, level, action, detail, people, examples: [profile ids]}]`; `sms` is
    `[{action, parts, people}]`, where `people` get so many parts each.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="preflights")
    fingerprint = models.CharField(max_length=64)
    definition = models.JSONField()
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    checks_links = models.BooleanField(default=False)
    tries = models.PositiveSmallIntegerField(default=0)
    reached = models.IntegerField(default=0)  # messages that would leave
    to_check = models.IntegerField(default=0)  # of them, those that are looked at
    checked = models.IntegerField(default=0)
    findings = models.JSONField(default=list)
    sms = models.JSONField(default=list)
    spam = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    started_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    moved_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["moved_at"],
                name="preflight_open",
                condition=models.Q(state__in=["waiting", "running"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.created_at:%Y-%m-%d %H:%M}"
