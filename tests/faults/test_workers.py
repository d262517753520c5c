"""A worker killed and a broker emptied in the middle of a run: it finishes by itself, nobody is missed.

The proof is what the mail server received, not what our own tables say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from kombu import Connection

from campaigns import lifecycle
from campaigns.delivery.bound import WINDOW
from campaigns.models import Attempt, Campaign, Run
from campaigns.reports.metrics import ledger
from tests import builders
from tests.fakes.house import House, needs_broker
from tests.fakes.smtp import FakeSmtp
from tests.settings import REAL_BROKER_URL

pytestmark = [pytest.mark.django_db(transaction=True), needs_broker, pytest.mark.slow]
PEOPLE = 800


def activated(server: FakeSmtp, **changes: Any) -> Campaign:
    where = builders.workspace()
    builders.profiles(where, PEOPLE)
    configuration = builders.smtp(where, server.port)
    return builders.live(where, now=timezone.now(), configuration=configuration, **changes)


def is_over(campaign: Campaign) -> Callable[[], bool]:
    return lambda: Run.objects.filter(campaign=campaign, finished_at__isnull=False).exists()


def received(server: FakeSmtp) -> Counter[str]:
    return Counter(one.recipients[0] for one in server.accepted)


def assert_everybody_got_it(
    campaign: Campaign, server: FakeSmtp, most_twice: int, people: int = PEOPLE
) -> None:
    got = received(server)
    assert set(got) == {f"p{n}@example.com" for n in range(people)}
    assert sum(got.values()) - people <= most_twice
    run = Run.objects.get(campaign=campaign)
    book = ledger(run)
    assert (run.state, book.targeted, book.accepted, book.balances) == ("completed", people, people, True)
    same_id = {one.recipients[0]: {one.parsed["Message-ID"]} for one in server.accepted[:1]}
    for one in server.accepted:
        same_id.setdefault(one.recipients[0], set()).add(one.parsed["Message-ID"])
    assert all(len(ids) == 1 for ids in same_id.values())


def test_a_worker_killed_in_the_middle_is_replaced_and_nobody_is_missed(tmp_path: Path) -> None:
    with FakeSmtp() as server, House(tmp_path) as house:
        campaign = activated(server)
        house.clock()
        house.worker("first")
        house.wait(lambda: len(server.accepted) > 200)
        house.kill("first")
        at_death = len(server.accepted)
        house.worker("second")
        house.wait(is_over(campaign))
        assert at_death < PEOPLE
        assert_everybody_got_it(campaign, server, most_twice=WINDOW)
        assert Attempt.objects.filter(code="worker_lost").count() <= WINDOW


def test_a_worker_told_to_stop_ends_soon_and_the_next_one_goes_on_without_a_second_copy(
    tmp_path: Path,
) -> None:
    with FakeSmtp() as server, House(tmp_path) as house:
        campaign = activated(server, rate=60)
        house.clock()
        house.worker("first")
        house.wait(lambda: len(server.accepted) > 100)
        first = house.parts.pop("first")
        first.terminate()
        assert first.wait(60) == 0
        assert len(server.accepted) < PEOPLE
        house.worker("second")
        house.wait(is_over(campaign))
        assert_everybody_got_it(campaign, server, most_twice=0)
        assert not Attempt.objects.filter(code="worker_lost").exists()


def test_a_broker_emptied_in_the_middle_loses_nobody(tmp_path: Path) -> None:
    with FakeSmtp() as server, House(tmp_path) as house:
        campaign = activated(server)
        house.clock()
        house.worker("only")
        house.wait(lambda: len(server.accepted) > 200)
        with Connection(REAL_BROKER_URL) as broker:
            channel = broker.default_channel
            if hasattr(channel, "client"):
                channel.client.flushdb()  # Redis and Valkey: everything in our database is gone
            else:
                channel.queue_purge(f"{house.prefix}.bulk")
        house.wait(is_over(campaign))
        assert_everybody_got_it(campaign, server, most_twice=0)


def test_a_paused_run_waits_and_goes_on(tmp_path: Path) -> None:
    with FakeSmtp() as server, House(tmp_path) as house:
        campaign = activated(server)
        approver = builders.User.objects.get(name="Approver")
        house.clock()
        house.worker("only")
        house.wait(lambda: len(server.accepted) > 200)
        lifecycle.apply(campaign, "pause", actor=approver, now=timezone.now())
        at_pause = len(server.accepted)
        house.wait(lambda: not Run.objects.filter(campaign=campaign, batches__state="claimed").exists())
        assert len(server.accepted) - at_pause <= WINDOW
        lifecycle.apply(campaign, "resume", actor=approver, now=timezone.now())
        house.wait(is_over(campaign))
        assert_everybody_got_it(campaign, server, most_twice=0)
