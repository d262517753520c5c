"""Writes one message per person of the audience, page by page, each page one statement and one commit.

The run's row is locked for the page and carries the cursor, so a second worker goes away at once, and a
killed one is continued from exactly where it stood. Who is excluded gets a message as well, with an attempt
that says why: the ledger accounts for everybody targeted.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from audiences import evaluate
from campaigns.delivery import ring
from campaigns.models import Batch, Run

PAGE, BATCH = 10_000, 500

WRITE_PAGE = """
WITH page AS MATERIALIZED (
    SELECT profile_id, address, reason FROM ({targets}) t
    WHERE profile_id > %s ORDER BY profile_id LIMIT %s
), messages AS (
    INSERT INTO campaigns_message (run_id, action, ref, profile_id, address)
    SELECT %s, %s, profile_id, profile_id, address FROM page ON CONFLICT DO NOTHING
), exclusions AS (
    INSERT INTO campaigns_attempt (run_id, action, ref, n, outcome, code, at)
    SELECT %s, %s, profile_id, 1, 'excluded', reason, %s FROM page WHERE reason IS NOT NULL
    ON CONFLICT DO NOTHING
), batches AS (
    INSERT INTO campaigns_batch
        (run_id, action, lo, hi, size, lane, state, send_after, owner, epoch, claims)
    SELECT %s, %s, min(profile_id), max(profile_id), count(*), 'bulk', 'ready', %s, '', 0, 0
    FROM (SELECT profile_id, (row_number() OVER (ORDER BY profile_id) - 1) / %s AS part
          FROM page WHERE reason IS NULL) numbered
    GROUP BY part
)
SELECT count(*), max(profile_id) FROM page
"""


def expand(run_id: int, *, now: datetime, page: int = PAGE, batch: int = BATCH) -> None:
    """Runs the fan-out to its end."""
    while write_page(run_id, now=now, page=page, batch=batch):
        pass


@transaction.atomic
def write_page(run_id: int, *, now: datetime, page: int = PAGE, batch: int = BATCH) -> bool:
    """One page; False when there is nothing more to do here."""
    run = (
        Run.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("campaign", "version")
        .filter(pk=run_id, state=Run.State.EXPANDING)
        .first()
    )
    if run is None:
        return False
    last = None
    for action in run.version.definition["actions"]:
        people, last = _write_action(run, action, now, page, batch)
        run.targeted += people
    if last is None:
        run.state, run.expanded_at = Run.State.SENDING, now
        ring.batches(Batch.objects.filter(run=run).values_list("pk", flat=True))
    else:
        run.cursor = last
    run.save(update_fields=["state", "expanded_at", "cursor", "targeted"])
    return last is not None


def _write_action(
    run: Run, action: dict[str, Any], now: datetime, page: int, batch: int
) -> tuple[int, int | None]:
    """How many people the page held, and the last profile's id."""
    definition = run.version.definition
    targets = evaluate.targets(
        definition["audience"],
        workspace_id=run.campaign.workspace_id,
        channel=str(action["channel"]),
        category=definition["category"],
    )
    position = action["position"]
    of_page = (run.cursor, page)
    written = (run.pk, position, run.pk, position, now, run.pk, position, now, batch)
    with connection.cursor() as cursor:
        cursor.execute(WRITE_PAGE.format(targets=targets.sql), (*targets.params, *of_page, *written))
        people, last = cursor.fetchone()
    return int(people), last
