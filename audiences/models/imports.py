"""A file of people on its way in: what it is, how far it came, and its rows waiting to be merged."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User, Workspace
from audiences.models.audience import Audience


class Import(models.Model):
    """One CSV file: read row by row into StagedRow at upload, then merged into profiles."""

    class State(models.TextChoices):
        STAGED = "staged", _("Ready to import")
        MERGING = "merging", _("Importing")
        COMPLETED = "completed", _("Imported")
        FAILED = "failed", _("Failed")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE)
    audience = models.ForeignKey(Audience, null=True, on_delete=models.CASCADE, related_name="imports")
    file_name = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.STAGED)
    columns = models.JSONField(default=list)
    total = models.IntegerField(default=0)
    cursor = models.IntegerField(default=0)  # number of the last row taken
    merged = models.IntegerField(default=0)
    created_count = models.IntegerField(default=0)
    changed_count = models.IntegerField(default=0)
    rejected_count = models.IntegerField(default=0)
    problems = models.JSONField(default=list)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.file_name


class StagedRow(models.Model):
    """A checked row of a file, waiting to be merged."""

    pk = models.CompositePrimaryKey("job_id", "number")
    job = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="rows")
    number = models.IntegerField()
    email = models.CharField(max_length=254, null=True)
    phone = models.CharField(max_length=20, null=True)
    locale = models.CharField(max_length=35, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)
    attributes = models.JSONField(default=dict)

    class Meta:
        default_permissions = ()
