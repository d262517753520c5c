"""The numbers of a running installation, as Prometheus reads them: each scrape asks the database anew.

They are the same whichever web process answers, so one target is enough however many there are.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from django.db import connection
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from accounts import heartbeat
from accounts.models import Notification
from campaigns.models import Run
from channels.models import ReceivedReceipt
from config import doctor
from config.doctor import installation, numbers

EXAMINED_EVERY = 60.0  # seconds; the doctor looks at more than fits into every scrape
RATE = """
SELECT COALESCE(sum(((samples->-1->>1)::float8 - (samples->0->>1)::float8)
       / NULLIF((samples->-1->>0)::float8 - (samples->0->>0)::float8, 0)), 0)
FROM campaigns_run
WHERE state = 'sending' AND jsonb_array_length(samples) > 1 AND (samples->-1->>0)::float8 > %(since)s
"""
DATABASE = """
SELECT pg_database_size(current_database()), (SELECT count(*) FROM pg_stat_activity),
       current_setting('max_connections')::int,
       COALESCE((SELECT extract(epoch FROM max(clock_timestamp() - xact_start))::float8
                 FROM pg_stat_activity WHERE datname = current_database()), 0)
"""


class House(Collector):
    """`findings` are the doctor's, by code and severity, with the time they were made at."""

    def __init__(self) -> None:
        self.findings: tuple[float, Counter[tuple[str, str]]] = (float("-inf"), Counter())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = timezone.now()
        yield from _parts(now)
        yield from _work(now)
        yield from _database()
        yield from _disks()
        yield self._doctor(now)

    def _doctor(self, now: datetime) -> GaugeMetricFamily:
        at, found = self.findings
        if time.monotonic() - at > EXAMINED_EVERY:
            found = Counter((one.code, one.severity.value) for one in doctor.examine(now=now))
            self.findings = (time.monotonic(), found)
        said = "What the doctor finds wrong, a minute old at most."
        family = GaugeMetricFamily("carillon_findings", said, labels=["code", "severity"])
        for (code, severity), count in sorted(found.items()):
            family.add_metric([code, severity], count)
        return family


HOUSE = House()


def exposition() -> bytes:
    """In Prometheus' text format 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(HOUSE)
    return generate_latest(registry)


def _one(name: str, said: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"carillon_{name}", said, value=value)


def _by(name: str, said: str, label: str, values: dict[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"carillon_{name}", said, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _parts(now: datetime) -> Iterator[GaugeMetricFamily]:
    seen = {part: float(away) for part, away in heartbeat.parts(now=now).items()}
    yield _by("seen_seconds", "Since the clock, a lane or a host of it was seen.", "part", seen)
    drifts = {"web": installation.offset(), **heartbeat.drifts(now=now)}
    yield _by("clock_ahead_seconds", "How far a clock is ahead of the database's.", "part", drifts)


def _work(now: datetime) -> Iterator[GaugeMetricFamily]:
    counted = numbers.measure(now=now)
    yield _one("due_runs", "Runs that should have begun.", counted.due_runs)
    yield _one("oldest_due_run_seconds", "Since the oldest of them was due.", counted.oldest_run)
    lanes = counted.lanes.items()
    due = {lane: float(one.due) for lane, one in lanes}
    yield _by("due_batches", "Batches that may be sent now.", "lane", due)
    oldest = {lane: one.oldest for lane, one in lanes}
    yield _by("oldest_due_batch_seconds", "Since the oldest of them was due.", "lane", oldest)
    claimed = {lane: float(one.claimed) for lane, one in lanes}
    yield _by("claimed_batches", "Batches that a worker has.", "lane", claimed)
    lost = {lane: float(one.lost) for lane, one in lanes}
    yield _by("lost_batches", "Batches whose worker is silent.", "lane", lost)
    yield _one("uncertain_messages", "Of which nobody knows whether they left.", counted.uncertain)
    states = dict(Counter(Run.objects.filter(finished_at=None).values_list("state", flat=True)))
    yield _by(
        "runs", "Runs that are not over, by state.", "state", {key: float(n) for key, n in states.items()}
    )
    with connection.cursor() as cursor:
        cursor.execute(RATE, {"since": now.timestamp() - 60})
        (rate,) = cursor.fetchone()
    yield _one("settled_per_second", "Messages settled, over the last minute.", rate)
    waiting = ReceivedReceipt.objects.filter(applied_at=None).count()
    yield _one("waiting_receipts", "What providers told and nobody has applied yet.", waiting)
    unsent = Notification.objects.filter(mail=Notification.Mail.DUE, try_at__lte=now).count()
    yield _one("unsent_notices", "Mails to our own people that are due.", unsent)


def _database() -> Iterator[GaugeMetricFamily]:
    with connection.cursor() as cursor:
        cursor.execute(DATABASE)
        size, used, most, longest = cursor.fetchone()
    yield _one("database_bytes", "Size of the database.", size)
    yield _one("database_connections", "Connections to the server that are open.", used)
    yield _one("database_connections_max", "Connections that the server allows.", most)
    yield _one("longest_transaction_seconds", "Age of the oldest open transaction.", longest)


def _disks() -> Iterator[GaugeMetricFamily]:
    found = installation.disks()
    free = {path: float(free) for path, (_size, free) in found.items()}
    yield _by("disk_free_bytes", "Of each disk that the web process writes to.", "path", free)
    size = {path: float(size) for path, (size, _free) in found.items()}
    yield _by("disk_bytes", "Size of each of these disks.", "path", size)
