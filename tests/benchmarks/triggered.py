"""What a call costs and how soon its message leaves, as ratios to an empty Django view on the same server.

    make bench-triggered     some minutes; `--people 100000 --rounds 2` makes it smaller

Starts an installation's parts: gunicorn with one more address that answers nothing, the workers of both
lanes, the clock. First one call after the other, each timed from its first octet to the mail server's 250,
alone and while a run to `--people` is sending. Then, with nobody who sends, calls and empty requests in
turns: their rates over as many connections as the server has threads, their p99 over four. Every call is on
the disk before its 202 (`synchronous_commit` is on), and afterwards as many messages must be there as were
asked for. Prints a table and adds its figures to build/bench.json.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import logging
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.benchmarks import figures, mailtools
from tests.benchmarks.database import own_database
from tests.benchmarks.web import ask, getting, posting

DATABASE = "carillon_bench_triggered"
UNITARY, HIGH = "/ajo/im/executions/unitary", "/ajo/im/executions/highthroughput"
PER_CALL = 20
HTML = """<p>Dear {{ profile.name }}, somebody asked for a new password at {{ context.at }}.</p>
<p><a href="{{ context.reset }}">Choose a new one</a>, within {{ context.minutes }} minutes.</p>"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000, help="of the run that sends meanwhile")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2000, help="of one kind and round")
    parser.add_argument("--connections", type=int, default=4, help="over which the p99 is taken")
    parser.add_argument(
        "--most", type=int, default=12, help="connections of the rates: all threads there are"
    )
    parser.add_argument("--letters", type=int, default=300, help="timed one by one, alone and beside the run")
    options = parser.parse_args()
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # the mail server's, of every line
    with own_database(DATABASE, broker=os.environ["BROKER_URL"]), tempfile.TemporaryDirectory() as logs:
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.benchmarks.empty_settings"
        found = Bench(options, Path(logs)).run()
    return figures.report(found)


