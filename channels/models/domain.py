"""The domains we send from, and the keys that sign for them. The private halves are sealed Credentials."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User, Workspace
from channels.models.configuration import Credential


class SendingDomain(models.Model):
    """`findings` is what DNS said last: `{purpose: {verdict, reason, found: [text]}}`, see `records.py`."""

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        VERIFIED = "verified", _("Verified")
        FAILED = "failed", _("Failed")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="sending_domains")
    name = models.CharField(_("domain"), max_length=253)
    spf = models.CharField(_("who may send"), max_length=200, default="mx")
    state = models.CharField(_("status"), max_length=20, choices=State, default=State.PENDING)
    findings = models.JSONField(default=dict)
    checked_at = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("sending domain")
        verbose_name_plural = _("sending domains")
        default_permissions = ()
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="sending_domain_once")]

    def __str__(self) -> str:
        return self.name


class DkimKey(models.Model):
    class Algorithm(models.TextChoices):
        RSA = "rsa", "RSA-2048"
        ED25519 = "ed25519", "Ed25519"

    domain = models.ForeignKey(SendingDomain, on_delete=models.CASCADE, related_name="dkim_keys")
    algorithm = models.CharField(max_length=10, choices=Algorithm)
    selector = models.CharField(max_length=63)
    public = models.TextField()  # base64, as it stands after p= in DNS
    credential = models.OneToOneField(Credential, on_delete=models.PROTECT)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        ordering = ["-algorithm"]  # RSA first: every receiver knows it
        constraints = [models.UniqueConstraint(fields=["domain", "selector"], name="selector_once")]

    def __str__(self) -> str:
        return f"{self.selector}._domainkey.{self.domain.name}"
