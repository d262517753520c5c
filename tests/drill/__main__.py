"""`make drill`: random kills and cuts in the middle of runs: a table, and build/drill.json, a row a fault.

A row's `duplicates` are the copies of what was under way at that fault, at most `bound` where a run has no
other; `lost`, `strangers` (both must be 0), `balanced` and `run_duplicates` are of the whole run, which all
rows of the same `run` share. Copies are at most `run_uncertain`, what the run's own ledger says may have left
with a dead worker, and that at most `run_bound`; `untold` (must be 0) are copies of messages of which it does
not say so. Faults of the broker kill nobody: their bound is 0.

With `--from REVISION` nothing is broken: workers of that older version begin each run on the present
database, those of this version come beside them, and the older ones are told to stop.

`--people`, `--times` (of each fault) and `--faults` make it shorter; `--together` injects so many faults, one
after the other, into each run. `--minutes` goes on for so long with the same clock, and says whether it grew.
The broker is the one BROKER_URL names.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

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
    parser.add_argument("--together", type=int, default=1, help="faults in one run")
    parser.add_argument("--from", dest="older", metavar="REVISION", help="upgrade from it in each run")
    parser.add_argument("--minutes", type=float, help="go on for so long with faults at random: a soak")
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
    from tests.drill.drill import AT_POINT, PLACES, Drill, Row, as_json
    from tests.fakes.house import House

    wanted = (
        ["upgrade"]
        if options.older
        else options.faults or [*(f"{AT_POINT}{place}" for place in PLACES), *FAULTS]
    )
    rows: list[Row] = []
    heads = f"{'lost':>6}{'strangers':>11}{'duplicates':>12}{'uncertain':>11}{'bound':>7}{'untold':>8}"
    print(f"{heads}  balanced  seconds  faults")
    with tempfile.TemporaryDirectory() as folder, House(Path(folder)) as house:
        drill = Drill(house, Path(folder), options.people)
        older = _checked_out(options.older, Path(folder) / "older") if options.older else ROOT
        sizes = list[int]()
        for faults in _soak(wanted, options) if options.minutes else _batched(wanted, options):
            if not (options.minutes and rows):
                drill.start(older)
            row = drill.inject(*faults)
            sizes.append(drill.size_of_clock())
            rows.append(row)
            copies = f"{row.duplicates:>12}{row.uncertain:>11}{row.bound:>7}{row.untold:>8}"
            counted = f"{row.lost:>6}{row.strangers:>11}{copies}"
            print(f"{counted}  {row.balanced!s:8}  {row.seconds:>7}  {row.fault}", flush=True)
    path = ROOT / "build" / "drill.json"
    path.parent.mkdir(exist_ok=True)
    told = [one for number, row in enumerate(rows, 1) for one in as_json(number, row)]
    path.write_text(json.dumps(told, indent=2))
    good = sum(row.is_good for row in rows)
    injected = sum(row.faults for row in rows)
    print(f"the clock held {sizes[0] / 1e6:.0f} MB at first and {sizes[-1] / 1e6:.0f} MB at the end")
    print(f"{injected} faults on {len(rows)} runs of {options.people}: {good} runs as promised")
    return 0 if good == len(rows) else 1


def _checked_out(revision: str, folder: Path) -> Path:
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder


def _batched(wanted: Sequence[str], options: argparse.Namespace) -> Iterator[Sequence[str]]:
    faults, size = wanted * options.times, 1 if options.older else options.together
    return (faults[at : at + size] for at in range(0, len(faults), size))


def _soak(wanted: Sequence[str], options: argparse.Namespace) -> Iterator[Sequence[str]]:
    ends, chance = time.monotonic() + options.minutes * 60, Random(1)
    while time.monotonic() < ends:
        yield chance.sample(wanted, min(options.together, len(wanted)))


if __name__ == "__main__":
    sys.exit(main())
