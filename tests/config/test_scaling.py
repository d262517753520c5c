"""docs/scaling.md reckons with the figures it gives, and names what is there."""

from __future__ import annotations

import json
import re

import pytest
from django.db import connection

from campaigns.delivery.bound import WINDOW
from config.env import ROOT
from tests.benchmarks import cost

TEXT = (ROOT / "docs" / "scaling.md").read_text()
FIGURES = {
    name: float(told.replace(",", "")) for name, told in re.findall(r"^\| `(\w+)` \| ([\d,]+)", TEXT, re.M)
}
A_DAY = (1_000_000, 10_000_000, 100_000_000)
DISK = FIGURES["message_bytes"] + FIGURES["attempt_bytes"] + 2 / 3 * FIGURES["event_bytes"]
WAL = 800  # with two events for three messages
BUSY = 0.2 / 3600  # of a day, a second


def row(start: str) -> list[float]:
    found = re.search(rf"^\| {re.escape(start)}[^|]*\|(.*)\|$", TEXT, re.M)
    assert found, start
    return [float(re.sub(r"[^\d.]", "", cell)) for cell in found[1].split("|")]


@pytest.mark.parametrize(
    ("start", "each"),
    [
        ("on average a second", 1 / 86_400),
        ("in the busiest hour", BUSY),
        ("cores of workers", BUSY * FIGURES["worker_cpu_us"] / 1e6),
        ("cores of PostgreSQL", BUSY * FIGURES["postgresql_cpu_us"] / 1e6),
        ("WAL a day", WAL / 1e9),
        ("disk a day", DISK / 1e9),
        ("disk for 25 months", DISK * 365.25 / 12 * 25 / 1e12),
        ("disk for 3 months", DISK * 365.25 / 12 * 3 / 1e12),
        ("network in that hour", BUSY * FIGURES["letter_bytes"] * 8 / 1e6),
    ],
)
def test_the_table_is_reckoned_from_the_figures(start: str, each: float) -> None:
    for messages, told in zip(A_DAY, row(start), strict=True):
        wanted = messages * each
        assert told == pytest.approx(wanted, rel=0.06, abs=0.06 if wanted > 0.4 else 0.006), (start, messages)


def test_the_figures_are_those_that_the_command_writes() -> None:
    written = {
        "worker_cpu_us",
        "postgresql_cpu_us",
        "wal_bytes",
        "worker_peak_mb",
        "letter_bytes",
        "event_bytes",
    }
    written |= {f"{table.partition('_')[2]}_bytes" for table in cost.TABLES[:2]}
    assert set(FIGURES) == written
    source = (ROOT / "tests" / "benchmarks" / "cost.py").read_text()
    assert [name for name in written if name.endswith("_us") and f'"{name}"' not in source] == []
    kept = ROOT / "build" / "cost.json"
    if kept.exists():
        assert written <= set(json.loads(kept.read_text()))
    assert int(FIGURES["letter_bytes"]) == cost.SIZE and f"bound of {WINDOW} " in TEXT


@pytest.mark.django_db
def test_the_partitioned_tables_are_those_of_the_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'p'")
        there = {name for (name,) in cursor.fetchall()}
    told = re.findall(r"^\| (`[a-z_`, ]+`) \| (?:200 runs|month)", TEXT, re.M)
    assert set(re.findall(r"`(\w+)`", " ".join(told))) == there


def test_every_number_to_look_at_and_setting_is_there() -> None:
    metrics = (ROOT / "config" / "metrics.py").read_text()
    for name in set(re.findall(r"`carillon_(\w+)`", TEXT)):
        assert f'"{name}"' in metrics, name
    read = (ROOT / "config" / "env.py").read_text() + (ROOT / "config" / "settings.py").read_text()
    for name in {
        "MESSAGE_RETENTION_MONTHS",
        "EVENT_RETENTION_MONTHS",
        "LEASE_SECONDS",
        "PREPARED_STATEMENTS",
    }:
        assert name in TEXT and f'"{name}"' in read
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?:^|`)make ([a-z-]+)", TEXT, re.M)):
        assert f"\n{target}:" in makefile, target
