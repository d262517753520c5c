"""Two worker hosts, and the line of one cut in the middle of a run: nobody is missed, copies stay within the
bound, and when the line is mended the host that came back adds nothing. `make two-hosts`.
"""

from __future__ import annotations

import os
import socket
import subprocess
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
from tests.faults.test_workers import assert_everybody_got_it, is_over, received

pytestmark = [
    pytest.mark.django_db(transaction=True),
    needs_broker,
    pytest.mark.skipif("TWO_HOSTS" not in os.environ, reason="makes network namespaces: make two-hosts"),
]
PEOPLE = 2000


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
        assert_everybody_got_it(campaign, server, WINDOW, PEOPLE)
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


def test_a_web_host_whose_line_to_the_database_swallows_everything_says_so_within_ten_seconds(
    tmp_path: Path,
) -> None:
    if reason := why_not():
        pytest.skip(reason)
    with Hosts("car-a") as hosts, HousesOn(hosts, tmp_path) as house:
        house.on = "car-a"
        house._run("web", "gunicorn", "config.wsgi", "--bind", "127.0.0.1:8000", "--threads", "4")
        house.wait(lambda: asked("car-a")[0] == 302)
        hosts.cut("car-a")
        for _time in range(3):
            status, seconds = asked("car-a")
            assert (status, seconds < 10) == (503, True), seconds
        hosts.mend("car-a")
        house.wait(lambda: asked("car-a")[0] == 302, 30)


def asked(host: str) -> tuple[int, float]:
    """A page that asks the database who it is for, asked on the host: its status, and how long it took."""
    form = ["-s", "-o", "/dev/null", "-w", "%{http_code} %{time_total}", "--max-time", "60"]
    session = ["-H", f"Cookie: session={'a' * 32}"]
    command = ["ip", "netns", "exec", host, "curl", *form, *session, "http://127.0.0.1:8000/campaigns/"]
    said = subprocess.run(command, capture_output=True, text=True).stdout.split()
    return int(said[0]), float(said[1])
