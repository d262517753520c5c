"""Moves the counts of runs forward: over events by a watermark, over attempts batch by batch.

Receives what has happened; leaves rows of `Count` that, together with what lies behind the watermark, are
exactly the events and attempts there are (`figures.py` reads both in one statement). Numbers of events are
given before they are committed, so the watermark goes no further than numbers that nobody can fill any more:
it looks who is writing and waits for them, as CREATE INDEX CONCURRENTLY does, and holds up nobody. It stops
before an open or a click that the rules about machines have not seen. A batch is counted once it is over.
Two counters at once are harmless: the second finds the watermark's row locked and goes away.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from campaigns.models import CountMark

PAGE, BATCHES = 100_000, 200
MEMORY = "64MB"  # that the database may take to sort a page; nobody but one counter does
PATIENCE = 2.0  # seconds for those who are writing events
EVENTS = "events"
NO_HOUR = "'1970-01-01 00:00+00'::timestamptz"
DOMAIN = "CASE WHEN position('@' IN m.address) > 0 THEN left(lower(split_part(m.address, '@', 2)), 100) END"
# The first that is found in a program's name says what it runs on; `drill.py` finds messages by the same.
PROGRAMS = (
    (r"GoogleImageProxy|YahooMailProxy|^Mozilla/5\.0$", "proxy"),
    (r"iPad|Tablet|Android(?!.*Mobile)", "tablet"),
    (r"iPhone|iPod|Mobile", "phone"),
    (r"Windows|Macintosh|X11|CrOS|Linux", "computer"),
)
OTHER = "other"
DEVICE = f"""CASE {" ".join(f"WHEN user_agent ~* '{words}' THEN '{name}'" for words, name in PROGRAMS)}
    ELSE '{OTHER}' END"""
MESSAGE = "run_id, kind, action, ref"
WHOSE = "ref, action, run_id, kind"  # the same, told apart by the first of them already
FIRSTS = """count(*) AS events, count(*) FILTER (WHERE is_people) AS people,
           count(*) FILTER (WHERE is_anybody) AS anybody"""

# The events of `{of}` behind `{after}` with what each is the first of. Whoever came before the page is looked
# up once per message, in the order of the index, however often a robot pressed its links, and stands before
# the page's own events with the number 0. Nothing here joins what the planner has no statistics of: it would
# take a page of 100,000 for one row.
SEEN = f"""
page AS MATERIALIZED (
    SELECT id, run_id, kind, action, ref, COALESCE(link, 0) AS link, machine <> '' AS by_machine, machine,
           user_agent, fault, date_trunc('hour', at, 'UTC') AS hour
    FROM campaigns_event WHERE id > {{after}} AND {{of}}
), heard AS (
    SELECT * FROM page
    UNION ALL
    SELECT 0, d.run_id, d.kind, d.action, d.ref, b.link, b.by_machine, '', '', '', NULL
    FROM (SELECT DISTINCT {MESSAGE} FROM page ORDER BY {MESSAGE}) d JOIN campaigns_run r ON r.id = d.run_id
    CROSS JOIN LATERAL (  -- nothing happened before, unless a clock is wrong: no older month is looked into
        SELECT DISTINCT COALESCE(e.link, 0) AS link, e.machine <> '' AS by_machine FROM campaigns_event e
        WHERE e.run_id = d.run_id AND e.kind = d.kind AND e.action = d.action AND e.ref = d.ref
          AND e.id <= {{after}} AND e.at >= r.created_at - interval '31 days' OFFSET 0
    ) b
), placed AS (
    SELECT *, id = min(id) OVER of_message AS is_anybody,
           NOT by_machine AND id = min(id) FILTER (WHERE NOT by_machine) OVER of_message AS is_people,
           id = min(id) OVER of_link AS is_link_anybody,
           NOT by_machine AND id = min(id) FILTER (WHERE NOT by_machine) OVER of_link AS is_link_people
    FROM heard
    WINDOW of_message AS (PARTITION BY {WHOSE}), of_link AS (PARTITION BY {WHOSE}, link)  -- one sort for both
), seen AS MATERIALIZED (
    SELECT p.*, COALESCE(m.variant, 0) AS variant, {DOMAIN} AS domain
    FROM placed p LEFT JOIN campaigns_message m USING (run_id, action, ref) WHERE p.id > 0
), told AS (
    SELECT run_id, kind, '' AS facet, action, variant, '' AS key, hour, by_machine, {FIRSTS}
    FROM seen GROUP BY run_id, kind, action, variant, hour, by_machine
    UNION ALL
    SELECT run_id, kind, 'link', action, variant, link::text, hour, by_machine,
           count(*), count(*) FILTER (WHERE is_link_people), count(*) FILTER (WHERE is_link_anybody)
    FROM seen WHERE kind = 'click' GROUP BY run_id, kind, action, variant, link, hour, by_machine
    UNION ALL
    SELECT run_id, kind, 'domain', action, variant, domain, {NO_HOUR}, by_machine, {FIRSTS}
    FROM seen WHERE domain IS NOT NULL GROUP BY run_id, kind, action, variant, domain, by_machine
    UNION ALL
    SELECT run_id, kind, 'domain_at', action, variant, domain, hour, by_machine, {FIRSTS}
    FROM seen WHERE domain IS NOT NULL GROUP BY run_id, kind, action, variant, domain, hour, by_machine
    UNION ALL
    SELECT run_id, kind, 'device', action, variant, {DEVICE} AS device, hour, by_machine,
           sum(events), sum(people), sum(anybody)
    FROM (  -- first by the program, so that each is recognised once
        SELECT run_id, kind, action, variant, user_agent, hour, by_machine, {FIRSTS} FROM seen
        WHERE kind IN ('open', 'click') GROUP BY run_id, kind, action, variant, user_agent, hour, by_machine
    ) programs GROUP BY run_id, kind, action, variant, device, hour, by_machine
    UNION ALL
    SELECT run_id, kind, 'rule', action, variant, machine, hour, by_machine, {FIRSTS}
    FROM seen WHERE by_machine GROUP BY run_id, kind, action, variant, machine, hour, by_machine
    UNION ALL
    SELECT run_id, kind, 'fault', action, variant, fault, hour, by_machine, {FIRSTS}
    FROM seen WHERE kind = 'bounce' GROUP BY run_id, kind, action, variant, fault, hour, by_machine
)"""
# The same of messages: by what became of them, and how many had to be tried again.
SENT = f"""
last AS MATERIALIZED (
    SELECT m.run_id, m.action, m.variant, {DOMAIN} AS domain, a.outcome, a.n, date_trunc('hour', a.at, 'UTC')
           AS hour
    FROM of_batches b
    JOIN campaigns_message m ON m.run_id = b.run_id AND m.action = b.action AND m.slot = b.slot
        AND m.ref BETWEEN b.lo AND b.hi
    CROSS JOIN LATERAL (
        SELECT outcome, n, at FROM campaigns_attempt a
        WHERE a.run_id = m.run_id AND a.action = m.action AND a.ref = m.ref ORDER BY n DESC LIMIT 1
    ) a
), sent AS (
    SELECT run_id, outcome AS kind, '' AS facet, action, variant, '' AS key, hour, FALSE AS by_machine,
           count(*) AS events, count(*) AS people, count(*) AS anybody
    FROM last GROUP BY run_id, outcome, action, variant, hour
    UNION ALL
    SELECT run_id, outcome, 'domain', action, variant, domain, {NO_HOUR}, FALSE, count(*), count(*), count(*)
    FROM last WHERE domain IS NOT NULL GROUP BY run_id, outcome, action, variant, domain
    UNION ALL
    SELECT run_id, outcome, 'domain_at', action, variant, domain, hour, FALSE, count(*), count(*), count(*)
    FROM last WHERE domain IS NOT NULL GROUP BY run_id, outcome, action, variant, domain, hour
    UNION ALL
    SELECT run_id, 'retried', '', action, variant, '', hour, FALSE, sum(n - 1), count(*), count(*)
    FROM last WHERE n > 1 GROUP BY run_id, action, variant, hour
)"""
# Which of the messages `{of}` came back (`{back}`) without ever having been accepted: only of one that was
# uncertain can that be, and it lowers what was delivered by nothing. They are few, and found by the index of
# the attempts that were not accepted.
STRAY = "stray bounce"  # the kind of these rows
STRAYS = f"""
stray AS MATERIALIZED (
    SELECT u.run_id, u.action, m.variant, date_trunc('hour', back.at, 'UTC') AS hour, {DOMAIN} AS domain
    FROM (SELECT DISTINCT run_id, action, ref FROM campaigns_attempt
          WHERE {{of}} AND outcome = 'uncertain') u
    CROSS JOIN LATERAL (
        SELECT outcome FROM campaigns_attempt a
        WHERE a.run_id = u.run_id AND a.action = u.action AND a.ref = u.ref ORDER BY n DESC LIMIT 1
    ) last
    CROSS JOIN LATERAL (
        SELECT at FROM campaigns_event e
        WHERE e.run_id = u.run_id AND e.kind = 'bounce' AND e.action = u.action AND e.ref = u.ref
        ORDER BY e.id LIMIT 1
    ) back
    JOIN campaigns_message m ON m.run_id = u.run_id AND m.action = u.action AND m.ref = u.ref
    WHERE last.outcome <> 'accepted' AND {{back}}
), strays AS (
    SELECT run_id, '{STRAY}' AS kind, '' AS facet, action, variant, '' AS key, hour, FALSE AS by_machine,
           count(*) AS events, count(*) AS people, count(*) AS anybody
    FROM stray GROUP BY run_id, action, variant, hour
    UNION ALL
    SELECT run_id, '{STRAY}', facet, action, variant, domain, hour, FALSE, count(*), count(*), count(*)
    FROM stray, (VALUES ('domain'), ('domain_at')) f(facet)
    WHERE domain IS NOT NULL GROUP BY run_id, facet, action, variant, domain, hour
)"""
COLUMNS = "run_id, kind, facet, action, variant, key, hour, by_machine, events, people, anybody"
ADD = f"""
INSERT INTO campaigns_count ({COLUMNS}) SELECT {COLUMNS} FROM {{rows}}
ON CONFLICT (run_id, facet, kind, action, variant, key, hour, by_machine) DO UPDATE
SET events = campaigns_count.events + EXCLUDED.events, people = campaigns_count.people + EXCLUDED.people,
    anybody = campaigns_count.anybody + EXCLUDED.anybody
