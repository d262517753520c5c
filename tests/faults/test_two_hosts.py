"""Two worker hosts, and the line of one cut in the middle of a run: nobody is missed, copies stay within the
bound, and when the line is mended the host that came back adds nothing. `make two-hosts`.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from django.utils import timezone

from campaigns.delivery.bound import WINDOW
from campaigns.models import Attempt, Batch, Run
from campaigns.reports.metrics import ledger
from config import doctor
from tests import builders
from tests.fakes.hosts import CENTRE, Hosts, HousesOn, why_not
from tests.fakes.house import needs_broker
from tests.fakes.smtp import FakeSmtp
from tests.faults.test_workers import PEOPLE, assert_everybody_got_it, is_over, received

pytestmark = [
    pytest.mark.django_db(transaction=True),
    needs_broker,
    pytest.mark.skipif("TWO_HOSTS" not in os.environ, reason="makes network namespaces: make two-hosts"),
]


def test_a_host_that_is_cut_off_loses_nobody_and_adds_nothing_when_it_is_back(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    with FakeSmtp() as server, Hosts("car-a", "car-b") as hosts, HousesOn(hosts, tmp_path) as house:
        where = builders.workspace()
        builders.profiles(where, PEOPLE)
        door = hosts.door(socket.AF_INET, ("127.0.0.1", server.port))
        configuration = builders.smtp(where, door)
        configuration.settings["host"] = CENTRE
        configuration.save()
        campaign = builders.live(where, now=timezone.now(), configuration=configuration, rate=200)
        house.clock()
        for house.on in ("car-a", "car-b"):
            house.worker(house.on)

        def holds(host: str) -> bool:
            return Batch.objects.filter(state="claimed", owner__startswith=f"{host}:").exists()

        house.wait(lambda: len(server.accepted) > 300 and holds("car-a") and holds("car-b"))
        hosts.cut("car-b")
        at_cut = len(server.accepted)
        house.wait(is_over(campaign))
        assert at_cut < PEOPLE
        assert_everybody_got_it(campaign, server, most_twice=WINDOW)
        lost = Attempt.objects.filter(code="worker_lost").count()
        assert lost <= WINDOW

        before = received(server)
        hosts.mend("car-b")
        time.sleep(8)  # twice a lease: what the host still holds in its hands would show by now
        run = Run.objects.get(campaign=campaign)
        assert (received(server) - before).total() <= lost
        assert sum(received(server).values()) - PEOPLE <= WINDOW
        assert (run.state, ledger(run).accepted, ledger(run).balances) == ("completed", PEOPLE, True)
        told = {one.code for one in doctor.examine(now=timezone.now())}
        # No urgent worker was started.
        assert not told & {"clock_not_seen", "worker_lost", "messages_wait", "run_late", "uncertain_messages"}
        print(
            f"\n{PEOPLE} people, {at_cut} reached when the line was cut; {lost} uncertain, "
            f"{sum(received(server).values()) - PEOPLE} of them twice (bound {WINDOW}), 0 missed"
        )
