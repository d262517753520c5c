"""Purges campaigns that have lain in the archive for ARCHIVE_DAYS without a change.

Nobody sees a purged campaign again. Its contents, attempts, calls and events are deleted; who was written to,
and the links, stay without a name, because the way out in a letter must work for years.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.access import SYSTEM
from campaigns.models import (
    Attempt,
    Batch,
    Campaign,
    Event,
    Execution,
    MessageContext,
    Run,
    Status,
)

HEAVY = (Attempt, Event, MessageContext, Batch)


def purge_archived(*, now: datetime) -> list[int]:
    """The ids of those that went."""
    old = Campaign.objects.filter(
        status=Status.ARCHIVED,
        purged_at=None,
        changed_at__lte=now - timedelta(days=settings.ARCHIVE_DAYS),
    )
    return [pk for pk in old.values_list("pk", flat=True) if purge(pk, now=now)]


@transaction.atomic
def purge(pk: int, *, now: datetime) -> bool:
    campaign = Campaign.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=pk)
    still = now - timedelta(days=settings.ARCHIVE_DAYS)
    if campaign.status != Status.ARCHIVED or campaign.purged_at or campaign.changed_at > still:
        return False
    runs = Run.objects.filter(campaign=campaign).values_list("pk", flat=True)
    for run_id in runs:
        for model in HEAVY:
            model.objects.filter(run=run_id).delete()
    Execution.objects.filter(campaign=campaign).delete()
    campaign.actions.all().update(content={}, variants=[])
    for version in campaign.versions.all():
        emptied = [{**action, "contents": []} for action in version.definition.get("actions", [])]
        version.definition = {**version.definition, "actions": emptied, "audience": None, "exclusions": []}
        version.save(update_fields=["definition"])
    campaign.purged_at = now
    campaign.save(update_fields=["purged_at"])
    audit.record(actor=SYSTEM, verb="purge", obj=campaign, workspace=campaign.workspace, now=now)
    return True
