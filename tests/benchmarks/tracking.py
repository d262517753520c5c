"""What a click and an open cost, as ratios to an empty Django view on the same server, in one run.

    make bench-tracking      some minutes

Starts gunicorn as an installation runs it, with one more address that answers nothing, and asks over
connections that stay open, in turns. Every click and open is a row that the database has on its disk before
the answer leaves (`synchronous_commit` is on); afterwards as many rows must be there as were asked for. Then
10,000 forged links: none may write. Prints a table and adds its figures to build/bench.json.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.empty_settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from campaigns.models import Event, Message, Run  # noqa: E402
from campaigns.tracking import tokens  # noqa: E402
from campaigns.tracking.tokens import MessageKey  # noqa: E402
from tests import builders  # noqa: E402
from tests.benchmarks.web import ask, getting  # noqa: E402

FIGURES = Path("build/bench.json")
PEOPLE = 20_000
MUST = {"click": (0.30, 0.60), "open": (0.30, 0.60), "click_p99": (5.0, 3.0), "open_p99": (5.0, 3.0)}


def prepare() -> Run:
    call_command("migrate", verbosity=0)
    where = builders.workspace(f"bench-{secrets.token_hex(4)}")
    people = builders.profiles(where, PEOPLE)
    run = Run.objects.get(campaign=builders.live(where, now=timezone.now()))
    Message.objects.bulk_create(
        (Message(run=run, action=0, ref=one.pk, profile=one, address=one.email or "") for one in people),
        batch_size=5000,
    )
    return run


def links(run: Run, count: int) -> tuple[list[str], list[str]]:
    refs = list(Message.objects.filter(run=run).values_list("ref", flat=True)[:count])
    keys = [MessageKey(run.pk, 0, ref) for ref in refs]
    sealed = tokens.seal("https://shop.example/a?x=1&y=2")
    clicks = [f"/t/c/{tokens.sign(tokens.CLICK, key)}/0/{sealed}" for key in keys]
    opens = [f"/t/o/{tokens.sign(tokens.OPEN, key)}.gif" for key in keys]
    return clicks, opens


def serve(port: int, threads: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}"]
    command += ["--threads", str(threads), "--keep-alive", "30", "--log-level", "error"]
    quiet = subprocess.DEVNULL  # it tells of every forged link
    started = subprocess.Popen(command, start_new_session=True, stdout=quiet, stderr=quiet)
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return started
        time.sleep(0.1)
    raise RuntimeError("gunicorn did not start")


def junk(port: int, count: int) -> int:
    """How many rows forged links left behind."""
    before = Event.objects.count()
    paths = [f"/t/c/{secrets.token_urlsafe(26)}/0" for _ in range(count // 2)]
    ask(port, [getting(one) for one in paths], b"404", 4)
    pictures = [f"/t/o/{secrets.token_urlsafe(26)}.gif" for _ in range(count // 2)]
    ask(port, [getting(one) for one in pictures], b"200", 4)
    return Event.objects.count() - before


def main(rounds: int, requests: int, connections: int, threads: int) -> None:
    run = prepare()
    clicks, opens = links(run, requests)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = serve(port, threads)
    try:
        kinds = {
            "empty": (["/empty/"] * requests, b"200"),
            "click": (clicks, b"302"),
            "open": (opens, b"200"),
        }
        rates: dict[str, list[float]] = {name: [] for name in kinds}
        slow: dict[str, list[float]] = {name: [] for name in kinds}
        for round_ in range(rounds + 1):
            for name, (paths, status) in kinds.items():
                rate, p99 = ask(port, [getting(one) for one in paths], status, connections)
                if round_:  # the first one warms up
                    rates[name].append(rate)
                    slow[name].append(p99)
        written, expected = Event.objects.filter(run=run).count(), 2 * requests * (rounds + 1)
        left = junk(port, 10_000)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
    assert written == expected, (written, expected)
    found = {}
    print(f"\n{requests} requests a round over {connections} connections, {threads} threads, {rounds} rounds")
    for name in kinds:
        rate, p99 = statistics.median(rates[name]), statistics.median(slow[name])
        print(f"  {name:6} {rate:8.0f} a second   p99 {p99:7.1f} ms")
    for name in ("click", "open"):
        ratio = [one / empty for one, empty in zip(rates[name], rates["empty"], strict=True)]
        tails = [one / empty for one, empty in zip(slow[name], slow["empty"], strict=True)]
        found[name], found[f"{name}_p99"] = statistics.median(ratio), statistics.median(tails)
        told = f"{found[name]:.2f} [{min(ratio):.2f}–{max(ratio):.2f}] of empty"
        print(f"  {name}: {told}; p99 {statistics.median(tails):.1f} ×")
    print(f"  rows written: {written} of {expected}; by 10,000 forged links: {left}")
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for name, (must, aim) in MUST.items():
        is_least = not name.endswith("p99")
        value = round(found[name], 3)
        reached = value >= must if is_least else value <= must
        figures[f"tracking_{name}"] = {"value": value, "must": must, "aim": aim, "reached": reached}
    figures["tracking_junk_rows"] = {"value": left, "must": 0, "aim": 0, "reached": left == 0}
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--threads", type=int, default=8)
    given = parser.parse_args()
    main(given.rounds, given.requests, given.connections, given.threads)
    connection.close()
