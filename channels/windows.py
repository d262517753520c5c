"""The calendar windows in which a frequency cap counts, in UTC whatever anybody's zone.

Hours end at the full hour, days at midnight, weeks on Saturday night (a week starts on Sunday), months with
their last day. Windows of several units stand side by side: every 4 h begins at 00, 04, 08 …; several days
and weeks are counted from the first Sunday of 1970, several months from January of the year 0.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

FIRST_SUNDAY = datetime(1970, 1, 4, tzinfo=UTC)
MOST = {"hour": 23, "day": 30, "week": 4, "month": 3}


def window_start(now: datetime, every: int, unit: str) -> datetime:
    """When the window began that `now` lies in."""
    now = now.astimezone(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "hour":
        return midnight + timedelta(hours=now.hour // every * every)
    if unit == "month":
        months = (now.year * 12 + now.month - 1) // every * every
        return midnight.replace(year=months // 12, month=months % 12 + 1, day=1)
    days = every if unit == "day" else every * 7
    passed = (midnight - FIRST_SUNDAY).days
    return FIRST_SUNDAY + timedelta(days=passed // days * days)
