"""How fast a rule is counted, as ratios taken in one run: against the best query written by hand, and, for a
selective rule on an indexed attribute, against a sequential scan.

    make bench-rules      1,000,000 people with 20 attributes and 5,000,000 events; some minutes

Prints a table and adds its figures to build/bench.json. No figure fails anything.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.db import connection  # noqa: E402

from accounts import roles  # noqa: E402
from accounts.access import SYSTEM  # noqa: E402
from accounts.models import Workspace  # noqa: E402
from audiences import evaluate, indexes, months  # noqa: E402
from audiences.models import AttributeDefinition  # noqa: E402

ROUNDS = 7
FIGURES = Path("build/bench.json")
TYPES = {
    "city": "text",
    "member": "text",
    "points": "number",
    "vip": "boolean",
    "joined": "date",
    "tags": "list",
    **{f"text_{n}": "text" for n in range(6)},
    **{f"number_{n}": "number" for n in range(5)},
    **{f"flag_{n}": "boolean" for n in range(3)},
}
PEOPLE = """
INSERT INTO audiences_profile
    (workspace_id, email, locale, time_zone, attributes, is_test, created_at, changed_at)
SELECT %(workspace)s, 'p' || n || '@example.com', 'zh-Hant', 'Asia/Taipei', jsonb_build_object(
    'city', (ARRAY['Taipei','Kaohsiung','Tainan','Taichung','Hsinchu'])[1 + n %% 5], 'member', 'm' || n,
    'points', (n::bigint * 7919) %% 10000, 'vip', n %% 3 = 0,
    'joined', to_char(date '2000-01-01' + (n * 31) %% 9000, 'YYYY-MM-DD'),
    'tags', jsonb_build_array('t' || n %% 50, 'u' || n %% 7, 'r' || n %% 20000),
    'text_0', md5(n::text), 'text_1', 'segment ' || n %% 20, 'text_2', 'b' || n %% 1000,
    'text_3', 'lorem ipsum', 'text_4', 'x' || n %% 100, 'text_5', 'zz', 'number_0', n,
    'number_1', n %% 10, 'number_2', n %% 77,
    'number_3', n * 2, 'number_4', n %% 2, 'flag_0', true, 'flag_1', n %% 3 = 1, 'flag_2', n %% 2 = 1),
    FALSE, now(), now()
FROM generate_series(1, %(people)s) n
"""
EVENTS = """
INSERT INTO audiences_profileevent (workspace_id, profile_id, name, at, properties, received_at)
SELECT %(workspace)s, %(first)s + (random() * (%(people)s - 1))::int,
       (ARRAY['purchase','view','login','cart','search'])[1 + n %% 5],
       now() - random() * interval '170 days', jsonb_build_object('total', n %% 500), now()
FROM generate_series(1, %(events)s) n
"""
RULE = {
    "all": [
        {"field": "city", "op": "is", "value": "Taipei"},
        {"field": "points", "op": "greater_than", "value": 5000},
        {"field": "tags", "op": "has_any", "value": ["t3", "t5", "t10", "t15", "t20"]},
        {"event": "purchase", "op": "at_least", "count": 2, "days": 90},
    ]
}
BY_HAND = {
    "join": """
SELECT count(*) FROM audiences_profile p
JOIN (SELECT profile_id FROM audiences_profileevent
      WHERE workspace_id = {workspace} AND name = 'purchase' AND at >= '{since}' AND at <= now()
      GROUP BY 1 HAVING count(*) >= 2) e ON e.profile_id = p.id
WHERE p.workspace_id = {workspace} AND {attributes}""",
    "in": """
SELECT count(*) FROM audiences_profile p
WHERE p.workspace_id = {workspace} AND {attributes}
  AND p.id IN (SELECT profile_id FROM audiences_profileevent
               WHERE workspace_id = {workspace} AND name = 'purchase' AND at >= '{since}' AND at <= now()
               GROUP BY 1 HAVING count(*) >= 2)""",
    "people first": """
WITH people AS MATERIALIZED (
    SELECT p.id FROM audiences_profile p WHERE p.workspace_id = {workspace} AND {attributes})
