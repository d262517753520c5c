"""The two steps of a file of events: read to its end, then recorded, a page of rows in each transaction.

The cursor moves in the transaction that records the page: killed anywhere, it goes on with the next page, and
no event is counted twice. A file that is broken anywhere records nothing.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.access import SYSTEM
from audiences import events
from audiences.attributes import zone_of
from audiences.imports import eventrows, merge
from audiences.imports.claims import Claim
from audiences.imports.eventrows import Layout
from audiences.imports.reader import Batch, Source, batches, header_of, rows_of
from audiences.imports.sniff import refusal
from audiences.locks import lock_people
from audiences.models import Import, ImportProblem

MOST_ROWS, PAGE = 1_000_000, 2000


def check(claim: Claim) -> None:
    """Leaves the job merging. Raises Invalid for a file that cannot be right; nothing is recorded."""
    job, count = claim.job, 0
    with claim.hold(phase_at=timezone.now(), phase_from=0, read_bytes=0, row_count=0):
        pass
    source = Source(job)
    rows = rows_of(job, source)
    eventrows.layout_of(header_of(rows), job.workspace)
    for batch in batches(rows, PAGE):
        count += len(batch.rows)
        if count > MOST_ROWS:
            detail = _("The file has more than %(most)s rows. Split it.") % {"most": MOST_ROWS}
            raise refusal("too_many_rows", detail)
        with claim.hold(read_bytes=source.read, row_count=count):
            pass
    if not count:
        raise refusal("csv_no_rows", _("There is no row below the header."))
    with claim.hold():
        Import.objects.filter(pk=job.pk).update(
            staged_count=count, state=Import.State.MERGING, lease_until=None
        )


def record(claim: Claim, *, until: float) -> bool:
    """Works until done, or until the monotonic clock says `until`; then returns False: ring again."""
    job = claim.job
    with claim.hold(phase_at=timezone.now(), phase_from=job.merged):
        pass
    rows = rows_of(job, Source(job))
    layout = eventrows.layout_of(header_of(rows), job.workspace)
    for batch in batches(rows, PAGE):
        left = _after(batch, job.cursor)
        if not left.rows:
            continue
        if time.monotonic() > until:
            return False
        _page(claim, layout, left)
    merge.complete(claim)
    return True


def _after(batch: Batch, cursor: int) -> Batch:
    """The rows not recorded yet; another version may have read pages of another size."""
    done = bisect_right(batch.numbers, cursor)
    return Batch(batch.numbers[done:], batch.rows[done:]) if done else batch


def _page(claim: Claim, layout: Layout, batch: Batch) -> None:
    job = claim.job
    with claim.hold():
        lock_people(job.workspace_id)
        found = events.record(
            job.workspace,
            [eventrows.happened(layout, row) for row in batch.rows],
            create_profiles=job.mapping["createProfiles"],
            zone=zone_of(job.workspace),
            actor=job.created_by or SYSTEM,
            now=timezone.now(),
        )
        rows = zip(batch.numbers, batch.rows, found, strict=True)
        told = [one for row in rows for one in eventrows.refused(job, layout, *row)]
        ImportProblem.objects.bulk_create(told, batch_size=1000)
        done = _counted(job, batch, found)
        Import.objects.filter(pk=job.pk).update(**done)
    for name, value in done.items():
        setattr(job, name, value)


def _counted(job: Import, batch: Batch, found: list[events.Outcome]) -> dict[str, Any]:
    fates = [one.status for one in found]
    return {
        "cursor": batch.numbers[-1],
        "merged": job.merged + len(found),
        "created_count": job.created_count + fates.count(events.RECORDED),
        "unchanged_count": job.unchanged_count + fates.count(events.REPEATED),
        "rejected_count": job.rejected_count + fates.count(events.REJECTED),
    }
