"""The ledger: a Message is written once, what happens to it is appended as Attempts.

A message is named by (run, action, ref). In an audience run `ref` is the profile's id, so the primary key
itself refuses a second message to one person; in a standing run it is a number from a sequence.
The state of a message is its last attempt's outcome; without an attempt it is queued.
These tables have no database foreign keys: a million rows are written in one statement. They are partitioned
by run, and the partitions of old runs are dropped whole (`delivery/retention.py`). Their indexes stand in the
migrations, because Django cannot write PARTITION BY.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audiences.models import Profile
from campaigns.models.run import Run


class Outcome(models.TextChoices):
    ACCEPTED = "accepted", _("Accepted")
    FAILED = "failed", _("Failed")
    EXCLUDED = "excluded", _("Excluded")
    CANCELLED = "cancelled", _("Cancelled")
    EXPIRED = "expired", _("Expired")
    UNCERTAIN = "uncertain", _("Uncertain")  # terminal unless the campaign resends
    DEFERRED = "deferred", _("Will be tried again")  # the only outcome that never ends a message


class Message(models.Model):
    pk = models.CompositePrimaryKey("run_id", "action", "ref")
    run = models.ForeignKey(
        Run, db_constraint=False, db_index=False, on_delete=models.DO_NOTHING, related_name="messages"
    )
    action = models.PositiveSmallIntegerField()
    ref = models.BigIntegerField()
    profile = models.ForeignKey(
        Profile, null=True, db_constraint=False, db_index=False, on_delete=models.DO_NOTHING, related_name="+"
    )
    address = models.CharField(max_length=2000, blank=True)
    variant = models.PositiveSmallIntegerField(default=0, db_default=0)
    # A wave and hour of the run: its batches hold messages of one slot. -1: excluded by the fan-out.
    slot = models.SmallIntegerField(default=0, db_default=0)

    class Meta:
        verbose_name = _("message")
        default_permissions = ()


class Attempt(models.Model):
    pk = models.CompositePrimaryKey("run_id", "action", "ref", "n")
    run = models.ForeignKey(
        Run, db_constraint=False, db_index=False, on_delete=models.DO_NOTHING, related_name="attempts"
    )
    action = models.PositiveSmallIntegerField()
    ref = models.BigIntegerField()
    n = models.PositiveSmallIntegerField()
    outcome = models.CharField(max_length=10, choices=Outcome)
    code = models.CharField(
        max_length=20, blank=True
    )  # the provider's, or an exclusion reason of the catalogue
    detail = models.TextField(null=True)  # null costs nothing in a million rows
    at = models.DateTimeField()
    retry_at = models.DateTimeField(null=True)
    provider_id = models.CharField(max_length=128, null=True)  # the provider's own name of the message

    class Meta:
        default_permissions = ()


class MessageContext(models.Model):
    """What a call said about one recipient: beside the message, never on the profile."""

    pk = models.CompositePrimaryKey("run_id", "action", "ref")
    run = models.ForeignKey(
        Run, db_constraint=False, db_index=False, on_delete=models.DO_NOTHING, related_name="+"
    )
    action = models.PositiveSmallIntegerField()
    ref = models.BigIntegerField()
    context = models.JSONField(default=dict)
    profile_override = models.JSONField(default=dict)
    audience_override = models.JSONField(default=dict, db_default={})

    class Meta:
        default_permissions = ()
