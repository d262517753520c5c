"""What another system asked for: one accepted call, and what it led to."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiCredential
from campaigns.models.campaign import Campaign
from campaigns.models.run import Run


class Execution(models.Model):
    """One accepted API call. The unique key makes a repeated call the same call: the Idempotency-Key of its
    header, or else its requestId.

    A unitary or high-throughput call wrote `size` messages per action into the standing run, numbered from
    `first_ref`. An audience call has a run of its own and no numbers.
    """

    class Kind(models.TextChoices):
        UNITARY = "unitary", _("Unitary")
        HIGH_THROUGHPUT = "high_throughput", _("High throughput")
        AUDIENCE = "audience", _("Audience")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=15, choices=Kind, default=Kind.UNITARY)
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="executions")
    credential = models.ForeignKey(ApiCredential, null=True, on_delete=models.SET_NULL)
    request_id = models.CharField(max_length=255)
    key = models.CharField(max_length=255, default="")
    body_hash = models.CharField(max_length=64)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="executions")
    first_ref = models.BigIntegerField(default=0)
    size = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("call")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["credential", "campaign", "key"], name="execution_once")
        ]
        indexes = [
            models.Index(fields=["campaign", "-created_at"]),
            models.Index(fields=["run", "first_ref"]),
        ]

    def __str__(self) -> str:
        return str(self.pk)
