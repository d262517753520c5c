"""`python -m tests.benchmarks.imports`: our import against a bare COPY and a hand-written merge of the file.

In a database of its own beside the one DATABASE_URL names, in rounds that alternate. Prints a table, writes
build/bench.json, and ends with 1 where a bound is broken: time ratio 1.6, peak memory 200 MB, CPU time of ten
times the rows 10.5 times.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks.database import own_database

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "carillon_bench_imports"
BOUNDS = {"ratio": 1.6, "peak_mb": 200.0, "cpu_growth": 10.5}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with own_database(DATABASE), tempfile.TemporaryDirectory() as folder:
        try:
            found = Bench(Path(folder), options.rows, options.rounds).run()
        finally:
            from django.db import connections

            connections.close_all()
    return report(found)


class Bench:
    def __init__(self, folder: Path, rows: int, rounds: int) -> None:
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        from tests import builders
        from tests.benchmarks import import_file

        self.rows, self.rounds, self.file = rows, rounds, import_file
        self.where = builders.workspace("bench")
        self.client = self._signed_in()
        self.paths = {}
        for size in (rows // 10, rows):
            self.paths[size] = folder / f"{size}.csv"
            import_file.write(self.paths[size], size)

    def _signed_in(self) -> Any:
        from django.test import Client

        from tests import builders

        client = Client(headers={"host": "127.0.0.1"})
        client.force_login(builders.person(self.where, "manager"))
        return client

    def run(self) -> dict[str, Any]:
        small = [self.ours(self.rows // 10) for _ in range(2)]
        rounds = []
        for _ in range(self.rounds):
            rounds.append((self.ours(self.rows), self.theirs()))
        ours = [one for one, _hand in rounds]
        hand = [theirs for _one, theirs in rounds]
        return {
            "rows": self.rows,
            "ours": ours,
            "hand": hand,
            "ratio": statistics.median(o["seconds"] / h["seconds"] for o, h in rounds),
            "peak_mb": max(one["peak_mb"] for one in ours),
            "cpu_growth": min(one["cpu"] for one in ours) / min(one["cpu"] for one in small),
            "slowest_page_ms": max(one["page_ms"] for one in ours),
        }

    def _empty(self) -> None:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
            server.execute("TRUNCATE audiences_profile, audiences_import CASCADE")
            server.execute("DROP TABLE IF EXISTS bench_staging")
            server.execute("VACUUM ANALYZE audiences_profile")
            server.execute("CHECKPOINT")

    def ours(self, rows: int) -> dict[str, Any]:
        from django.utils import timezone

        from accounts.access import SYSTEM
        from audiences.imports import jobs

        self._empty()
        now, path = timezone.now(), self.paths[rows]
        with path.open("rb") as file:
            job = jobs.upload(
                self.where, file=file, name=path.name, size=path.stat().st_size, actor=SYSTEM, now=now
            )
        jobs.check(job, how=self._typed(job.mapping), actor=SYSTEM, now=now)
        self._checkpoint()
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.import_worker", str(job.pk)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        page_ms = self._watch(worker)
        assert worker.stdout and worker.wait() == 0
        told: dict[str, Any] = json.loads(worker.stdout.read())
        assert (told["state"], told["created"], told["rejected"]) == ("completed", rows, 0), told
        return {**told, "seconds": told["stage"] + told["merge"], "page_ms": page_ms}

    def _typed(self, mapping: dict[str, Any]) -> dict[str, Any]:
        from audiences.models import AttributeDefinition

        known = set(AttributeDefinition.objects.values_list("key", flat=True))
        for column in mapping["columns"]:
            if column["name"] in self.file.TYPES:
                column |= {"to": "attribute", "key": column["name"], "type": self.file.TYPES[column["name"]]}
                if column["key"] in known:
                    column.pop("type")
        return mapping

    def _watch(self, worker: subprocess.Popen[bytes]) -> float:
        """The slowest of the pages asked for meanwhile, in milliseconds."""
        slowest = 0.0
        ended = threading.Event()
        while worker.poll() is None:
            begun = time.monotonic()
            assert self.client.get("/audiences/import/").status_code == 200
            slowest = max(slowest, 1000 * (time.monotonic() - begun))
            ended.wait(2)
        return slowest

    def _checkpoint(self) -> None:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
            server.execute("CHECKPOINT")

    def theirs(self) -> dict[str, Any]:
        self._empty()
        with psycopg.connect(os.environ["DATABASE_URL"]) as server:
            server.execute(self.file.STAGING)
            server.commit()
            begun = time.monotonic()
            path = self.paths[self.rows]
            with path.open("rb") as file, server.cursor() as cursor, cursor.copy(self.file.COPY) as copy:
                while piece := file.read(1024 * 1024):
                    copy.write(piece)
            server.commit()
            copied = time.monotonic()
            server.execute(self.file.MERGE, {"workspace": self.where.pk})
            server.commit()
            ended = time.monotonic()
        return {"copy": copied - begun, "merge": ended - copied, "seconds": ended - begun}


def report(found: dict[str, Any]) -> int:
    out = ROOT / "build" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    kept = json.loads(out.read_text()) if out.exists() else {}
    out.write_text(json.dumps({**kept, "imports": found}, indent=2))
    lines = [
        f"{found['rows']:,} rows × 20 columns",
        "round    ours: check + merge = total    hand: copy + merge = total",
    ]
    for number, (one, hand) in enumerate(zip(found["ours"], found["hand"], strict=True), start=1):
        lines.append(
            f"{number:>5}    {one['stage']:6.1f} + {one['merge']:5.1f} = {one['seconds']:5.1f} s"
            f"          {hand['copy']:5.1f} + {hand['merge']:5.1f} = {hand['seconds']:5.1f} s"
        )
    broken = False
    for name, most in BOUNDS.items():
        broken |= found[name] > most
        lines.append(f"{name}: {found[name]:.2f} (at most {most})")
    lines.append(f"slowest page meanwhile: {found['slowest_page_ms']:.0f} ms")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
