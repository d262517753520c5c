"""The numbers of one or many runs, whatever their size: the counts and what lies behind the watermark.

Both are read by one statement, so they belong to the same moment and their sum is exact. Receives runs, and
the moment to begin at where only the last day is asked for; promises the same number of queries for any of
them. `metrics.py` says what the numbers mean; pages, REST, CSV and PDF show them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from campaigns.reports.counting import DOMAIN, EVENTS, SEEN, SENT, STRAY, STRAYS

MOST_DOMAINS = 30
MARK = f"(SELECT COALESCE(max(position), 0) FROM campaigns_countmark WHERE name = '{EVENTS}')"
READ = (
    "WITH "
    + SEEN.format(after=MARK, of="id > %(mark)s AND run_id = ANY(%(runs)s)")
    + """, of_batches AS MATERIALIZED (
    SELECT id, run_id, action, slot, lo, hi FROM campaigns_batch
    WHERE run_id = ANY(%(runs)s) AND NOT counted AND epoch > 0
), """
    + SENT
    + ", "
    + STRAYS.format(of="run_id = ANY(%(runs)s)", back="TRUE")
    + """, everything AS MATERIALIZED (
    SELECT run_id, kind, facet, action, variant, key, hour, by_machine, events, people, anybody
    FROM campaigns_count WHERE run_id = ANY(%(runs)s) AND facet = ANY(%(facets)s)
    UNION ALL SELECT * FROM told
    UNION ALL SELECT * FROM sent WHERE kind <> 'deferred'
    UNION ALL SELECT * FROM strays
), rows AS (
    SELECT e.run_id, e.kind, CASE e.facet WHEN 'domain_at' THEN 'domain' ELSE e.facet END AS facet, e.action,
           e.variant, e.key, e.hour, e.by_machine, e.events, e.people, e.anybody, r.version_id AS version
    FROM everything e JOIN campaigns_run r ON r.id = e.run_id
    WHERE facet = ANY(%(facets)s) AND (%(action)s::int IS NULL OR action = %(action)s)
      AND (%(since)s::timestamptz IS NULL OR hour >= %(since)s)
      AND (%(window)s::interval IS NULL OR e.kind NOT IN ('open', 'click', 'unsubscribe')
           OR r.finished_at IS NULL OR hour < r.finished_at + %(window)s)
), domains AS (
    SELECT key FROM rows WHERE facet = 'domain' GROUP BY key
    ORDER BY sum(events) FILTER (WHERE kind = 'accepted') DESC NULLS LAST, key LIMIT %(domains)s
)
SELECT facet, run_id AS run, version, action, variant, kind, by_machine, '' AS key, NULL::timestamptz AS hour,
       sum(events)::bigint, sum(people)::bigint, sum(anybody)::bigint
FROM rows WHERE facet = '' GROUP BY facet, run_id, version, action, variant, kind, by_machine
UNION ALL
SELECT 'hour', 0, 0, 0, 0, kind, by_machine, '', date_trunc(%(step)s, hour, %(zone)s) AS at,
       sum(events)::bigint, sum(people)::bigint, sum(anybody)::bigint
FROM rows WHERE facet = '' AND kind IN ('open', 'click', 'accepted') GROUP BY kind, by_machine, at
UNION ALL
SELECT facet, 0, version, action, 0, kind, by_machine, key, NULL,
       sum(events)::bigint, sum(people)::bigint, sum(anybody)::bigint
FROM rows WHERE facet = 'link' GROUP BY facet, version, action, kind, by_machine, key
UNION ALL
SELECT facet, 0, 0, 0, 0, kind, by_machine, key, NULL,
       sum(events)::bigint, sum(people)::bigint, sum(anybody)::bigint
FROM rows WHERE facet IN ('device', 'rule', 'fault')
   OR (facet = 'domain' AND key IN (SELECT key FROM domains))
