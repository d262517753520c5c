"""How far an import is, how fast it goes, and how long it will still take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from audiences.models import Import


@dataclass(frozen=True)
class Progress:
    """`share` in percent, `rate` in rows a second, `remaining` in seconds; None where nobody can tell yet."""

    share: float
    rows: int
    rate: float | None
    remaining: int | None


def progress_of(job: Import, now: datetime) -> Progress:
    is_merging = Import.State.MERGING in (job.state, job.paused_in) or job.state == Import.State.COMPLETED
    if is_merging:
        done, total, rows = job.merged, job.staged_count, job.merged
    else:
        done, total, rows = job.read_bytes, job.size, job.row_count
    share = min(100.0, 100 * done / total) if total else 0.0
    seconds = (now - job.phase_at).total_seconds() if job.phase_at else 0.0
    if not job.is_working or seconds <= 0 or not rows:
        return Progress(share, rows, None, None)
    achieved = (done - job.phase_from) / seconds
    rate = (rows - (job.phase_from if is_merging else 0)) / seconds
    return Progress(share, rows, rate, round((total - done) / achieved) if achieved > 0 else None)
