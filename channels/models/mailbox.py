"""Where a configuration's bounces are fetched by IMAP, and how far they have been read."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from channels.models.configuration import ChannelConfiguration, Credential


class BounceMailbox(models.Model):
    """The credential holds server, user, folder and password together (see `channels/mailboxes.py`).

    Mails up to `last_uid` are done, as long as the server's `validity` stays the same (RFC 9051 section
    2.3.1.1). While one worker reads, `due_at` is when it is given up for lost.
    """

    configuration = models.OneToOneField(
        ChannelConfiguration, on_delete=models.CASCADE, primary_key=True, related_name="bounce_mailbox"
    )
    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="+")
    validity = models.BigIntegerField(default=0)
    last_uid = models.BigIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = _("bounce mailbox")
        default_permissions = ()
        indexes = [models.Index(fields=["due_at"], name="bounce_mailbox_due")]

    def __str__(self) -> str:
        return f"{self.configuration_id}: {self.last_uid}"
