"""The copies that go to a seed list: beside the ledger, so that no report ever counts them."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from campaigns.models.run import Run


class SeedRound(models.Model):
    """That the copies of a run were written: once, however often the sweep looks."""

    run = models.OneToOneField(Run, primary_key=True, on_delete=models.CASCADE, related_name="seed_round")
    written_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.run_id)


class SeedCopy(models.Model):
    class State(models.TextChoices):
        DUE = "due", _("Waiting")
        HANDED = "handed", _("Being sent")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="seed_copies")
    action = models.PositiveSmallIntegerField()
    variant = models.PositiveSmallIntegerField(default=0)
    address = models.CharField(max_length=254)
    test_profile = models.BigIntegerField(null=True)
    state = models.CharField(max_length=6, choices=State, default=State.DUE)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    detail = models.CharField(max_length=500, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["run", "action", "variant", "address"], name="seed_copy_once")
        ]
        indexes = [models.Index(fields=["due_at"], name="seed_copy_due", condition=models.Q(state="due"))]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.action}/{self.variant}"