GROUP BY facet, kind, by_machine, key
"""
)


# Of the messages that left in the last hours, those that came back: bounces of others left before.
RETURNED = f"""
WITH back AS MATERIALIZED (
    SELECT DISTINCT e.run_id, e.action, e.ref, m.variant, {DOMAIN} AS domain
    FROM campaigns_event e
    CROSS JOIN LATERAL (
        SELECT outcome, at FROM campaigns_attempt a
        WHERE a.run_id = e.run_id AND a.action = e.action AND a.ref = e.ref ORDER BY n DESC LIMIT 1
    ) last
    JOIN campaigns_message m ON m.run_id = e.run_id AND m.action = e.action AND m.ref = e.ref
    WHERE e.run_id = ANY(%(runs)s) AND e.kind = 'bounce' AND last.outcome = 'accepted'
      AND e.at >= %(since)s AND last.at >= %(since)s AND (%(action)s::int IS NULL OR e.action = %(action)s)
)
SELECT '', b.run_id, r.version_id, b.action, b.variant, '{{kind}}', FALSE, '', NULL::timestamptz,
       count(*), count(*), count(*)
FROM back b JOIN campaigns_run r ON r.id = b.run_id GROUP BY b.run_id, r.version_id, b.action, b.variant
UNION ALL
SELECT 'domain', 0, 0, 0, 0, '{{kind}}', FALSE, domain, NULL, count(*), count(*), count(*)
FROM back WHERE domain = ANY(%(domains)s) GROUP BY domain
"""
CAME_BACK = "came back"  # the kind of these rows


class Row(NamedTuple):
    """`hour` is a facet of its own here: the curve."""

    facet: str
    run: int
    version: int
    action: int
    variant: int
    kind: str
    by_machine: bool
    key: str
    hour: datetime | None
    events: int
    people: int
    anybody: int


class Tally(NamedTuple):
    """Of one kind of event: how many by people and by all, and on how many messages."""

    events: int = 0
    all_events: int = 0
    people: int = 0
    anybody: int = 0

    @property
    def machine_events(self) -> int:
        return self.all_events - self.events


@dataclass(frozen=True)
class Figures:
    rows: list[Row]

    def tally(self, kind: str, where: Callable[[Row], bool] = lambda row: True, facet: str = "") -> Tally:
        return _added(row for row in self.rows if row.facet == facet and row.kind == kind and where(row))

    @property
    def returned(self) -> int:
        """Messages that were accepted and came back."""
        return self.tally("bounce").anybody - self.tally(STRAY).anybody

    def by(self, facet: str, name: Callable[[Row], Any]) -> dict[Any, dict[str, Tally]]:
        """By what `name` says of a row, then by kind."""
        parts: dict[Any, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for row in self.rows:
            if row.facet == facet:
                parts[name(row)][row.kind].append(row)
        return {key: {kind: _added(rows) for kind, rows in kinds.items()} for key, kinds in parts.items()}


def _added(rows: Any) -> Tally:
    events = all_events = people = anybody = 0
    for row in rows:
        all_events += row.events
        people += row.people
        anybody += row.anybody
        events += 0 if row.by_machine else row.events
    return Tally(events, all_events, people, anybody)


def read(
    runs: Sequence[int],
    *,
    action: int | None = None,
    since: datetime | None = None,
    step: str = "hour",
    zone: str = "UTC",
    window: timedelta | None = None,
) -> Figures:
    """`step` is hour or day, cut in `zone`; with `since`, what happened from that hour on; with `window`,
    opens, clicks and unsubscribes until so long after the run had sent its last message, in whole hours.
    """
    values: dict[str, Any] = {
        "runs": list(runs),
        # Domains are many: their hours are read where hours are asked for.
        "facets": ["", "link", "device", "rule", "fault", "domain_at" if since or window else "domain"],
        "action": action,
        "since": since,
        "step": step,
        "zone": zone,
        "domains": MOST_DOMAINS,
        "window": window,
    }
    with connection.cursor() as cursor:
        # The planner must see how short the tail is; the statement looks itself where the mark stands then.
        cursor.execute(f"SELECT {MARK}")
        values["mark"] = cursor.fetchone()[0]
        cursor.execute(READ, values)
        return Figures([Row(*row) for row in cursor.fetchall()])


def of_last_hours(runs: Sequence[int], read: Figures, *, action: int | None, since: datetime) -> Figures:
    """What was read since then, and how much of what left since then came back."""
    domains = [row.key for row in read.rows if row.facet == "domain"]
    values = {"runs": list(runs), "action": action, "since": since, "domains": domains}
    with connection.cursor() as cursor:
        cursor.execute(RETURNED.replace("{kind}", CAME_BACK), values)
        return Figures([*read.rows, *(Row(*row) for row in cursor.fetchall())])
