"""How far a run is, from its batches' tallies and what the fan-out left out: never from its messages.

A tally moves in the transaction that records the attempts, so these numbers are the ledger's. What a page
asks every two seconds costs as many rows as the run has batches. A sample every sweep gives the rate.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from campaigns.models import Outcome, Run
from campaigns.reports.metrics import REASON_LABELS, Ledger, ledger

SPAN = timedelta(seconds=60)  # that the rate is read over
LEAST = timedelta(seconds=4)  # under which a rate would be a guess

WAVES = """
SELECT wave, sum(size), min(send_after), max(send_after), max(finished_at),
       count(*) FILTER (WHERE state IN ('waiting', 'ready', 'claimed'))
FROM campaigns_batch WHERE run_id = %s GROUP BY wave ORDER BY wave
"""
TALLIES = """
SELECT b.wave, t.key, sum(t.value::int) FROM campaigns_batch b, jsonb_each_text(b.tally) t
WHERE b.run_id = %s GROUP BY 1, 2
"""
# A run that somebody else has locked is sampled the next time.
SAMPLE = """
WITH open AS (
    SELECT id FROM campaigns_run WHERE state = 'sending' AND kind <> 'standing' FOR UPDATE SKIP LOCKED
), counted AS (
    SELECT open.id, COALESCE(sum(t.value::int), 0) AS settled
    FROM open LEFT JOIN campaigns_batch b ON b.run_id = open.id
    LEFT JOIN LATERAL jsonb_each_text(b.tally) t ON TRUE GROUP BY open.id
)
UPDATE campaigns_run r SET samples = COALESCE(
    (SELECT jsonb_agg(s ORDER BY s->0) FROM jsonb_array_elements(r.samples) s
     WHERE (s->>0)::float8 BETWEEN %(since)s AND %(at)s), '[]')
    || jsonb_build_array(jsonb_build_array(%(at)s::float8, counted.settled))
FROM counted WHERE r.id = counted.id
"""


@dataclass
class Wave:
    """One wave's people and what became of them. `ended_at` once nothing of it is open."""

    number: int
    size: int
    starts_at: datetime
    last_at: datetime
    ended_at: datetime | None
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def settled(self) -> int:
        return sum(self.counts.values())

    @property
    def to_go(self) -> int:
        return self.size - self.settled

    @property
    def share(self) -> float:
        return 100 * self.settled / self.size if self.size else 100.0


Reasons = list[tuple[str, str, int]]


@dataclass(frozen=True)
class Progress:
    """`rate` is messages a second over the last minute, None while unknown; `ends_at` follows from it."""

    book: Ledger
    waves: list[Wave]
    failed: Reasons
    excluded: Reasons
    rate: float | None
    ends_at: datetime | None


def of(run: Run, *, now: datetime) -> Progress:
    waves, codes = _read(run)
    for code, people in run.left_out.items():
        codes[f"{Outcome.EXCLUDED}/{code}"] += people
    book = _book(run, waves, codes)
    rate = None if run.finished_at else _rate(run, sum(wave.settled for wave in waves), now)
    return Progress(
        book,
        waves,
        _reasons(codes, Outcome.FAILED),
        _reasons(codes, Outcome.EXCLUDED),
        rate,
        _ends_at(waves, book.to_go, rate, now),
    )


def sample(*, now: datetime) -> None:
    """Notes how far every sending run is; what is older than a minute goes."""
    at = now.timestamp()
    with connection.cursor() as cursor:
        cursor.execute(SAMPLE, {"at": at, "since": at - SPAN.total_seconds()})


def _read(run: Run) -> tuple[list[Wave], Counter[str]]:
    codes: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(WAVES, [run.pk])
        waves = {
            row[0]: Wave(row[0] + 1, int(row[1]), row[2], row[3], None if row[5] else row[4])
            for row in cursor.fetchall()
        }
        cursor.execute(TALLIES, [run.pk])
        for wave, key, people in cursor.fetchall():
            codes[key] += int(people)
            waves[wave].counts[key.partition("/")[0]] += int(people)
    return list(waves.values()), codes


def _book(run: Run, waves: list[Wave], codes: Counter[str]) -> Ledger:
    """A standing run's exclusions are written call by call, so its ledger is counted from the rows."""
    if run.totals:
        return Ledger(**run.totals)
    if run.kind == Run.Kind.STANDING:
        return ledger(run)
    counts: Counter[str] = Counter()
    for key, people in codes.items():
        counts[key.partition("/")[0]] += people
    return Ledger(
        targeted=run.targeted,
        to_go=sum(wave.to_go for wave in waves),
        **{str(name): counts[name] for name in Outcome.values if name != Outcome.DEFERRED},
    )


def _reasons(codes: Counter[str], outcome: str) -> Reasons:
    found = [(key.partition("/")[2], n) for key, n in codes.items() if key.startswith(f"{outcome}/") and n]
    told: list[tuple[str, Any, int]] = [(code, REASON_LABELS.get(code, code), n) for code, n in found]
    return [(code, str(label), n) for code, label, n in sorted(told, key=lambda one: (-one[2], one[0]))]


def _rate(run: Run, settled: int, now: datetime) -> float | None:
    """Since the oldest sample of the last minute."""
    since = (now - SPAN).timestamp() - 1
    samples = [(at, count) for at, count in run.samples if since <= at <= now.timestamp()]
    if not samples or now.timestamp() - samples[0][0] < LEAST.total_seconds():
        return None
    at, count = samples[0]
    passed: float = now.timestamp() - at
    rate: float = (settled - count) / passed
    return max(0.0, rate)


def _ends_at(waves: list[Wave], to_go: int, rate: float | None, now: datetime) -> datetime | None:
    """At the present rate, and not before the last wave or hour that is still to come."""
    if not rate or not to_go:
        return None
    open_waves = [wave.last_at for wave in waves if wave.ended_at is None]
    years = timedelta(days=3650)
    worked = now + min(timedelta(seconds=to_go / rate), years)
    return max([worked, *open_waves]).astimezone(UTC)
