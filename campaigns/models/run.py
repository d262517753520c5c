"""One sending of a campaign, and the batches it is cut into.

A Run is unique per campaign and due time: two clocks, a redelivered task or a double click cannot make two.
A Batch is a range of messages; it carries the lease, the epoch (fencing token) and the counts.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from campaigns.models.campaign import Campaign, Version


class Run(models.Model):
    class Kind(models.TextChoices):
        SCHEDULED = "scheduled", pgettext_lazy("type of campaign", "Scheduled")
        STANDING = "standing", _("API-triggered")
        AUDIENCE = "audience", _("API-triggered, to an audience")
        PROOF = "proof", _("Proof")  # of a draft, or copies for a seed list: never in a report

    class State(models.TextChoices):
        DUE = "due", _("Waiting for its time")
        EXPANDING = "expanding", _("Preparing")
        SENDING = "sending", _("Sending")
        STOPPING = "stopping", _("Stopping")
        COMPLETED = "completed", _("Completed")
        STOPPED = "stopped", _("Stopped")
        FAILED = "failed", _("Failed")
        MISSED = "missed", _("Missed")

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="runs")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="runs")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.SCHEDULED)
    state = models.CharField(max_length=10, choices=State, default=State.DUE)
    due_at = models.DateTimeField()
    audience = models.JSONField(null=True)  # in place of the version's, as a call named it; frozen then
    context = models.JSONField(default=dict)  # what a call says to everybody
    wall_clock = models.CharField(max_length=19, blank=True)  # the schedule's hour, for each person's zone
    cursor = models.BigIntegerField(default=0)  # the last profile written as a message
    ceiling = models.BigIntegerField(null=True)  # the last profile there was when the fan-out began
    targeted = models.IntegerField(default=0)
    left_out = models.JSONField(default=dict)  # {reason's code: messages} of those excluded by the fan-out
    samples = models.JSONField(default=list, db_default=[])  # [seconds, settled] of the last minute
    totals = models.JSONField(null=True)  # the ledger as it was when the run ended
    decision = models.JSONField(null=True)  # the treatment that the rest gets, and why (reports/trials.py)
    weights = models.JSONField(null=True)  # parts of the treatments, where they change (delivery/bandits.py)
    dropped_at = models.DateTimeField(null=True)  # when its messages were dropped; the totals stay
    events_dropped_at = models.DateTimeField(null=True)  # the first of its events; its counts stay
    # {action: {outcome/code: messages}} that are kept no more while it goes on taking calls.
    pruned = models.JSONField(default=dict, db_default={})
    reason = models.CharField(max_length=200, blank=True)
    # Who ordered a proof or a call: see accounts/orders.py.
    ordered_by = models.CharField(max_length=40, blank=True, default="", db_default="")
    started_at = models.DateTimeField(null=True)
    expanded_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)
    stop_bound = models.IntegerField(null=True)  # how many could still leave after that
    finished_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("run")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "due_at"],
                name="run_once",
                condition=~models.Q(kind__in=["audience", "proof"]),
            )
        ]
        indexes = [models.Index(fields=["state", "due_at"])]

    def __str__(self) -> str:
        return f"{self.campaign_id} @ {self.due_at:%Y-%m-%d %H:%M}"

    @property
    def audience_id(self) -> int | None:
        """The audience it goes to: the call's, or else the version's."""
        frozen = self.audience or self.version.definition.get("audience")
        return frozen["id"] if frozen else None


class Batch(models.Model):
    """The messages `lo`…`hi` of one run, action and slot, delivered as one piece of work.

    `in_flight` holds the refs whose hand-over may have begun and has no attempt yet: after a crash these are
    uncertain, and no others. `tally` counts the settled ones by outcome, or by outcome/code.
    """

    class State(models.TextChoices):
        WAITING = "waiting"  # for the winner of an experiment
        READY = "ready"
        CLAIMED = "claimed"
        DONE = "done"
        ABANDONED = "abandoned"

    class Lane(models.TextChoices):
        BULK = "bulk"
        URGENT = "urgent"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="batches")
    action = models.PositiveSmallIntegerField()
    lo = models.BigIntegerField()
    hi = models.BigIntegerField()
    size = models.IntegerField()
    slot = models.PositiveSmallIntegerField(default=0, db_default=0)
    wave = models.PositiveSmallIntegerField(default=0, db_default=0)
    lane = models.CharField(max_length=6, choices=Lane, default=Lane.BULK)
    state = models.CharField(max_length=9, choices=State, default=State.READY)
    send_after = models.DateTimeField()
    owner = models.CharField(max_length=80, blank=True)
    epoch = models.IntegerField(default=0)
    claims = models.IntegerField(default=0)
    claimed_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    in_flight = ArrayField(models.BigIntegerField(), null=True)
    tally = models.JSONField(default=dict, db_default={})
    rung_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    counted = models.BooleanField(default=False, db_default=False)  # it is in the run's counts

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["run", "state"]),
            models.Index(
                fields=["id"],
                name="batch_uncounted",
                condition=models.Q(counted=False, state__in=["done", "abandoned"]),
            ),
            models.Index(
                fields=["lane", "send_after"],
                name="batch_open",
                condition=models.Q(state__in=["ready", "claimed"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.action} {self.lo}…{self.hi}"
