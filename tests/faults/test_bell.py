"""The broker is slow, full, cut off again and again, or told nonsense: it is only the bell, so nobody waits
for it, and nobody is missed.

The proof is what the mail server received.
"""

from __future__ import annotations

import os
import pickle
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import Celery
from django.utils import timezone
from kombu import Connection

from campaigns.models import Run
from campaigns.reports.metrics import ledger
from tests import builders
from tests.fakes.house import House, needs_broker
from tests.fakes.line import BrokerLine
from tests.fakes.servers import Bell
from tests.fakes.smtp import FakeSmtp
from tests.faults.test_triggered import Shop
from tests.faults.test_workers import received
from tests.settings import REAL_BROKER_URL

pytestmark = [pytest.mark.django_db(transaction=True), needs_broker, pytest.mark.slow]


def begun(server: FakeSmtp, people: int, name: str = "fernhill") -> Run:
    where = builders.workspace(name)
    builders.profiles(where, people)
    campaign = builders.live(where, now=timezone.now(), configuration=builders.smtp(where, server.port))
    return Run.objects.get(campaign=campaign)


def assert_once_each(run: Run, server: FakeSmtp, people: int) -> None:
    got = received(server)
    run.refresh_from_db()
    assert set(got) == {f"p{n}@example.com" for n in range(people)} and got.total() == people
    assert run.state == "completed" and ledger(run).balances


def is_over(run: Run) -> bool:
    return Run.objects.filter(pk=run.pk, finished_at__isnull=False).exists()


def test_a_broker_that_takes_two_seconds_for_each_word_keeps_no_caller_waiting(tmp_path: Path) -> None:
    with FakeSmtp() as server, House(tmp_path) as house, BrokerLine(REAL_BROKER_URL) as line:
        shop = Shop(server)
        address = house.web(BROKER_URL=line.url)
        assert shop.post(address, "the first loads everything")[0] == 202
        line.cut()
        line.delay = 2
        took = list[float]()

        def call(number: int) -> int:
            began = time.monotonic()
            status, _answer = shop.post(address, f"reset-{number}")
            took.append(time.monotonic() - began)
            return status

        with ThreadPoolExecutor(8) as callers:  # twice as many as the web process has threads
            assert set(callers.map(call, range(16))) == {202}
        assert max(took) < 5, took
        house.worker("urgent", lane="urgent")
        house.clock()
        house.wait(lambda: len(server.accepted) == 17)


def test_lines_to_the_broker_that_are_cut_again_and_again_are_made_anew_and_the_bell_is_heard(
    tmp_path: Path,
) -> None:
    people, line = 600, BrokerLine(REAL_BROKER_URL)
    with FakeSmtp() as server, FakeSmtp() as other, line, House(tmp_path, BROKER_URL=line.url) as house:
        run = begun(server, people)
        house.clock()
        house.worker("only")
        house.wait(lambda: len(server.accepted) > 50)
        for _n in range(20):
            line.cut()
            time.sleep(0.1)
        house.wait(lambda: is_over(run), 60)
        assert_once_each(run, server, people)
        later = begun(other, 5, "later")
        house.wait(lambda: is_over(later), 30)
        assert_once_each(later, other, 5)


def test_a_broker_without_room_refuses_aloud_and_what_was_asked_for_is_done_when_it_has(
    bell: Bell, tmp_path: Path
) -> None:
    with FakeSmtp() as server, House(tmp_path, BROKER_URL=bell.url) as house:
        shop = Shop(server)
        address = house.web()
        house.worker("urgent", lane="urgent")
        house.clock()
        assert shop.post(address, "there is room")[0] == 202
        house.wait(lambda: len(server.accepted) == 1)
        bell.ask("CONFIG", "SET", "maxmemory", "1")
        assert shop.post(address, "there is none")[0] == 202
        house.wait(lambda: "bell not heard" in (house.logs / "web.log").read_text(), 10)
        assert len(server.accepted) == 1
        bell.ask("CONFIG", "SET", "maxmemory", "0")
        house.wait(lambda: len(server.accepted) == 2, 60)


def test_what_is_no_task_of_ours_is_thrown_away_and_logged(tmp_path: Path) -> None:
    """Pickled code, an unknown task, a body that is too large, and no task at all."""
    mark = tmp_path / "was run"
    with FakeSmtp() as server, House(tmp_path) as house:
        house.worker("only")
        with Connection(REAL_BROKER_URL) as broker, broker.Producer() as producer:
            queue = house.queue()
            queue(broker.default_channel).declare()
            for body, kind in (
                (pickle.dumps(Runs(mark)), "application/x-python-serialize"),
                (b"{" * 5_000_000, "application/json"),
                (b"[[], {}, {}]", "application/json"),
                (b"\x00\xff", "text/plain"),
            ):
                headers = {"id": "x", "task": "os.system", "lang": "py"}
                for given in (headers, {}):
                    producer.publish(
                        body,
                        routing_key=queue.name,
                        content_type=kind,
                        content_encoding="utf-8",
                        headers=given,
                    )
        run = begun(server, 5)
        house.clock()
        house.wait(lambda: is_over(run))
        assert_once_each(run, server, 5)
        said = (house.logs / "only.log").read_text()
        assert not mark.exists()
        assert "os.system" in said and "unregistered" in said.lower() and "x-python-serialize" in said


class Runs:
    """Whoever unpickles it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_a_long_queue_of_rings_is_heard_without_growing(tmp_path: Path) -> None:
    """RINGS says how many; that a sweep adds few is shown in tests/campaigns/test_delivery.py."""
    rings = int(os.environ.get("RINGS", "300"))
    with FakeSmtp() as server, House(tmp_path) as house:
        app = Celery(broker=REAL_BROKER_URL)
        queue = house.queue()
        run = begun(server, 5)
        with app.connection_for_write() as broker, app.amqp.Producer(broker) as producer:
            for number in range(rings):
                app.send_task(
                    "campaigns.tasks.deliver_batch", args=[number, "bulk"], queue=queue, producer=producer
                )
        house.worker("only")
        house.clock()
        log = house.logs / "only.log"
        sizes = list[int]()

        def heard() -> int:
            sizes.append(
                sum(one.memory_info().rss for one in psutil.Process(house.parts["only"].pid).children())
            )
            return len(re.findall(r"campaigns\.tasks\.deliver_batch\[[^]]+\] received", log.read_text()))

        house.wait(lambda: heard() > rings * 0.3)
        early = sizes[-1]
        house.wait(lambda: heard() >= rings and is_over(run), 90 + rings / 100)
        assert sizes[-1] < early * 1.1
        assert_once_each(run, server, 5)
