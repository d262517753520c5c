"""Counts messages that an address could not take for now, until it is taken off the road for good.

A mailbox that is full or a domain that nobody finds may be well tomorrow. What is given up is counted once a
day and address, whatever the number of campaigns; so many within so many days, and the address goes on the
suppression list. A delivery forgets what was counted. How many and how long says the configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from audiences import suppression
from audiences.models import SoftBounce
from channels.sending import MOST_DAYS
from common.errors import Invalid

REASON = "soft bounce"
APART = timedelta(hours=24)

COUNT = """
INSERT INTO audiences_softbounce AS s (workspace_id, channel, address, times, last_at)
SELECT %(workspace)s, %(channel)s, address, ARRAY[%(now)s::timestamptz], %(now)s
FROM unnest(%(addresses)s::text[]) AS t(address) ORDER BY address
ON CONFLICT (workspace_id, channel, address) DO UPDATE SET
    times = ARRAY(SELECT t FROM unnest(s.times) t WHERE t > %(oldest)s ORDER BY t) || excluded.times,
    last_at = excluded.last_at
WHERE s.last_at <= %(apart)s
RETURNING address, cardinality(times)
"""


def count(
    workspace_id: int, channel: str, addresses: Sequence[str], *, most: int, days: int, now: datetime
) -> list[str]:
    """One more for each of these; suppresses those that have `most` within `days`, and returns them."""
    wanted = sorted({address for address in addresses if 0 < len(address) <= suppression.LONGEST_ADDRESS})
    values: dict[str, Any] = {"workspace": workspace_id, "channel": channel, "addresses": wanted, "now": now}
    values |= {"oldest": now - timedelta(days=days), "apart": now - APART}
    with connection.cursor() as cursor:
        cursor.execute(COUNT, values)
        full = sorted(address for address, times in cursor.fetchall() if times >= most)
    for address in full:
        with suppress(Invalid):  # what was never an address cannot be written to either
            suppression.suppress(
                workspace_id=workspace_id, channel=channel, address=address, reason=REASON, now=now
            )
    forget(workspace_id, channel, full)
    return full


def forget(workspace_id: int, channel: str, addresses: Sequence[str]) -> None:
    """They were reached, or are suppressed, or nobody may know of them any more."""
    if addresses:
        rows = SoftBounce.objects.filter(workspace=workspace_id, channel=channel)
        rows.filter(address__in=set(addresses)).delete()


def prune(now: datetime) -> None:
    """What no rule can look back to."""
    SoftBounce.objects.filter(last_at__lt=now - timedelta(days=MOST_DAYS)).delete()
