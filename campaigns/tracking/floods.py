"""The same link of the same message, again and again: how often is still worth recording.

Guessed addresses end at their signature and cost the database nothing, so nobody is counted by where they
come from: a company, a mobile network and the proxies of Gmail and Apple are many people behind one address.
Only an address of ours that is asked for over and over could fill the disk. Up to MOST times a minute in each
web process every click and open of it is recorded; more are led on as before and left out of the totals.
People are counted once each, so their number stays exact.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime

import structlog

log = structlog.get_logger(__name__)

MOST = 60
ROOM = 50_000  # addresses kept in mind; past it counting begins anew, and so does the next minute
_minute = 0
_seen: dict[Hashable, Again] = {}


@dataclass(slots=True)
class Again:
    """How often in this minute, and where it led the last time."""

    count: int = 0
    url: str | None = None

    @property
    def is_flood(self) -> bool:
        return self.count > MOST


def again(what: Hashable, now: datetime) -> Again:
    """One more time."""
    global _minute
    minute = int(now.timestamp() // 60)
    if minute != _minute or len(_seen) >= ROOM:
        _minute = minute
        _seen.clear()
    found = _seen.setdefault(what, Again())
    found.count += 1
    if found.count == MOST + 1:
        log.warning("a flood of one address is not recorded further", what=str(what), most=MOST)
    return found
