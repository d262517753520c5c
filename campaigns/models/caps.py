"""How often people were written to, counted per hour for the frequency caps.

Kept only in workspaces that ever had a cap (CapTally). These tables have no database foreign keys, like the
ledger beside which they are written.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from accounts.models import Workspace


class CapTally(models.Model):
    """From then on the workspace's marketing messages are counted; what was sent before was counted once."""

    workspace = models.OneToOneField(Workspace, primary_key=True, on_delete=models.CASCADE, related_name="+")
    begun_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.workspace_id}: since {self.begun_at}"


class SentCount(models.Model):
    """How many marketing messages to a person were accepted on a channel in one hour (UTC)."""

    pk = models.CompositePrimaryKey("profile_id", "channel", "hour")
    profile_id = models.BigIntegerField()
    channel = models.CharField(max_length=20)
    hour = models.DateTimeField()
    sent = models.IntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.profile_id} {self.channel} {self.hour:%Y-%m-%d %H}: {self.sent}"


class CapHold(models.Model):
    """A message on its way, which counts as sent until its outcome is known or `until` has passed."""

    pk = models.CompositePrimaryKey("run_id", "action", "ref")
    run_id = models.BigIntegerField()
    action = models.PositiveSmallIntegerField()
    ref = models.BigIntegerField()
    profile_id = models.BigIntegerField()
    channel = models.CharField(max_length=20)
    until = models.DateTimeField()
    is_uncertain = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["profile_id"], name="cap_hold_of_person")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.action}/{self.ref}"
