"""`make drill`: faults one after the other, each on a run of its own: a table and build/drill.json.

`--people`, `--times` (of each fault) and `--faults` make it shorter. The broker is the one BROKER_URL names.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "carillon_drill"
FAULTS = ["group", "child", "main", "everything", "zombie", "broker", "backends", "postgres"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--times", type=int, default=8)
    parser.add_argument("--faults", nargs="*")
    options = parser.parse_args()
    given = os.environ["DATABASE_URL"]
    with psycopg.connect(given, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {DATABASE}")
    os.environ["DATABASE_URL"] = make_conninfo(**{**conninfo_to_dict(given), "dbname": DATABASE})
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return run(options)


def run(options: argparse.Namespace) -> int:
    from tests.drill.drill import PLACES, Drill, Row, as_json
    from tests.fakes.house import House

    wanted = options.faults or [*FAULTS, *(f"failpoint:{place}" for place in PLACES)]
    rows: list[Row] = []
    print(f"{'fault':24}{'lost':>6}{'strangers':>11}{'duplicates':>12}{'bound':>7}  balanced  seconds")
    with tempfile.TemporaryDirectory() as folder, House(Path(folder)) as house:
        drill = Drill(house, Path(folder), options.people)
        drill.start()
        for fault in [fault for _time in range(options.times) for fault in wanted]:
            row = drill.inject(fault)
            rows.append(row)
            told = f"{row.lost:>6}{row.strangers:>11}{row.duplicates:>12}{row.bound:>7}"
            print(f"{row.fault:24}{told}  {row.balanced!s:8}  {row.seconds:>7}", flush=True)
    path = ROOT / "build" / "drill.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([as_json(row) for row in rows], indent=2))
    good = sum(row.is_good for row in rows)
    print(f"{good} of {len(rows)} as promised")
    return 0 if good == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
