"""What people (and machines) did with a message, appended as it comes in.

Partitioned by month, so that old months are dropped whole (`delivery/retention.py`).
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from campaigns.models.run import Run


class Event(models.Model):
    class Kind(models.TextChoices):
        OPEN = "open", _("Open")
        CLICK = "click", _("Click")
        UNSUBSCRIBE = "unsubscribe", _("Unsubscribe")
        BOUNCE = "bounce", _("Bounce")
        COMPLAINT = "complaint", _("Complaint")
        DELIVERED = "delivered", _("Delivered")

    run = models.ForeignKey(
        Run, db_constraint=False, db_index=False, on_delete=models.DO_NOTHING, related_name="events"
    )
    action = models.PositiveSmallIntegerField()
    ref = models.BigIntegerField()
    kind = models.CharField(max_length=12, choices=Kind)
    at = models.DateTimeField()
    link = models.PositiveSmallIntegerField(null=True)
    user_agent = models.CharField(max_length=200, blank=True)
    signals = models.PositiveSmallIntegerField(default=0, db_default=0)  # bits of machines.Signal
    # The rule that took it for a machine's, empty: a person's; and the version of the rules, 0: the door's.
    machine = models.CharField(max_length=20, blank=True, default="", db_default="")
    judged = models.PositiveSmallIntegerField(default=0, db_default=0)
    # Of a bounce: whose fault it is, a `channels.messages.Fault`; empty where nobody told.
    fault = models.CharField(max_length=12, blank=True, default="", db_default="")

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["run", "kind", "action", "ref"], name="event_of_message"),
            models.Index(
                fields=["id"],
                condition=models.Q(judged=0, kind__in=["open", "click"]),
                name="event_unjudged",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.run_id}/{self.action}/{self.ref}"
