"""What a report costs with ten times the events, and how fast they are counted, as ratios taken in one run.

    make bench-reports      some minutes

Events of a run come in by COPY and are counted, a tenth of them at a time, in turns; so COPY's rate and the
counting's meet the same moments of the machine. Then the reports of this run and of one with a tenth of its
events are made, in turns: how many queries, and how long the database took. Prints a table and adds its
figures to build/bench.json.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from campaigns.models import Event, Run  # noqa: E402
from campaigns.reports import counting, figures, report  # noqa: E402
from campaigns.tracking import machines  # noqa: E402
from tests import builders  # noqa: E402

FIGURES = Path("build/bench.json")
TENTHS, ROUNDS = 10, 15
LINKS = "".join(f'<a href="https://shop.example/{n}">{n}</a>' for n in range(12))
HTML = f'<html><body>{LINKS}<a href="{{{{ unsubscribe_url }}}}">Leave</a></body></html>'
SENT = """
INSERT INTO campaigns_message (run_id, ref, action, variant, slot, address)
SELECT %(run)s, n, 0, 0, 0, 'p' || n || '@mail' || (n %% 400) || '.example'
FROM generate_series(1, %(people)s) n;
INSERT INTO campaigns_attempt (run_id, ref, at, action, n, outcome, code)
SELECT %(run)s, n, %(began)s::timestamptz + n * interval '1 ms', 0, 1, 'accepted', '250'
FROM generate_series(1, %(people)s) n;
INSERT INTO campaigns_batch
    (run_id, action, lo, hi, size, lane, state, send_after, owner, epoch, claims, tally)
SELECT %(run)s, 0, n, n + 999, 1000, 'bulk', 'done', %(began)s, '', 1, 1, '{"accepted": 1000}'
FROM generate_series(1, %(people)s, 1000) n;
"""
# Seven of ten are opens; half of all happen in the first hours, the others over two days, one by one.
HAPPENED = """
COPY (
    SELECT %(run)s, 1 + (random() * (%(people)s - 1))::int, %(began)s::timestamptz
           + power(%(done)s + %(share)s * n / %(events)s, 3) * interval '48 hours', 0,
           CASE WHEN n %% 10 >= 7 THEN (random() * 11)::int END,
           CASE WHEN n %% 10 < 7 THEN 'open' ELSE 'click' END,
           CASE WHEN n %% 9 = 0 THEN 'apple' ELSE '' END, %(judged)s,
           (ARRAY['Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile',
                  'Mozilla/5.0', 'Mozilla/5.0 (Windows NT 10.0; Win64) AppleWebKit/537.36 Chrome/126.0',
                  'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile'])[1 + n %% 4]
    FROM generate_series(1, %(events)s) n) TO STDOUT
"""
TAKE_IN = """
COPY campaigns_event (run_id, ref, at, action, link, kind, machine, judged, user_agent) FROM STDIN
"""


def prepare(people: int) -> tuple[Run, dict[str, Any]]:
    call_command("migrate", verbosity=0)
    where = builders.workspace(f"bench-{secrets.token_hex(4)}")
    run = Run.objects.get(campaign=builders.live(where, now=timezone.now(), html=HTML))
    began = timezone.now() - timedelta(days=2)
    values: dict[str, Any] = {"run": run.pk, "people": people, "began": began, "judged": machines.VERSION}
    Run.objects.filter(pk=run.pk).update(
        state="completed", targeted=people, due_at=began, started_at=began, finished_at=timezone.now()
    )
    with connection.cursor() as cursor:
        for statement in filter(str.strip, SENT.split(";")):
            cursor.execute(statement, values)
        cursor.execute("VACUUM (ANALYZE) campaigns_message")
    run.refresh_from_db()
    counting.move_forward(now=timezone.now())
    return run, values


def made_up(values: dict[str, Any], events: int, part: int, parts: int) -> list[bytes]:
    """One part of the events as COPY wants them, in the client's memory."""
    asked = {**values, "events": events // parts, "done": part / parts, "share": 1 / parts}
    with (
        connection.cursor() as cursor,
        cursor.cursor.copy(_bound(HAPPENED, asked)) as out,
    ):
        return [bytes(part) for part in out]


def _bound(statement: str, values: dict[str, Any]) -> str:
    with connection.cursor() as cursor:
        return str(cursor.mogrify(statement, values))


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def take_in(parts: list[bytes]) -> None:
    with connection.cursor() as cursor, cursor.cursor.copy(TAKE_IN) as into:
        for part in parts:
            into.write(part)


def asked(run: Run) -> tuple[int, float]:
    """Queries of a report, and the milliseconds that the database took for them."""
    took: list[float] = []

    def watched(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            took.append(time.perf_counter() - began)

    with connection.execute_wrapper(watched):
        report.make(run.campaign, run=run, now=timezone.now())
    return len(took), 1000 * sum(took)


def filled(people: int, events: int, parts: int) -> tuple[Run, list[float]]:
    """A run with so many events, taken in and counted in so many parts; how counting compares with COPY."""
    run, values = prepare(people)
    rates = []
    for part in range(parts):
        made = made_up(values, events, part, parts)
        written = timed(lambda made=made: take_in(made))  # type: ignore[misc]
        counted = timed(lambda: counting.move_forward(now=timezone.now()))
        rates.append(written / counted)
        share = events // parts
        print(f"  {share} events: COPY {share / written:9.0f}/s, counted {share / counted:9.0f}/s")
    rows = figures.read([run.pk]).rows
    total = sum(row.events for row in rows if row.facet == "" and row.kind in ("open", "click"))
    assert total == Event.objects.filter(run=run).count() == events
    return run, rates


def compared(small: Run, large: Run) -> tuple[float, float, float]:
    """The medians of both in milliseconds, and of their ratios, asked in turns; both ask the same queries."""
    few, many = [], []
    for round_ in range(ROUNDS + 1):
        queries, first = asked(small)
        same, second = asked(large)
        if round_:  # the first one reads the campaigns and their workspaces too
            assert queries == same, (queries, same)
            few.append(first)
            many.append(second)
    growth = statistics.median(two / one for one, two in zip(few, many, strict=True))
    return statistics.median(few), statistics.median(many), growth


def main(events: int, people: int) -> None:
    small, _rates = filled(people // 10, events // TENTHS, 1)
    large, rates = filled(people, events, TENTHS)
    analyzed()
    few, many, growth = compared(small, large)
    pace = statistics.median(rates)
    print(f"\nA report: SQL {few:.1f} ms with {events // TENTHS} events, {many:.1f} ms with {events}")
    print(f"  ratio {growth:.2f}   counting ÷ COPY {pace:.2f} [{min(rates):.2f}–{max(rates):.2f}]")
    found = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    found["report_growth"] = {"value": round(growth, 3), "must": 1.5, "aim": 1.1, "reached": growth <= 1.5}
    found["counting_of_copy"] = {"value": round(pace, 3), "must": 0.25, "aim": 0.5, "reached": pace >= 0.25}
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(found, indent=2) + "\n")


def analyzed() -> None:
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) campaigns_count, campaigns_event, campaigns_batch")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--people", type=int, default=500_000)
    given = parser.parse_args()
    main(given.events, given.people)
