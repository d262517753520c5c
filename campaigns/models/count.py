"""What was counted of runs so far, and how far the counting has come; `reports/counting.py` writes both."""

from __future__ import annotations

from django.db import models

from campaigns.models.run import Run


class Count(models.Model):
    """`events` of one kind, by a facet of theirs; `kind` is an event's, an attempt's outcome, or `retried`.

    `people` are messages whose first event by a person is among these, `anybody` those whose first event of
    all is: both can be added up over rows of one facet. Domains, of which there are many, are kept for all
    time (at the epoch) and by the hour.
    """

    class Facet(models.TextChoices):
        HOUR = ""
        LINK = "link"
        DOMAIN = "domain"
        DOMAIN_HOUR = "domain_at"
        DEVICE = "device"
        RULE = "rule"
        FAULT = "fault"

    run = models.ForeignKey(
        Run, db_constraint=False, db_index=False, on_delete=models.DO_NOTHING, related_name="counts"
    )
    kind = models.CharField(max_length=12)
    facet = models.CharField(max_length=9, blank=True)
    action = models.PositiveSmallIntegerField()
    variant = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=100, blank=True)
    hour = models.DateTimeField()
    by_machine = models.BooleanField(default=False)
    events = models.BigIntegerField()
    people = models.BigIntegerField()
    anybody = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["run", "facet", "kind", "action", "variant", "key", "hour", "by_machine"],
                name="count_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.kind} {self.facet} {self.key}: {self.events}"


class CountMark(models.Model):
    """Every event up to `position` is in the counts, and none behind it."""

    name = models.CharField(max_length=10, primary_key=True)
    position = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.position}"
