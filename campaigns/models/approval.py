"""Who must agree before a campaign goes out, what they were asked, and what each of them said.

A policy's `conditions` and `approvers` are plain JSON (`campaigns/policies.py` reads them); a request keeps
the approvers as they stood when it was made, and the fingerprint of the version that was shown.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User, Workspace
from campaigns.models.campaign import Campaign, Version


class ApprovalPolicy(models.Model):
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="approval_policies")
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=500, blank=True)
    priority = models.SmallIntegerField(
        _("priority"), default=0, help_text=_("Where several apply, the highest priority decides.")
    )
    is_default = models.BooleanField(
        _("applies where no other does"),
        default=False,
        help_text=_("Without such a policy, what none applies to is approved by itself."),
    )
    conditions = models.JSONField(_("conditions"), default=dict, blank=True)
    approvers = models.JSONField(_("approvers"), default=dict)
    remind_hours = models.PositiveSmallIntegerField(
        _("remind after hours"), default=24, help_text=_("0: no reminder.")
    )
    is_active = models.BooleanField(_("active"), default=False)
    activated_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("approval policy")
        verbose_name_plural = _("approval policies")
        default_permissions = ()
        ordering = ["-priority", "name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="policy_name_once")]

    def __str__(self) -> str:
        return self.name


class ApprovalRequest(models.Model):
    class State(models.TextChoices):
        OPEN = "open", _("Waiting")
        APPROVED = "approved", _("Approved")
        CHANGES = "changes", _("Changes requested")
        CANCELLED = "cancelled", _("Cancelled")
        LAPSED = "lapsed", _("Lapsed")  # approved once, and edited since

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="approval_requests")
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="approval_requests")
    fingerprint = models.CharField(max_length=64)
    policy = models.ForeignKey(ApprovalPolicy, null=True, on_delete=models.SET_NULL, related_name="+")
    approvers = models.JSONField(default=dict)
    requested_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    message = models.TextField(_("message"), blank=True)
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    requested_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    reminded_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("approval request")
        default_permissions = ()
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign"], name="one_open_request", condition=models.Q(state="open")
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.state}"


class ApprovalDecision(models.Model):
    """One person's word on one request, given as themselves and for those whose stand-in they were then."""

    class Verdict(models.TextChoices):
        APPROVE = "approve", _("Approved")
        CHANGES = "changes", _("Changes requested")

    request = models.ForeignKey(ApprovalRequest, on_delete=models.CASCADE, related_name="decisions")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    stands_for = models.ManyToManyField(User, related_name="+")
    verdict = models.CharField(max_length=10, choices=Verdict)
    comment = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["request", "by"], name="one_word_each")]

    def __str__(self) -> str:
        return f"{self.by}: {self.verdict}"


class StandIn(models.Model):
    """Who decides in an approver's place, from when to when."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    stand_in = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", verbose_name=_("stand-in"))
    begins_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"))

    class Meta:
        verbose_name = _("stand-in")
        default_permissions = ()
        ordering = ["begins_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("begins_at")), name="stand_in_period"
            ),
            models.CheckConstraint(
                condition=~models.Q(person=models.F("stand_in")), name="stand_in_is_another"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stand_in} for {self.person}"


class Comment(models.Model):
    """What people say to each other about a campaign; whom it names is told."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("comment")
        default_permissions = ()
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text[:80]
