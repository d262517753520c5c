"""The allowed list: while it is on, email goes to nobody who is not on it."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User, Workspace


class AllowedList(models.Model):
    """The switch of a workspace. On and empty, nothing is sent at all."""

    workspace = models.OneToOneField(
        Workspace, primary_key=True, on_delete=models.CASCADE, related_name="allowed_list"
    )
    is_active = models.BooleanField(_("active"), default=False)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("allowed list")
        verbose_name_plural = _("allowed lists")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.workspace_id}: {'on' if self.is_active else 'off'}"


class AllowedEntry(models.Model):
    """`address` is an address in its stored form, or a whole domain as “@example.com”."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="allowed")
    address = models.CharField(_("address or domain"), max_length=254)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("allowed address")
        verbose_name_plural = _("allowed addresses")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workspace", "address"], name="allowed_once")]

    def __str__(self) -> str:
        return self.address
