"""Direct mail: rows that wait to be written into a file, and the files with how their delivery goes."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from channels.models.configuration import ChannelConfiguration
from common.wording import spoken


class MailFile(models.Model):
    """One file of one execution: `group` is run and action, `layout` what all of its rows share. It takes
    rows until it is closed. `path` is given once, when it is first written, and is no other file's.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        WRITING = "writing", _("Being written")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")

    configuration = models.ForeignKey(
        ChannelConfiguration, on_delete=models.CASCADE, related_name="mail_files"
    )
    group = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)  # of the layout
    layout = models.JSONField()
    state = models.CharField(max_length=20, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=500, blank=True)  # as its worker said it
    told = models.JSONField(null=True)  # the same for every reader (`common/wording.py`)
    path = models.CharField(max_length=300, blank=True)
    rows = models.PositiveIntegerField(default=0)  # written, after the doubles are gone
    size = models.BigIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    touched_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)  # the next try; while one runs, when it is given up for lost
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("file for direct mail")
        default_permissions = ()
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["configuration", "group", "digest"],
                name="one_open_mail_file",
                condition=models.Q(closed_at=None),
            ),
            models.UniqueConstraint(
                fields=["configuration", "path"], name="mail_file_path_once", condition=~models.Q(path="")
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], name="mail_files_due", condition=models.Q(state__in=["waiting", "writing"])
            )
        ]

    def __str__(self) -> str:
        return self.path or str(self.layout.get("filename", self.group))

    @property
    def why(self) -> str:
        """Why it was not delivered, for its reader."""
        return spoken(self.told) if self.told else self.reason


class MailRow(models.Model):
    """`key` is the message's own, so a second try adds no second row. `cells` are emptied once delivered."""

    configuration = models.ForeignKey(ChannelConfiguration, on_delete=models.CASCADE, related_name="+")
    file = models.ForeignKey(MailFile, on_delete=models.CASCADE, related_name="mail_rows")
    key = models.CharField(max_length=64)
    cells = models.JSONField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["configuration", "key"], name="mail_row_once")]

    def __str__(self) -> str:
        return self.key
