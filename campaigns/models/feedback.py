"""Feedback webhooks: where other systems hear what became of their messages, and what each was told."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User, Workspace
from channels.models import Credential


class FeedbackKind(models.TextChoices):
    ACCEPTED = "message.accepted", _("A provider took a message")
    DELIVERED = "message.delivered", _("A message was delivered")
    FAILED = "message.failed", _("A message failed")
    EXCLUDED = "message.excluded", _("A message was left out or cancelled")
    BOUNCED = "message.bounced", _("A message bounced")
    OPENED = "message.opened", _("A message was opened")
    CLICKED = "message.clicked", _("A link was followed")
    UNSUBSCRIBED = "message.unsubscribed", _("Somebody unsubscribed")
    COMPLAINED = "message.complained", _("Somebody complained")
    CAMPAIGN = "campaign.changed", _("A campaign changed its state")
    RUN = "run.changed", _("A run began or ended")


class FeedbackEndpoint(models.Model):
    """One address. Two secrets sign while the older one is let live on, so that none is lost in a change."""

    class Off(models.TextChoices):
        BY_HAND = "by_hand", _("Switched off by hand")
        FAILING = "failing", _("It did not answer for days")
        GONE = "gone", _("It answered that it is gone for good")

    VIEW_PERMISSION = "accounts.manage_workspace"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="feedback_endpoints")
    name = models.CharField(max_length=100)
    url = models.CharField(max_length=2000)
    kinds = ArrayField(models.CharField(max_length=30, choices=FeedbackKind))
    only_triggered = models.BooleanField(default=True)
    secret = models.ForeignKey(Credential, null=True, on_delete=models.PROTECT, related_name="+")
    older_secret = models.ForeignKey(Credential, null=True, on_delete=models.PROTECT, related_name="+")
    older_until = models.DateTimeField(null=True)
    is_on = models.BooleanField(default=True)
    off_reason = models.CharField(max_length=10, blank=True, choices=Off)
    on_since = models.DateTimeField()  # what happened before is not told
    audit_position = models.BigIntegerField(default=0)  # of the workspace's log, told up to there
    failing_since = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0)  # rounds without any success, one after the other
    resume_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)  # of the one worker that posts to it
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("feedback endpoint")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="feedback_name_once")]

    def __str__(self) -> str:
        return self.name


class FeedbackBatch(models.Model):
    """A batch that is over and whose messages are still to be told. Written with its count."""

    batch = models.BigIntegerField(primary_key=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.batch)


# Why a try was no success, in words; what is not here is told by its code.
REASONS = {
    "refused": _("It answered with an error."),
    "redirected": _("It pointed to another address, which is not followed."),
    "secret_unreadable": _("The secret cannot be read: rotate it."),
    "timeout": _("It did not answer in time."),
    "broken": _("It was not reached, or the line broke."),
    "name_unknown": _("Nobody knows its name."),
    "tls": _("Its certificate was refused."),
    "url_not_allowed": _("Its address is not allowed."),
}


class FeedbackDelivery(models.Model):
    """One event for one endpoint, and each try: `log` is `[{"at", "status", "code", "ms"}]`, the last 20."""

    class State(models.TextChoices):
        DUE = "due", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Given up")

    endpoint = models.ForeignKey(FeedbackEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    event_id = models.CharField(max_length=80)
    kind = models.CharField(max_length=30)
    happened_at = models.DateTimeField()
    body = models.JSONField()
    profile_id = models.BigIntegerField(null=True)
    state = models.CharField(max_length=9, choices=State, default=State.DUE, db_default=State.DUE)
    tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    next_at = models.DateTimeField()
    tried_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)  # of the last answer
    code = models.CharField(
        max_length=30, blank=True, default="", db_default=""
    )  # ours: why it is no success
    log = models.JSONField(default=list, db_default=[])
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["endpoint", "event_id"], name="feedback_event_once")]
        indexes = [
            models.Index(
                fields=["endpoint", "next_at"], name="feedback_due", condition=models.Q(state="due")
            ),
            models.Index(fields=["endpoint", "-id"], name="feedback_log"),
            models.Index(fields=["created_at"], name="feedback_age"),
            models.Index(
                fields=["profile_id"],
                name="feedback_of_profile",
                condition=models.Q(profile_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.event_id

    @property
    def reason(self) -> str:
        return str(REASONS.get(self.code, self.code))