class Bench:
    def __init__(self, options: argparse.Namespace, logs: Path) -> None:
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        from tests import builders

        self.options, self.logs, self.builders = options, logs, builders
        self.where = builders.workspace("bench")
        self.numbers = itertools.count()
        self._make_people(max(options.people, 50_000))
        self.token = self._issue()

    def run(self) -> dict[str, float]:
        from django.conf import settings

        from tests.fakes.house import House
        from tests.fakes.smtp import FakeSmtp

        parts = {"DJANGO_SETTINGS_MODULE": "tests.benchmarks.empty_settings", "LEASE_SECONDS": "60"}
        parts["BULK_NICENESS"] = "10"
        with FakeSmtp() as server, mailtools.sink() as sink, House(self.logs, **parts) as house:
            settings.QUEUE_PREFIX = house.prefix
            self.server = server
            self._make_campaigns(sink)
            self.port = urlsplit(house.web(GUNICORN_CMD_ARGS="--workers 3 --keep-alive 60")).port or 0
            self.line = http.client.HTTPConnection("127.0.0.1", self.port)
            self.headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            house.worker("urgent", lane="urgent")
            house.worker("bulk-1")
            house.worker("bulk-2")
            house.clock()
            found = self._letters()
            for name in ("clock", "bulk-1", "bulk-2", "urgent"):
                house.kill(name)
            return found | self._calls()

    # ---- what there is ----------------------------------------------------------------------------
    def _make_people(self, count: int) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(
                """INSERT INTO audiences_profile (workspace_id, email, locale, time_zone, attributes,
                                                  is_test, created_at, changed_at)
                SELECT %s, 'p' || n || '@example.com', '', '', jsonb_build_object('name', '林 ' || n),
                       false, now(), now() FROM generate_series(0, %s) n""",
                [self.where.pk, count - 1],
            )
            cursor.execute("ANALYZE audiences_profile")

    def _issue(self) -> str:
        from django.utils import timezone

        from accounts import credentials
        from accounts.access import SYSTEM
        from accounts.models import Role

        role = Role.objects.get(workspace=self.where, builtin="approver")
        _row, token = credentials.issue(
            workspace=self.where, role=role, name="Shop", actor=SYSTEM, now=timezone.now()
        )
        return token

    def _make_campaigns(self, sink: int) -> None:
        from django.utils import timezone

        from campaigns import lifecycle

        builders, now = self.builders, timezone.now
        manager, self.approver = (builders.person(self.where, role) for role in ("manager", "approver"))
        urgent = builders.smtp(self.where, self.server.port, name="Resets", kind="transactional")
        given = {"type": "api_triggered", "category": "transactional", "html": HTML, "subject": "Reset"}
        for name, high in (("plain", False), ("high", True)):
            made = builders.draft(self.where, manager, configuration=urgent, high_throughput=high, **given)
            lifecycle.apply(made, "activate", actor=self.approver, now=now())
            setattr(self, name, made)
        bulk = builders.smtp(self.where, sink, name="News")
        self.news = builders.draft(self.where, manager, configuration=bulk)

    def _body(self, recipients: int, *, high: bool = False) -> tuple[bytes, str]:
        """Of a call to people who were not called yet, and the address of the first."""
        people = [f"p{next(self.numbers) % 50_000}@example.com" for _place in range(recipients)]
        context = {"at": "2026-11-25 23:59", "reset": "https://shop.example/r/1?x=1&y=2", "minutes": 30}
        shared = {"namespace": "email", "type": "external" if high else "aep", "context": context}
        shared |= {"profile": {"name": "Ada"}} if high else {}
        body = {
            "requestId": f"r-{next(self.numbers)}",
            "campaignId": str((self.high if high else self.plain).pk),  # type: ignore[attr-defined]
            "recipients": [{**shared, "userId": one} for one in people],
        }
        return json.dumps(body).encode(), people[0]

    # ---- how soon a letter leaves -----------------------------------------------------------------
    def _letters(self) -> dict[str, float]:
        list(self._timed(30))  # what starts up
        alone = _p50_p99(self._timed(self.options.letters))
        run = self._start_run()
        beside = _p50_p99(self._timed(self.options.letters))
        sent = self._end_run(run)
        print(f"alone p50 {alone[0]:.0f} ms, p99 {alone[1]:.0f} ms", end="; ")
        print(f"beside {sent} of a run's {self.options.people}: p50 {beside[0]:.0f}, p99 {beside[1]:.0f} ms")
        return {
            "triggered_p50_ms": alone[0],
            "triggered_p99_ms": alone[1],
            "triggered_p99_beside_run": beside[1] / alone[1],
        }

    def _timed(self, count: int) -> Iterator[float]:
        """Milliseconds from the call to the mail server's 250, of one call after the other."""
        chance = random.Random(7)
        for _number in range(count):
            body, address = self._body(1)
            before, began = len(self.server.accepted), time.monotonic()
            self.line.request("POST", UNITARY, body, self.headers)
            answer = self.line.getresponse()
            assert answer.status == 202, answer.read()
            answer.read()
            while len(self.server.accepted) == before:
                assert time.monotonic() < began + 30, "no letter came"
                time.sleep(0.001)
            letter = self.server.accepted[before]
            assert letter.recipients == [address], letter.recipients
            yield 1000 * (letter.at - began)
            time.sleep(chance.uniform(0, 0.1))

    def _start_run(self) -> int:
        from django.utils import timezone

        from campaigns import lifecycle
        from campaigns.models import Run

        lifecycle.apply(self.news, "activate", actor=self.approver, now=timezone.now())
        run = Run.objects.get(campaign=self.news)
        end = time.monotonic() + 300
        while self._sent(run.pk) < 2000:
            assert time.monotonic() < end, "the run does not send"
            time.sleep(0.5)
        return run.pk

    def _sent(self, run: int) -> int:
        from campaigns.models import Attempt

        return Attempt.objects.filter(run=run, outcome="accepted").count()

    def _end_run(self, run: int) -> int:
        from django.utils import timezone

        from campaigns import lifecycle

        sent = self._sent(run)
        assert sent < self.options.people, "the run was over before the letters were: give it more --people"
        lifecycle.apply(self.news, "stop", actor=self.approver, now=timezone.now())
        return sent

    # ---- what a call costs ------------------------------------------------------------------------
    def _calls(self) -> dict[str, float]:
        from campaigns.models import Message

        options, before = self.options, Message.objects.count()
        rates: dict[str, list[float]] = {name: [] for name in ("empty", "unitary", "high")}
        tails: dict[str, list[float]] = {name: [] for name in rates}
        for number in range(options.rounds + 1):
            for connections in (options.most, options.connections):
                for name, (asked, status) in self._round().items():
                    rate, tail = ask(self.port, asked, status, connections)
                    if number == 0:  # warms up
                        continue
                    if connections == options.most:
                        rates[name].append(rate)
                    else:
                        tails[name].append(tail)
        written = Message.objects.count() - before
        expected = 2 * (options.requests + PER_CALL * (options.requests // 4)) * (options.rounds + 1)
        assert written == expected, (written, expected)
        for name in rates:
            rate, tail = statistics.median(rates[name]), statistics.median(tails[name])
            print(f"{name:8} {rate:8.0f} requests a second   p99 {tail:7.1f} ms")
        return {
            "accept_to_empty_view": _median_ratio(rates["unitary"], rates["empty"]),
            "high_throughput_to_empty_view": PER_CALL * _median_ratio(rates["high"], rates["empty"]),
            "accept_p99_to_empty_view": _median_ratio(tails["unitary"], tails["empty"]),
        }

    def _round(self) -> dict[str, tuple[list[bytes], bytes]]:
        count = self.options.requests
        unitary = [posting(UNITARY, self._body(1)[0], self.token) for _one in range(count)]
        many = [posting(HIGH, self._body(PER_CALL, high=True)[0], self.token) for _one in range(count // 4)]
        return {
            "empty": ([getting("/empty/")] * count, b"200"),
            "unitary": (unitary, b"202"),
            "high": (many, b"202"),
        }


def _p50_p99(took: Iterator[float]) -> tuple[float, float]:
    parts = statistics.quantiles(took, n=100)
    return parts[49], parts[98]


def _median_ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    sys.exit(main())
