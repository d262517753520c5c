"""A claimed batch made ready: who is due, what their templates may read, and the last look over all of them.

Two queries a batch. Only what the templates name of a person is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from audiences import lastlook
from audiences.context import Reader
from campaigns.delivery.claims import DUE, LAST_ATTEMPT, RANGE, Claim, Tried, counts_as
from campaigns.delivery.content import Letter
from campaigns.models import Outcome
from channels import sending
from channels.models import ChannelConfiguration

FRESH = """
SELECT m.ref, m.profile_id, m.address, m.variant, COALESCE(p.is_untracked, FALSE), 1, '', '', NULL{columns}
FROM campaigns_message m LEFT JOIN audiences_profile p ON p.id = m.profile_id {join}
WHERE {range} ORDER BY m.ref
"""
AGAIN = """
SELECT m.ref, m.profile_id, m.address, m.variant, COALESCE(p.is_untracked, FALSE),
       COALESCE(last.n, 0) + 1, COALESCE(last.outcome, ''), COALESCE(last.code, ''),
       (SELECT min(a.at) FROM campaigns_attempt a
        WHERE a.run_id = m.run_id AND a.action = m.action AND a.ref = m.ref
          AND NOT (a.outcome = 'deferred' AND a.code IN ('quiet_hours', 'warm_up'))){columns}
FROM campaigns_message m {last} LEFT JOIN audiences_profile p ON p.id = m.profile_id {join}
WHERE {range} AND {due} ORDER BY m.ref
"""


@dataclass(slots=True)
class Due:
    """A message to be sent now; `n` is the number its next attempt will have."""

    ref: int
    profile_id: int | None
    address: str
    variant: int
    n: int
    before: str  # as the batch's tally counts it until now
    first_at: datetime | None  # of its first attempt; to have been put off by ourselves is none
    profile: dict[str, Any] = field(default_factory=dict)
    audience: dict[str, Any] = field(default_factory=dict)
    is_untracked: bool = False


def fetch(claimed: Claim, reader: Reader | None = None) -> list[Due]:
    """Everybody who is due, in the order of their refs."""
    columns = f", {reader.columns}" if reader and reader.columns else ""
    named, join = dict[str, Any](reader.values if reader else {}), ""
    if reader and (membership := reader.membership):
        columns += f", {membership.column}"
        join, named = membership.join, {**named, **membership.values}
    template = FRESH if claimed.is_fresh else AGAIN
    query = template.format(columns=columns, join=join, range=RANGE, last=LAST_ATTEMPT, due=DUE)
    with connection.cursor() as cursor:
        cursor.execute(query, {**claimed.places(), **named, "at": claimed.claimed_at})
        return [_due(row, reader) for row in cursor.fetchall()]


def _due(row: tuple[Any, ...], reader: Reader | None) -> Due:
    ref, profile_id, address, variant, is_untracked, n, outcome, code, first_at, *values = row
    before = counts_as(outcome, code) if outcome else ""
    audience = reader.membership.read(values.pop()) if reader and reader.membership else {}
    profile = reader.read(values) if reader and profile_id is not None else {}
    return Due(ref, profile_id, address, variant, n, before, first_at, profile, audience, is_untracked)


def look(
    workspace_id: int, letter: Letter, configuration: ChannelConfiguration, due: Sequence[Due]
) -> tuple[list[Due], list[Tried]]:
    """Who may still get it, and the exclusions of the others."""
    blocked = lastlook.blocked(
        workspace_id,
        [(one.profile_id, one.address) for one in due],
        channel=letter.channel,
        # Who gets a proof was named by its author, so no consent is asked for.
        category="marketing" if letter.is_marketing and not letter.is_proof else "transactional",
        to_complainers=sending.to_complainers(configuration),
    )
    excluded = [
        Tried(due[at].ref, due[at].n, Outcome.EXCLUDED, code, before=due[at].before)
        for at, code in blocked.items()
    ]
    return [one for at, one in enumerate(due) if at not in blocked], excluded
