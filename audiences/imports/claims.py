"""Who works on an import: one worker at a time, under a lease, each write fenced by the claim's epoch.

A worker that was killed loses its lease after LEASE_SECONDS; the sweep rings, and the next claim goes on from
what is committed. One that was only asleep finds its epoch gone and stops before it writes anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from audiences.models import Import

WORKING = (Import.State.STAGING, Import.State.MERGING)
RING_AGAIN = timedelta(seconds=15)
MOST_ATTEMPTS = 5  # claims that achieved nothing, before the import is given up


class Lost(Exception):
    """Another worker has the import, or it was paused or cancelled."""


@dataclass
class Claim:
    job: Import
    epoch: int

    @contextmanager
    def hold(self, **changes: Any) -> Iterator[Import]:
        """One transaction that only the present claim can make; it locks the job's row and renews the lease.

        Raises Lost when the claim is gone; then nothing is written.
        """
        with transaction.atomic():
            mine = Import.objects.filter(pk=self.job.pk, epoch=self.epoch, state=self.job.state)
            lease = Now() + timedelta(seconds=settings.LEASE_SECONDS)
            if not mine.update(lease_until=lease, attempts=0, **changes):
                raise Lost
            yield self.job
        for name, value in changes.items():
            setattr(self.job, name, value)

    def release(self) -> None:
        Import.objects.filter(pk=self.job.pk, epoch=self.epoch).update(lease_until=None)


def claim(job_id: int) -> Claim | None:
    """The import to work on, or None when there is nothing to do or somebody else is at it."""
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    wanted = Import.objects.filter(free, pk=job_id, state__in=WORKING)
    lease = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    if not wanted.update(epoch=F("epoch") + 1, attempts=F("attempts") + 1, lease_until=lease):
        return None
    job = Import.objects.select_related("workspace", "audience").get(pk=job_id)
    return Claim(job, job.epoch)


def unfinished() -> list[int]:
    """Imports whose bell was lost or whose worker died; each is named once in RING_AGAIN."""
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    silent = Q(rung_at=None) | Q(rung_at__lt=Now() - RING_AGAIN)
    wanted = Import.objects.filter(free, silent, state__in=WORKING)
    found = list(wanted.values_list("pk", flat=True))
    Import.objects.filter(pk__in=found).update(rung_at=Now())
    return found
