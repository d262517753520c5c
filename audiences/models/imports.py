"""A file of people, or of events, on its way in: its bytes, how to read it, how far it is, what was refused.

The file lies here in pieces, so that any worker on any host can go on with it. Its checked rows wait in a
table made for the job (`audiences/imports/staging.py`). The states: `audiences/imports/jobs.py`.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User, Workspace
from audiences.models.audience import Audience


class Import(models.Model):
    class State(models.TextChoices):
        UPLOADED = "uploaded", _("Waiting for its columns to be matched")
        STAGING = "staging", _("Checking every row")
        READY = "ready", _("Checked; nothing is imported yet")
        MERGING = "merging", _("Importing")
        PAUSED = "paused", _("Paused")
        COMPLETED = "completed", _("Imported")
        CANCELLED = "cancelled", _("Cancelled")
        FAILED = "failed", _("Failed")

    class Kind(models.TextChoices):
        CSV = "csv", _("text, such as CSV")
        XLSX = "xlsx", _("Excel")

    class Content(models.TextChoices):
        PEOPLE = "people", _("People")
        EVENTS = "events", _("Events")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="imports")
    content = models.CharField(max_length=6, choices=Content, default=Content.PEOPLE)
    audience = models.ForeignKey(Audience, null=True, on_delete=models.SET_NULL, related_name="imports")
    new_audience = models.CharField(max_length=100, blank=True)  # made when the merge begins
    file_name = models.CharField(max_length=200)
    size = models.BigIntegerField(default=0)
    kind = models.CharField(max_length=4, choices=Kind, default=Kind.CSV)
    encoding = models.CharField(max_length=20, blank=True)
    delimiter = models.CharField(max_length=1, blank=True)
    header: models.JSONField[list[str]] = models.JSONField(default=list)
    sample: models.JSONField[list[list[str]]] = models.JSONField(default=list)  # the first rows
    mapping: models.JSONField[dict[str, Any]] = models.JSONField(
        default=dict
    )  # see imports/mapping.py; of events only createProfiles

    state = models.CharField(max_length=10, choices=State, default=State.UPLOADED)
    paused_in = models.CharField(max_length=10, choices=State, blank=True)
    reason = models.CharField(max_length=500, blank=True)  # why it failed or is held, in words
    read_bytes = models.BigIntegerField(default=0)
    row_count = models.IntegerField(default=0)  # read, without the header and without empty rows
    staged_count = models.IntegerField(default=0)  # good ones, waiting in the job's table or merged
    rejected_count = models.IntegerField(default=0)
    is_confirmed = models.BooleanField(default=False)  # somebody saw the dry run and said go
    forecast: models.JSONField[dict[str, int]] = models.JSONField(default=dict)  # new, changed, unchanged
    cursor = models.IntegerField(default=0)  # number of the last row merged
    merged = models.IntegerField(default=0)
    created_count = models.IntegerField(default=0)
    changed_count = models.IntegerField(default=0)
    unchanged_count = models.IntegerField(default=0)

    epoch = models.IntegerField(default=0)  # the fencing token: who claimed last may write
    lease_until = models.DateTimeField(null=True)
    rung_at = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)  # claims since something was last achieved
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    # Who started it: see accounts/orders.py.
    ordered_by = models.CharField(max_length=40, blank=True, default="", db_default="")
    actor_name = models.CharField(max_length=200, blank=True)  # who answers for the consents it brings
    created_at = models.DateTimeField(default=timezone.now)
    phase_at = models.DateTimeField(null=True)  # when the checking or the merging began or went on
    phase_from = models.BigIntegerField(default=0)  # bytes or rows done at that moment, for the rate
    finished_at = models.DateTimeField(null=True)
    is_emptied = models.BooleanField(default=False)  # the file itself is gone

    class Meta:
        verbose_name = _("import")
        default_permissions = ()
        indexes = [models.Index(fields=["workspace", "-created_at"], name="import_by_workspace")]

    def __str__(self) -> str:
        return self.file_name

    @property
    def is_over(self) -> bool:
        return self.state in (self.State.COMPLETED, self.State.CANCELLED, self.State.FAILED)

    @property
    def is_working(self) -> bool:
        return self.state in (self.State.STAGING, self.State.MERGING)


class ImportChunk(models.Model):
    """A piece of the file, about a megabyte. Stored as it is: it would not shrink enough to be worth it."""

    pk = models.CompositePrimaryKey("job_id", "number")
    job = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    number = models.IntegerField()
    bytes = models.BinaryField()

    class Meta:
        default_permissions = ()


class ImportProblem(models.Model):
    """A cell that was refused, and with it its row; or one left out of a row that came in.

    `code` and `extra` become a sentence in the reader's language (`audiences/imports/problems.py`).
    """

    job = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="problems", db_index=False)
    row = models.IntegerField()
    column = models.CharField(max_length=80, blank=True)
    value = models.CharField(max_length=80, blank=True)
    code = models.CharField(max_length=40)
    extra = models.CharField(max_length=80, blank=True)
    is_rejected = models.BooleanField(default=True)

    class Meta:
        default_permissions = ()
        ordering = ["row", "id"]
        indexes = [models.Index(fields=["job", "row"], name="importproblem_by_row")]

    def __str__(self) -> str:
        return f"{self.row}: {self.code}"


class ImportMapping(models.Model):
    """How a file with these column names was read last time."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    names = models.CharField(max_length=64)  # SHA-256 of the sorted column names
    sample: models.JSONField[list[list[str]]] = models.JSONField(default=list)  # the first rows
    mapping: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    used_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("mapping of an import")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workspace", "names"], name="import_mapping_once")]

    def __str__(self) -> str:
        return self.names
