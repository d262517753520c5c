"""Writes one message per person and action, page by page, each page one statement and one commit.

The run's row is locked for the page and carries the cursor, so a second worker goes away at once, and a
killed one is continued from exactly where it stood. Who is excluded gets a message as well, with an attempt
that says why: the ledger accounts for everybody targeted. Who comes after the run began is not in it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from audiences import evaluate
from audiences.models import Profile
from audiences.query import Query, any_of
from campaigns import variants
from campaigns.delivery import holding, placing, ring
from campaigns.delivery.placing import Places
from campaigns.models import Batch, Campaign, Message, Run
from channels import sending
from channels.models import ChannelConfiguration
from common import failpoints

PAGE, BATCH = 50_000, 1000
LEFT_OUT = "050019"  # ours, in the catalogue's range: in an audience that the campaign leaves out

# `page` fits in memory; `sent` is wider, would not, and costs little to work out again from it.
WRITE_PAGE = """
WITH page AS MATERIALIZED ({people}), sent AS NOT MATERIALIZED ({sent}), messages AS (
    INSERT INTO campaigns_message (run_id, action, ref, profile_id, address, variant, slot)
    SELECT {run}, action, profile_id, profile_id, address, COALESCE(variant, 0),
           CASE WHEN reason IS NULL THEN slot ELSE -1 END FROM sent {again}
), exclusions AS (
    INSERT INTO campaigns_attempt (run_id, action, ref, n, outcome, code, at)
    SELECT {run}, action, profile_id, 1, 'excluded', reason, %s FROM sent WHERE reason IS NOT NULL
    {again}
), batches AS (
    INSERT INTO campaigns_batch (run_id, action, slot, wave, lo, hi, size, lane, state, send_after, owner,
                                 epoch, claims)
    SELECT {run}, action, slot, wave, people[first], people[last], last - first + 1, 'bulk', state,
           send_after, '', 0, 0
    FROM (  -- wave, state and moment follow from the slot; naming them costs two sorts
        SELECT action, slot, min(wave) AS wave, min(state) AS state, min(send_after) AS send_after,
               array_agg(profile_id ORDER BY profile_id) AS people
        FROM sent WHERE reason IS NULL GROUP BY action, slot
    ) placed
    CROSS JOIN LATERAL generate_series(1, cardinality(people), {batch}) first
    CROSS JOIN LATERAL LEAST(first + {batch} - 1, cardinality(people)) last
    RETURNING size
)
SELECT (SELECT max(profile_id) FROM page),
       COALESCE((SELECT sum(size) FROM batches), 0) + COALESCE(sum(people), 0),
       COALESCE(jsonb_object_agg(reason, people), '{{}}')