"""
COUNT_EVENTS = (
    "WITH " + SEEN.format(after="%(after)s", of="id <= %(until)s AND {which}") + ADD.format(rows="told")
)
# Before their attempts or their events go: from then on nothing tells that they were any.
KEEP_STRAYS = "WITH " + STRAYS + ADD.format(rows="strays")
# What other systems want to be told of (feedback/gather.py): a batch is over once, and counted once.
OVER = """
told AS (
    INSERT INTO campaigns_feedbackbatch (batch)
    SELECT o.id FROM of_batches o WHERE %(tells)s AND EXISTS (
        SELECT 1 FROM campaigns_run r JOIN campaigns_campaign c ON c.id = r.campaign_id
        JOIN campaigns_feedbackendpoint f ON f.workspace_id = c.workspace_id AND f.is_on
        WHERE r.id = o.run_id AND r.kind <> 'proof')
    ON CONFLICT DO NOTHING
), """
COUNT_BATCHES = (
    """
WITH of_batches AS MATERIALIZED (
    SELECT id, run_id, action, slot, lo, hi FROM campaigns_batch
    WHERE NOT counted AND state IN ('done', 'abandoned') ORDER BY id LIMIT %(most)s FOR UPDATE SKIP LOCKED
), marked AS (
    UPDATE campaigns_batch b SET counted = TRUE FROM of_batches o WHERE b.id = o.id
), """
    + OVER
    + SENT
    + ", added AS ("
    + ADD.format(rows="sent")
    + ") SELECT count(*) FROM of_batches"
)
TAKE_BACK = (
    """
