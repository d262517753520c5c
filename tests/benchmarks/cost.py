"""`make cost`: what one message costs in CPU, in WAL and on disk; docs/scaling.md reckons with it.

One run to `--people` over Postfix's smtp-sink, by `--workers` processes that do what Celery's do. CPU of
PostgreSQL is that of its whole process tree, so it is told only where the server runs on this machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks import mailtools
from tests.benchmarks.database import own_database
from tests.benchmarks.pipeline import SIZE, Bench

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "carillon_bench_cost"
TABLES = ("campaigns_message", "campaigns_attempt", "campaigns_batch", "campaigns_event")
SIZES = """
SELECT COALESCE(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c
WHERE c.relkind = 'r' AND c.relname ~ %s
"""


class Cost(Bench):
    def run(self) -> dict[str, Any]:
        from django.db import connection

        people = self.options.people
        self._make_people(people)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            server = _postmaster(cursor.fetchone()[0])
            before, used = self._sizes(), _cpu(server)
            with mailtools.sink() as port:
                told = self._round(people, port)
            used = _cpu(server) - used
            after = self._sizes()
        found = {
            "people": people,
            "letter_bytes": SIZE,
            "worker_cpu_us": round(told["cpu"] * 1e6),
            "postgresql_cpu_us": round(used / people * 1e6) if server else None,
            "wal_bytes": round(told["wal"]),
            "worker_peak_mb": round(told["rss"]),
            "messages_per_second": round(told["rate"]),
        }
        for table in TABLES[:3]:
            found[f"{table.partition('_')[2]}_bytes"] = round((after[table] - before[table]) / people)
        return found | {"event_bytes": self._event_bytes()}

    def _sizes(self) -> dict[str, int]:
        from django.db import connection

        with connection.cursor() as cursor:
            found = {}
            for table in TABLES:
                cursor.execute(SIZES, [rf"^{table}(_p\d+|_y\d+m\d+|_other)?$"])
                found[table] = int(cursor.fetchone()[0])
        return found

    def _event_bytes(self) -> int:
        """A click on disk, with its indexes."""
        from django.utils import timezone

        from campaigns.models import Event, Message

        before, count = self._sizes()["campaigns_event"], min(self.options.people, 20_000)
        rows = Message.objects.order_by("run", "ref")[:count]
        Event.objects.bulk_create(
            Event(
                run_id=one.run_id, action=one.action, ref=one.ref, kind="click", at=timezone.now(), link=1,
                user_agent="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
            )
            for one in rows
        )  # fmt: skip
        return round((self._sizes()["campaigns_event"] - before) / count)


def _postmaster(backend: int) -> psutil.Process | None:
    try:
        return psutil.Process(backend).parent()
    except psutil.Error:
        return None


def _cpu(server: psutil.Process | None) -> float:
    """Seconds of the server and of all its processes, those that ended too."""
    if server is None:
        return 0.0
    times = server.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    return total + sum(one.cpu_times().user + one.cpu_times().system for one in server.children())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with own_database(DATABASE):
        found = Cost(options).run()
    print(mailtools.machine())
    for name, value in found.items():
        print(f"{name:22} {value}")
    path = ROOT / "build" / "cost.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