FROM (SELECT reason, count(*) AS people FROM sent WHERE reason IS NOT NULL GROUP BY 1) told
"""


@dataclass(frozen=True)
class Page:
    """What one statement wrote: `last` is the last profile, None when there was nobody more."""

    last: int | None
    messages: int
    left_out: dict[str, int]


def expand(run_id: int, *, now: datetime, page: int = PAGE, batch: int = BATCH) -> None:
    """Runs the fan-out to its end."""
    try:
        run = holding.whole(run_id)
    except Run.DoesNotExist:  # erased since its bell rang
        return
    if holding.is_held(run, now=now):
        return
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
    if run.ceiling is None:
        run.ceiling = Profile.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    if run.cursor == 0:
        Batch.objects.filter(run=run).delete()  # begun anew from zero
        run.targeted, run.left_out = 0, {}
    written = _write(run, now, page, batch)
    run.targeted += written.messages
    for code, people in written.left_out.items():
        run.left_out[code] = run.left_out.get(code, 0) + people
    if written.last is None:
        run.state, run.expanded_at = Run.State.SENDING, now
        ring.batches(Batch.objects.filter(run=run, send_after__lte=now).values_list("pk", flat=True))
    else:
        run.cursor = written.last
    run.save(update_fields=["state", "expanded_at", "cursor", "ceiling", "targeted", "left_out"])
    failpoints.reached("page")
    return written.last is not None


def _write(run: Run, now: datetime, page: int, batch: int) -> Page:
    people = _people(run) + Query(" AND p.id > %s AND p.id <= %s", (run.cursor, run.ceiling))
    people += Query(" ORDER BY p.id LIMIT %s", (page,))
    places = placing.of(run)
    people, sent = _placed(run, people, places), _sent(run, places, now)
    # Only who begins anew from zero meets messages; looking out for them costs time and log otherwise.
    meets = Message.objects.filter(run=run, ref__gt=run.cursor).exists()
    again = "ON CONFLICT DO NOTHING" if meets else ""
    statement = WRITE_PAGE.format(
        people=people.sql, sent=sent.sql, run=int(run.pk), batch=int(batch), again=again
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, (*people.params, *sent.params, now))
        last, messages, left_out = cursor.fetchone()
    return Page(last, int(messages), json.loads(left_out))


def statement(run: Run, now: datetime, *, person: int | None = None) -> tuple[Query, Query]:
    """`page`, everybody in the audience, and over it `sent`, one row per message or exclusion.

    A forecast counts what it gives; the run need not be saved. With `person`, of that profile alone.
    """
    places, people = placing.of(run), _people(run)
    people += Query(" AND p.id = %s ", (person,)) if person is not None else Query(" ")
    return _placed(run, people, places), _sent(run, places, now)


def _placed(run: Run, people: Query, places: Places) -> Query:
    if len(places.planned) == 1:
        return people
    reached = [f"{_reason(int(one['position']))} IS NULL" for one in run.version.definition["actions"]]
    return places.numbered(people, " OR ".join(reached))


def _reason(at: int) -> str:
    return f"COALESCE(left_out, reason_{at}, exclusion_{at})"


def _people(run: Run) -> Query:
    """One row per person, with time zone, and address, reason and variant for each action."""
    definition, workspace = run.version.definition, run.campaign.workspace
    drawn = variants.weighted(definition, run.weights)
    forgiving = _forgiving(definition)
    columns = Query("p.id AS profile_id, p.time_zone AS zone, ") + _left_out(definition, workspace.pk)
    for action in definition["actions"]:
        mark = f"_{int(action['position'])}"
        columns += Query(", ") + evaluate.way(
            str(action["channel"]),
            definition["category"],
            mark,
            workspace=workspace,
            configuration=action["configuration"],
            to_complainers=action["configuration"] in forgiving,
        )
        columns += Query(", ") + variants.variant_of(drawn, action) + Query(f" AS variant{mark}, ")
        columns += variants.exclusion_of(drawn, action) + Query(f" AS exclusion{mark}")
    return evaluate.select(run.audience or definition["audience"], workspace, columns)


def _forgiving(definition: dict[str, Any]) -> set[int]:
    """The configurations of the actions that write to people who complained, as they are now."""
    if definition["category"] == Campaign.Category.MARKETING:
        return set()
    rows = ChannelConfiguration.objects.filter(pk__in=[one["configuration"] for one in definition["actions"]])
    return {row.pk for row in rows if sending.to_complainers(row)}


def _left_out(definition: dict[str, Any], workspace_id: int) -> Query:
    found = [evaluate.belongs(one, workspace_id) for one in definition["exclusions"]]
    if not found:
        return Query("NULL::text AS left_out")
    condition = any_of(found)
    return Query(f"CASE WHEN {condition.sql} THEN '{LEFT_OUT}' END AS left_out", condition.params)


def _sent(run: Run, places: Places, now: datetime) -> Query:
    """One row per message: with `first`, only over the first action that reaches the person."""
    definition = run.version.definition
    placed, send_after = _with_place(places), places.send_after(run, now)
    found, earlier = Query(""), list[str]()
    for action in definition["actions"]:
        at = int(action["position"])
        reason = f"COALESCE({_reason(at)}, CASE WHEN wave IS NULL THEN '{placing.NO_WAVE}' END)"
        only = f" WHERE {' AND '.join(earlier)}" if earlier and _takes_first(definition) else ""
        # Without an experiment nobody waits for its winner, and a page need not be sorted by who does.
        waits = f"variant_{at} IS NULL" if definition.get("experiment") else "FALSE"
        if found.sql:
            found += Query(" UNION ALL ")
        found += Query(
            f"""SELECT profile_id, {at} AS action, address_{at} AS address, {reason} AS reason,
            variant_{at} AS variant,
            {places.slot()} + CASE WHEN {waits} THEN 1 ELSE 0 END AS slot,
            COALESCE(wave, 0) AS wave,
            CASE WHEN {waits} THEN 'waiting' ELSE 'ready' END AS state,
            """
        )
        found += send_after + Query(" AS send_after FROM ") + placed + Query(only)
        earlier.append(f"{reason} IS NOT NULL")
    return found


def _with_place(places: Places) -> Query:
    """The page with each person's `wave` and `hour`."""
    return (
        Query(f"(SELECT *, {places.wave()} AS wave, ") + places.hour() + Query(" AS hour FROM page) placed")
    )


def _takes_first(definition: dict[str, Any]) -> bool:
    return bool(definition["reach"] == Campaign.Reach.FIRST)