WITH of_batches AS MATERIALIZED (
    SELECT id, run_id, action, slot, lo, hi FROM campaigns_batch WHERE counted AND id = ANY(%(batches)s)
), marked AS (
    UPDATE campaigns_batch b SET counted = FALSE FROM of_batches o WHERE b.id = o.id
), """
    + SENT
    + """
UPDATE campaigns_count c SET events = c.events - s.events, people = c.people - s.people,
    anybody = c.anybody - s.anybody
FROM sent s WHERE (c.run_id, c.facet, c.kind, c.action, c.variant, c.key, c.hour, c.by_machine)
                = (s.run_id, s.facet, s.kind, s.action, s.variant, s.key, s.hour, s.by_machine)
"""
)
EMPTY = """
DELETE FROM campaigns_count WHERE events = 0 AND run_id IN (
    SELECT run_id FROM campaigns_batch WHERE id = ANY(%(batches)s))
"""
NEXT = """
SELECT max(id) FROM (
    SELECT id FROM campaigns_event WHERE id > %(after)s AND id <= LEAST(%(until)s, COALESCE((
        SELECT min(id) - 1 FROM campaigns_event WHERE judged = 0 AND kind IN ('open', 'click')), %(until)s))
    ORDER BY id LIMIT %(page)s) page