SELECT count(*) FROM (
    SELECT e.profile_id FROM audiences_profileevent e JOIN people ON people.id = e.profile_id
    WHERE e.workspace_id = {workspace} AND e.name = 'purchase' AND e.at >= '{since}' AND e.at <= now()
    GROUP BY 1 HAVING count(*) >= 2) t""",
}
ATTRIBUTES = {
    "->>": "p.attributes ->> 'city' = 'Taipei' AND (p.attributes ->> 'points')::numeric > 5000 "
    "AND p.attributes -> 'tags' ?| ARRAY['t3', 't5', 't10', 't15', 't20']",
    "@>": """p.attributes @> '{"city": "Taipei"}' AND (p.attributes ->> 'points')::int > 5000 """
    "AND p.attributes -> 'tags' ?| ARRAY['t3', 't5', 't10', 't15', 't20']",
}
SELECTIVE: dict[str, dict[str, Any]] = {
    "text is": {"field": "member", "op": "is", "value": "m123456"},
    "number between": {"field": "points", "op": "between", "value": [5000, 5004]},
    "date between": {"field": "joined", "op": "between", "value": ["2010-05-01", "2010-05-03"]},
    "list has all": {"field": "tags", "op": "has_all", "value": ["r777"]},
}


def run(sql: str, params: Any = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone() if cursor.description else None


def definition(rule: Any) -> dict[str, Any]:
    return {"id": None, "kind": "rule", "name": "", "rule": rule}


def generate(people: int, events: int) -> Workspace:
    now = datetime.now(UTC)
    workspace = roles.create_workspace(name="Bench", slug="bench", actor=SYSTEM, now=now)
    for key, kind in TYPES.items():
        AttributeDefinition.objects.create(workspace=workspace, key=key, type=kind)
    run(PEOPLE, {"workspace": workspace.pk, "people": people})
    (first,) = run("SELECT min(id) FROM audiences_profile")
    months.make({months.later(months.month_of(now), -back) for back in range(7)})
    run(EVENTS, {"workspace": workspace.pk, "people": people, "first": first, "events": events})
    run("VACUUM (ANALYZE) audiences_profile")
    run("VACUUM (ANALYZE) audiences_profileevent")
    return workspace


def medians(candidates: dict[str, Callable[[], int]]) -> tuple[dict[str, float], int]:
    """Seconds of each, taken in turns so that a slow moment of the machine meets all; all count the same."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    answers = set()
    for round_ in range(ROUNDS + 1):
        for name, ask in candidates.items():
            started = time.perf_counter()
            answers.add(ask())
            if round_:  # the first one warms the cache
                times[name].append(time.perf_counter() - started)
    assert len(answers) == 1, answers
    return {name: statistics.median(took) for name, took in times.items()}, answers.pop()


def compared_with_hand(workspace: Workspace) -> dict[str, Any]:
    zone = workspace.time_zone
    (since,) = run("SELECT ((now() AT TIME ZONE %s)::date - 90)::timestamp AT TIME ZONE %s", [zone, zone])
    candidates: dict[str, Callable[[], int]] = {
        "rule": lambda: evaluate.count(definition(RULE), workspace.pk)
    }
    for form, sql in BY_HAND.items():
        for name, attributes in ATTRIBUTES.items():
            text = sql.format(workspace=workspace.pk, since=since, attributes=attributes)
            candidates[f"{form}, {name}"] = lambda text=text: run(text)[0]  # type: ignore[misc]
    took, people = medians(candidates)
    rule = took.pop("rule")
    best = min(took, key=lambda name: took[name])
    print(f"\nTwo attributes, a list and an event window; {people} people found")
    for name, seconds in {"the rule": rule, **took}.items():
        print(f"  {name:20} {1000 * seconds:9.1f} ms{'   best by hand' if name == best else ''}")
    print(f"  ratio                {rule / took[best]:9.2f}")
    return {"rules_by_hand": round(rule / took[best], 3)}


def compared_with_scan(workspace: Workspace) -> dict[str, Any]:
    started = time.perf_counter()
    for key in {rule["field"] for rule in SELECTIVE.values()}:
        AttributeDefinition.objects.filter(key=key).update(index_state="wanted")
    indexes.keep()
    print(f"\nSelective rules on indexed attributes (indexes built in {time.perf_counter() - started:.1f} s)")
    ratios = {}
    for name, rule in SELECTIVE.items():

        def scan(rule: Any = rule) -> int:
            for setting in ("indexscan", "bitmapscan", "indexonlyscan"):
                run(f"SET enable_{setting} = off")
            try:
                return evaluate.count(definition(rule), workspace.pk)
            finally:
                for setting in ("indexscan", "bitmapscan", "indexonlyscan"):
                    run(f"RESET enable_{setting}")

        took, people = medians(
            {"rule": lambda rule=rule: evaluate.count(definition(rule), workspace.pk), "scan": scan}  # type: ignore[misc]
        )
        ratios[name] = took["rule"] / took["scan"]
        print(
            f"  {name:16} {1000 * took['rule']:8.1f} ms, scan {1000 * took['scan']:8.1f} ms, "
            f"ratio {ratios[name]:.3f}   {people} people"
        )
    return {"rules_indexed": round(max(ratios.values()), 3)}


def main(people: int, events: int) -> None:
    own = str(connection.settings_dict["NAME"])
    connection.settings_dict["TEST"]["NAME"] = "carillon_bench_rules"
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        started = time.perf_counter()
        workspace = generate(people, events)
        print(f"{people} people, {events} events in {time.perf_counter() - started:.0f} s")
        figures = compared_with_hand(workspace) | compared_with_scan(workspace)
    finally:
        connection.creation.destroy_test_db(own, verbosity=0)
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps({**known, **figures}, indent=2) + "\n")


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:]]
    main(*(given or [1_000_000, 5_000_000]))
