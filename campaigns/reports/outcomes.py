"""The ledger of many runs at once, and why messages were excluded or failed: two queries, however many.

A run's batches carry tallies and the fan-out says whom it left out, so a run of a million costs its thousand
batches. A standing run's calls write exclusions one by one, so its messages are counted from their rows, and
those that are kept no more from what pruning them left behind (`delivery/retention.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from campaigns.models import Outcome
from campaigns.reports.metrics import REASON_LABELS, Ledger

BY_RUN = """
WITH runs AS (SELECT * FROM campaigns_run WHERE id = ANY(%(runs)s)),
told AS (SELECT * FROM runs WHERE kind <> 'standing' AND %(action)s::int IS NULL),
read AS (SELECT id FROM runs WHERE (kind = 'standing' OR %(action)s::int IS NOT NULL) AND dropped_at IS NULL)
SELECT b.run_id, 'batch', t.key, sum(t.value::bigint)::bigint
FROM campaigns_batch b JOIN told r ON r.id = b.run_id, jsonb_each_text(b.tally) t GROUP BY 1, 3
UNION ALL
SELECT b.run_id, 'size', '', sum(b.size)::bigint
FROM campaigns_batch b JOIN told r ON r.id = b.run_id GROUP BY 1
UNION ALL
SELECT r.id, 'left', 'excluded/' || t.key, t.value::bigint FROM told r, jsonb_each_text(r.left_out) t
UNION ALL
SELECT id, 'targeted', '', targeted FROM told
UNION ALL
SELECT run_id, 'row', outcome || '/' || code, count(*) FROM (
    SELECT DISTINCT ON (run_id, ref, action) run_id, outcome, code FROM campaigns_attempt
    WHERE run_id IN (SELECT id FROM read) AND (%(action)s::int IS NULL OR action = %(action)s)
    ORDER BY run_id, ref, action, n DESC
) last WHERE outcome <> 'deferred' GROUP BY 1, 3
UNION ALL
SELECT run_id, 'messages', '', count(*) FROM campaigns_message
WHERE run_id IN (SELECT id FROM read) AND (%(action)s::int IS NULL OR action = %(action)s) GROUP BY 1
UNION ALL
SELECT r.id, 'pruned', t.key, sum(t.value::bigint)::bigint
FROM runs r, jsonb_each(r.pruned) p, jsonb_each_text(p.value) t
WHERE r.dropped_at IS NULL AND (%(action)s::int IS NULL OR p.key = %(action)s::text) GROUP BY 1, 3
UNION ALL
SELECT r.id, 'total', t.key, t.value::bigint FROM runs r, jsonb_each_text(r.totals) t
WHERE r.kind = 'standing' AND r.dropped_at IS NOT NULL AND %(action)s::int IS NULL
"""
Reason = tuple[str, str, int]
Source = Counter[tuple[str, str]]


@dataclass(frozen=True)
class Outcomes:
    """What became of the messages, by where it is written and `outcome/code`."""

    book: Ledger
    source: Source

    def reasons(self, outcome: str) -> list[Reason]:
        """(code, label, messages), most first."""
        codes: Counter[str] = Counter()
        for (_where, key), count in self.source.items():
            name, _slash, code = key.partition("/")
            if name == outcome and _slash:
                codes[code] += count
        told: list[tuple[str, Any, int]] = [
            (code, REASON_LABELS.get(code, code), n) for code, n in codes.items()
        ]
        rows = [(code, str(label), n) for code, label, n in told if n]
        return sorted(rows, key=lambda one: (-one[2], one[0]))


def of_runs(runs: Sequence[int], *, action: int | None = None) -> dict[int, Outcomes]:
    """By run. With an action, every run is counted from its rows."""
    found: dict[int, Source] = {run: Counter() for run in runs}
    with connection.cursor() as cursor:
        cursor.execute(BY_RUN, {"runs": list(runs), "action": action})
        for run, where, key, count in cursor.fetchall():
            found[run][where, key] += count
    return {run: Outcomes(_book(source), source) for run, source in found.items()}


def together(parts: Iterable[Outcomes]) -> Outcomes:
    source: Source = Counter()
    for part in parts:
        source.update(part.source)
    return Outcomes(_book(source), source)


def _book(source: Source) -> Ledger:
    """Each number is counted for itself, so that the sum can show a fault."""
    counts: Counter[str] = Counter()
    settled: Counter[str] = Counter()
    for (where, key), number in source.items():
        name = key.partition("/")[0]
        if name in Outcome.values:
            counts[name] += number
            settled[where] += number
    to_go = source["size", ""] - settled["batch"] + source["messages", ""] - settled["row"]
    return Ledger(
        targeted=source["targeted", ""]
        + source["messages", ""]
        + settled["pruned"]
        + source["total", "targeted"],
        to_go=to_go + source["total", "to_go"],
        **{str(name): counts[name] for name in Outcome.values if name != Outcome.DEFERRED},
    )
