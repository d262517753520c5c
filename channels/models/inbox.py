"""Messages that wait in a person's in-app inbox until a device fetches them."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from channels.models.configuration import ChannelConfiguration


class InboxItem(models.Model):
    """`key` is the message's own, so a second try puts nothing there twice."""

    configuration = models.ForeignKey(ChannelConfiguration, on_delete=models.CASCADE, related_name="+")
    recipient = models.CharField(max_length=200)
    key = models.CharField(max_length=64)
    content = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField()
    fetched_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    dismissed_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["configuration", "key"], name="inbox_item_once")]
        indexes = [
            models.Index(fields=["configuration", "recipient", "-id"], name="inbox_of_person"),
            models.Index(fields=["ends_at"], name="inbox_ends"),
        ]

    def __str__(self) -> str:
        return self.key
