"""How fast a configuration may send, how far its time is given away, and whether its breaker is open."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from channels.models.configuration import ChannelConfiguration

LEAST, MOST = 0.1, 2000


class PaceLimit(models.Model):
    """Without a row a configuration sends as fast as it can. `domains` is `{group or domain: per second}`."""

    configuration = models.OneToOneField(
        ChannelConfiguration, primary_key=True, on_delete=models.CASCADE, related_name="pace"
    )
    rate = models.FloatField(
        _("messages per second"),
        null=True,
        blank=True,
        validators=[MinValueValidator(LEAST), MaxValueValidator(MOST)],
    )
    urgent_share = models.PositiveSmallIntegerField(_("kept for API-triggered messages"), default=0)
    domains = models.JSONField(_("limits per destination"), default=dict, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.configuration_id}: {self.rate}"


class Pace(models.Model):
    """`free_at` is the first moment not given away yet, in seconds of the database's clock."""

    key = models.CharField(max_length=120, primary_key=True)
    free_at = models.FloatField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.key


class Breaker(models.Model):
    """There is a row once a provider was in trouble. Open while `opened_at` is set; `probe_at` is when the
    next message may try. `bad` and `good` are fading counts of answers that blamed us, and of the others.
    """

    configuration = models.OneToOneField(
        ChannelConfiguration, primary_key=True, on_delete=models.CASCADE, related_name="breaker"
    )
    opened_at = models.DateTimeField(null=True)
    probe_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=200, blank=True)
    bad = models.FloatField(default=0)
    good = models.FloatField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.configuration_id}: {self.reason or 'closed'}"
