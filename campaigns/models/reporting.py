"""Reports that people asked to get by mail, week by week, month by month or year by year."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from campaigns.models.campaign import Campaign


class ReportOrder(models.Model):
    """`waiting` names the people who have not got the present one yet: nobody gets it twice."""

    class Every(models.TextChoices):
        DAY = "day", _("Every day")
        WEEK = "week", _("Every week")
        MONTH = "month", _("Every month")
        YEAR = "year", _("Every year")

    class Form(models.TextChoices):
        PDF = "pdf", _("PDF")
        CSV = "csv", _("CSV")

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="report_orders")
    every = models.CharField(max_length=5, choices=Every)
    form = models.CharField(max_length=3, choices=Form, default=Form.PDF)
    people = models.ManyToManyField(User, related_name="+")
    waiting = models.JSONField(default=list)
    tries = models.PositiveSmallIntegerField(default=0)
    begins_at = models.DateTimeField()  # months are counted from here, so that the 31st comes back
    next_at = models.DateTimeField()
    try_at = models.DateTimeField()
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("report by mail")
        default_permissions = ()
        ordering = ["created_at"]
        indexes = [models.Index(fields=["try_at"], name="report_order_due")]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.every} {self.form}"
