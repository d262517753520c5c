"""How far an import is, how fast it goes, and how long it will still take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from audiences.models import Import


@dataclass(frozen=True)
class Progress:
    """`share` in percent, `rate` in rows a second, `remaining` in seconds; None where nobody can tell yet.

    `total`, in rows, is known once the whole file was read.
    """

    share: float
    rows: int
    total: int | None
    rate: float | None
    remaining: int | None

    @property
    def minutes(self) -> int | None:
        """What remains in whole minutes, once it is more than two."""
        return round(self.remaining / 60) if self.remaining is not None and self.remaining > 120 else None


def progress_of(job: Import, now: datetime) -> Progress:
    is_merging = Import.State.MERGING in (job.state, job.paused_in) or job.state == Import.State.COMPLETED
    if is_merging:
        done, total, rows = job.merged, job.staged_count, job.merged
    else:
        done, total, rows = job.read_bytes, job.size, job.row_count
    known = job.staged_count if is_merging else None
    share = min(100.0, 100 * done / total) if total else 0.0
    seconds = (now - job.phase_at).total_seconds() if job.phase_at else 0.0
    if not job.is_working or seconds <= 0 or not rows:
        return Progress(share, rows, known, None, None)
    achieved = (done - job.phase_from) / seconds
    rate = (rows - (job.phase_from if is_merging else 0)) / seconds
    remaining = round((total - done) / achieved) if achieved > 0 else None
    return Progress(share, rows, known, rate, remaining)