"""
GIVEN = "SELECT last_value FROM {sequence}"
WRITERS = """
SELECT array_agg(virtualtransaction) FROM pg_locks
WHERE relation = 'campaigns_event'::regclass AND database = (SELECT oid FROM pg_database
      WHERE datname = current_database()) AND mode = 'RowExclusiveLock' AND granted
  AND pid <> pg_backend_pid()
"""


def move_forward(*, now: datetime) -> int:
    """Counts all that can be counted now; returns how many pages that took."""
    pages = 0
    while _count_batches():
        pages += 1
    until = settled_number()
    while until is not None and _count_page(until):
        pages += 1
    return pages


def rebuild() -> None:
    """Counts everything that is kept anew, in one transaction: readers see the old counts until then.

    Runs of which messages or events are gone keep their counts.
    """
    until = None
    while until is None:
        until = settled_number()
    with transaction.atomic(), connection.cursor() as cursor:
        mark = _mark(wait=True)
        assert mark is not None
        while _count_batches():  # what nobody was told of yet
            pass
        while _count_page(until):  # of runs that keep their counts
            pass
        mark.refresh_from_db()
        until = mark.position
        cursor.execute(FORGET)
        cursor.execute(UNCOUNT)
        mark.position = 0
        mark.save()
        while _count_batches(tells=False):
            pass
        while _count_page(until, which=KEPT):
            pass


def hold() -> None:
    """Nobody counts until the transaction ends. To be asked for before any batch is locked."""
    _mark(wait=True)


def take_back(batch_ids: Sequence[int]) -> None:
    """The batches are in the counts no more, and are counted again once they are over: before what is known
    of their messages changes. Within a transaction that holds the counting (`hold`).
    """
    with connection.cursor() as cursor:
        cursor.execute(TAKE_BACK, {"batches": list(batch_ids)})
        cursor.execute(EMPTY, {"batches": list(batch_ids)})


KEPT = """EXISTS (SELECT 1 FROM campaigns_run r WHERE r.id = run_id AND r.dropped_at IS NULL
    AND r.events_dropped_at IS NULL AND r.pruned = '{}')"""
FORGET = f"DELETE FROM campaigns_count WHERE {KEPT}"
UNCOUNT = f"UPDATE campaigns_batch SET counted = FALSE WHERE counted AND {KEPT}"


def settled_number() -> int | None:
    """The highest number of an event that is given and can no more appear later; None while one might."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence('campaigns_event', 'id')")
        sequence = cursor.fetchone()[0]
        cursor.execute(GIVEN.format(sequence=sequence))
        given = int(cursor.fetchone()[0])
        writing = _writers(cursor)
        ends = time.monotonic() + PATIENCE
        while writing:
            if time.monotonic() > ends:
                return None
            time.sleep(0.01)
            writing &= _writers(cursor)
    return given


def _writers(cursor: Any) -> set[str]:
    cursor.execute(WRITERS)
    return set(cursor.fetchone()[0] or ())


@transaction.atomic
def _count_page(until: int, which: str = "TRUE") -> bool:
    """One page of events; False when there is none, or somebody else counts."""
    mark = _mark()
    if mark is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(NEXT, {"after": mark.position, "until": until, "page": PAGE})
        last = cursor.fetchone()[0]
        if last is None:
            return False
        cursor.execute(f"SET LOCAL work_mem = '{MEMORY}'")
        cursor.execute("SET LOCAL jit = off")  # making code of the statement takes longer than a page
        cursor.execute(COUNT_EVENTS.format(which=which), {"after": mark.position, "until": last})
    mark.position = last
    mark.save()
    return True


def _mark(*, wait: bool = False) -> CountMark | None:
    return lock_mark(EVENTS, wait=wait)


def lock_mark(name: str, *, wait: bool = False) -> CountMark | None:
    """A watermark's row until the transaction ends; None when somebody else has it."""
    CountMark.objects.bulk_create([CountMark(name=name)], ignore_conflicts=True)
    rows = CountMark.objects.select_for_update(skip_locked=not wait)
    return rows.filter(name=name).first()


@transaction.atomic
def _count_batches(*, tells: bool = True) -> bool:
    """Batches that are over; False when there is none, or somebody else counts."""
    if _mark() is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(COUNT_BATCHES, {"most": BATCHES, "tells": tells})
        return bool(cursor.fetchone()[0])
