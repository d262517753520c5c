"""`make bench`: a run from snapshot to recorded outcome, against smtp-source into the same smtp-sink, and
against django-post-office where POST_OFFICE names its Python (see `postoffice.py`).

In a database of its own beside the one DATABASE_URL names, in rounds that alternate; worker processes do what
Celery's do. Prints one table and writes build/bench.json, one key per figure. `--people`, `--rounds` and
`--workers` make it smaller.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks import figures, mailtools, postoffice, queueing
from tests.benchmarks.database import own_database

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "carillon_bench_pipeline"
SIZE, VALUES = 23_000, 10
BATCH = 1000  # messages of one task, see `campaigns/delivery/fanout.py`


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--snapshot", type=int, default=1_000_000, help="people of the snapshot's figure")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    broker = os.environ["BROKER_URL"]
    with own_database(DATABASE):
        found = Bench(options).run()
        task = queueing.us_per_task(broker)
    found["queue_share_percent"] = 100 * task / (task + BATCH * found["cpu_us_per_message"])
    return figures.report(found)


class Bench:
    def __init__(self, options: argparse.Namespace) -> None:
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        from audiences.models import AttributeDefinition
        from tests import builders

        self.options, self.builders = options, builders
        self.where = builders.workspace("bench")
        for number in range(VALUES):
            AttributeDefinition.objects.create(workspace=self.where, key=f"v{number}")
        self.manager = builders.person(self.where, "manager")
        self.approver = builders.person(self.where, "approver")

    def run(self) -> dict[str, Any]:
        small = self.options.people // 10
        self._make_people(max(self.options.people, self.options.snapshot))
        found: dict[str, list[float]] = {name: [] for name in figures.PIPELINE}
        found |= {"messages_per_second": [], "cpu_us_per_message": [], "smtp_source_per_second": []}
        for number in range(self.options.rounds):
            with mailtools.sink() as port:
                few = self._round(small, port)
                many = self._round(self.options.people, port)
                alone = self._round(self.options.people // 2, port, workers=1)
                source = mailtools.source(
                    port, messages=min(20_000, self.options.people), size=SIZE, sessions=10
                )
                office = self._post_office(port)
            self._compare(found, few, many, source)
            found["second_worker_gain"].append(many["rate"] / alone["rate"])
            if office:
                found["pipeline_to_post_office"].append(many["rate"] / office)
            print(f"round {number + 1}: {many['rate']:.0f}/s, {many['cpu'] * 1e6:.0f} µs", flush=True)
        for _number in range(max(self.options.rounds // 2, 2)):
            found["snapshot_to_bare_insert"].append(self._snapshot(self.options.snapshot))
        return {name: statistics.median(values) for name, values in found.items() if values}

    def _compare(
        self, found: dict[str, list[float]], few: dict[str, float], many: dict[str, float], source: Any
    ) -> None:
        messages = min(20_000, self.options.people)
        found["messages_per_second"].append(many["rate"])
        found["cpu_us_per_message"].append(many["cpu"] * 1e6)
        found["smtp_source_per_second"].append(messages / source[0])
        found["pipeline_to_smtp_source"].append(many["rate"] / (messages / source[0]))
        found["cpu_to_smtp_source"].append(many["cpu"] / (source[1] / messages))
        found["cpu_growth_10x"].append(10 * many["cpu"] / few["cpu"])
        found["peak_rss_mb"].append(many["rss"])
        found["rss_growth_mb"].append(many["rss"] - few["rss"])
        found["wal_bytes_per_message"].append(many["wal"])

    def _post_office(self, port: int) -> float | None:
        """In a fiftieth of the people: it takes milliseconds for each."""
        from channels import rendering

        few = min(2000, max(200, self.options.people // 50))
        text = rendering.text_of(letter())
        return postoffice.rate(port, html=letter(), text=text, messages=few, processes=2)

    # ---- one run ----------------------------------------------------------------------------------
    def _make_people(self, count: int) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            values = ", ".join(f"'v{one}', '林 {one} ' || n" for one in range(VALUES))
            cursor.execute(
                f"""INSERT INTO audiences_profile (workspace_id, email, locale, time_zone, attributes,
                                                  is_test, created_at, changed_at)
                SELECT %s, 'p' || n || '@example.com', '', '', jsonb_build_object({values}),
                       false, now(), now() FROM generate_series(1, %s) n""",
                [self.where.pk, count],
            )
            cursor.execute("ANALYZE audiences_profile")

    def _start(self, people: int, port: int) -> Any:
        from django.utils import timezone

        from audiences.models import Audience, Profile
        from campaigns import lifecycle
        from campaigns.delivery import clock
        from campaigns.models import Run
        from channels.models import ChannelConfiguration

        last = Profile.objects.filter(workspace=self.where).order_by("pk")[people - 1].pk
        made = self.builders.draft(
            self.where,
            self.manager,
            audience=Audience.objects.filter(workspace=self.where).first()
            or self.builders.audience(self.where),
            configuration=ChannelConfiguration.objects.filter(settings__port=port).first()
            or self.builders.smtp(self.where, port, name=f"Sink {port}"),
            html=letter(),
            subject="News for {{ profile.v0 }}",
        )
        lifecycle.apply(made, "activate", actor=self.approver, now=timezone.now())
        clock.start_due_runs(now=timezone.now())
        run = Run.objects.get(campaign=made)
        run.ceiling = last
        run.save()
        return run

    def _round(self, people: int, port: int, *, workers: int | None = None) -> dict[str, float]:
        from django.db import connection
        from django.utils import timezone

        from campaigns.delivery import fanout
        from campaigns.reports.metrics import ledger

        run = self._start(people, port)
        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
            cursor.execute("SELECT pg_current_wal_lsn()")
            wal = cursor.fetchone()[0]
            began = time.perf_counter()
            fanout.expand(run.pk, now=timezone.now())
            snapshot = time.perf_counter() - began
            command = [sys.executable, "-m", "tests.benchmarks.pipeline_worker"]
            workers = [
                subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
                for _n in range(workers or self.options.workers)
            ]
            for worker in workers:
                assert worker.stdout and worker.stdout.readline() == "ready\n"
            told = [json.loads(worker.communicate()[0]) for worker in workers]
            ended = max(one["ended"] for one in told)
            cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), %s)", [wal])
            written = float(cursor.fetchone()[0])
        book = ledger(run)
        assert (book.accepted, book.to_go) == (people, 0), book
        seconds = snapshot + ended - min(one["began"] for one in told)
        return {
            "rate": people / seconds,
            "cpu": sum(one["cpu"] for one in told) / people,
            "rss": max(one["rss"] for one in told),
            "wal": written / people,
        }

    # ---- the snapshot -----------------------------------------------------------------------------
    def _snapshot(self, people: int) -> float:
        """Our fan-out ÷ a bare INSERT … SELECT of the same rule into a table with the same key."""
        from django.db import connection
        from django.utils import timezone

        from audiences import evaluate
        from campaigns.delivery import fanout

        with mailtools.sink() as port:
            run = self._start(people, port)
        definition = run.version.definition
        rule = evaluate.targets(
            definition["audience"], workspace_id=self.where.pk, channel="email", category="marketing"
        )
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TABLE bench_bare (run_id bigint, ref bigint, profile_id bigint, action smallint, "
                "variant smallint, slot smallint, address varchar(2000), PRIMARY KEY (run_id, ref, action))"
            )
            cursor.execute("CHECKPOINT")
            began = time.perf_counter()
            cursor.execute(
                f"INSERT INTO bench_bare SELECT 1, profile_id, profile_id, 0, 0, 0, address "
                f"FROM ({rule.sql}) t WHERE reason IS NULL AND profile_id <= %s",
                (*rule.params, run.ceiling),
            )
            bare = time.perf_counter() - began
            cursor.execute("DROP TABLE bench_bare")
            cursor.execute("CHECKPOINT")
        began = time.perf_counter()
        fanout.expand(run.pk, now=timezone.now())
        ours = time.perf_counter() - began
        run.refresh_from_db()
        assert run.targeted == people
        print(f"snapshot of {people}: ours {ours:.2f} s, bare {bare:.2f} s", flush=True)
        from campaigns import lifecycle

        lifecycle.apply(run.campaign, "stop", actor=self.approver, now=timezone.now())
        return ours / bare


def letter() -> str:
    """With ten values of a person and twenty tracked links; with the text version that is made from it the
    mail takes SIZE octets on its way, as smtp-source's does.
    """
    words = "The tea of this season was picked by hand above the river and dried in the shade. " * 11
    part = '<p>{{{{ profile.v{0} }}}}, {1}</p><a href="https://shop.example/{0}">Look</a> '
    part += '<a href="https://shop.example/{0}/more">More</a>'
    parts = "".join(part.format(n, words) for n in range(VALUES))
    return f'<html><body>{parts}<a href="{{{{ unsubscribe_url }}}}">Leave</a></body></html>'


if __name__ == "__main__":
    sys.exit(main())
