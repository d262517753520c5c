"""What providers told us and people wrote back, each once, until campaigns has made of it what it means."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from channels.models.configuration import ChannelConfiguration


class Received(models.Model):
    """`event_id` is the provider's; repeated, it changes nothing. `applied_at` is None while it waits."""

    configuration = models.ForeignKey(ChannelConfiguration, on_delete=models.CASCADE, related_name="+")
    event_id = models.CharField(max_length=128)
    at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)
    applied_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        default_permissions = ()


class ReceivedReceipt(Received):
    """What became of a message: named by our key, or by the provider's own name of it."""

    happened = models.CharField(max_length=12)
    key = models.CharField(max_length=64, blank=True)
    provider_id = models.CharField(max_length=128, blank=True)
    code = models.CharField(max_length=40, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    fault = models.CharField(max_length=12, blank=True)

    class Meta(Received.Meta):
        constraints = [
            models.UniqueConstraint(fields=["configuration", "event_id"], name="receipt_event_once")
        ]
        indexes = [
            models.Index(fields=["id"], name="receipt_waiting", condition=models.Q(applied_at__isnull=True)),
            models.Index(fields=["received_at"], name="receipt_received"),
        ]


class ReceivedReply(Received):
    """What a person wrote. Once it is applied, who and what are forgotten; that it came is kept."""

    sender = models.CharField(max_length=500, blank=True)
    text = models.CharField(max_length=2000, blank=True)
    asks = models.CharField(max_length=8, blank=True)

    class Meta(Received.Meta):
        constraints = [models.UniqueConstraint(fields=["configuration", "event_id"], name="reply_event_once")]
        indexes = [
            models.Index(fields=["id"], name="reply_waiting", condition=models.Q(applied_at__isnull=True)),
            models.Index(fields=["received_at"], name="reply_received"),
        ]
