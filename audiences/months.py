"""The months of the table of events: made when they are needed and a little ahead, dropped whole when they
are older than the installation keeps events (EVENT_RETENTION_MONTHS).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings

from common.months import ByMonth, Month, later, month_of, start_of

__all__ = ["EVENTS", "Month", "existing", "keep", "later", "make", "month_of", "old", "oldest_kept"]
EVENTS = ByMonth("audiences_profileevent", lock=0x0A0F)


def oldest_kept(now: datetime) -> datetime:
    """Events before this moment are not taken any more."""
    return start_of(later(month_of(now), -settings.EVENT_RETENTION_MONTHS))


def make(months: Iterable[Month]) -> None:
    EVENTS.make(months)


def existing() -> set[Month]:
    return EVENTS.existing()


def keep(now: datetime) -> list[Month]:
    """Makes the coming months and drops those past the retention; returns the dropped ones."""
    EVENTS.make_coming(now)
    return [month for month in old(now) if EVENTS.drop(month)]


def old(now: datetime) -> list[Month]:
    """Those past the retention, the oldest first."""
    return EVENTS.older_than(oldest_kept(now))
