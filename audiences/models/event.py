"""What people did, as other systems tell us. Partitioned by month, so that old months are dropped whole.

The partitions are made and dropped by `audiences/events.py`. There are no database foreign keys: millions
of rows come in by COPY, and erasing a person removes theirs (`audiences/erasure.py`).
"""

from __future__ import annotations

from django.db import models

from accounts.models import Workspace
from audiences.models.profile import Profile


class ProfileEvent(models.Model):
    """One thing a person did. `key` is the sender's own id of it: the same key and time is the same event."""

    pk = models.CompositePrimaryKey("id", "at")
    id = models.BigIntegerField()
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    profile = models.ForeignKey(
        Profile, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="events"
    )
    name = models.CharField(max_length=63)
    at = models.DateTimeField()
    properties = models.JSONField(default=dict)
    key = models.CharField(max_length=128, null=True)
    received_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M}"
