"""Row P-6B of the promises: a limit that worker processes share, by the mail server's own ledger.

The ledger's windows of one second hang on the machine: what is held up between the moment it may leave and
the server's record of it comes closer to its successor. So this is for a machine that does nothing else
(`make test-pace`); tests/campaigns/test_gate.py holds the moments given away on any machine.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.access import SYSTEM
from campaigns.delivery.bound import WINDOW
from campaigns.models import Run
from campaigns.reports.metrics import ledger
from channels import limits
from tests import builders
from tests.campaigns.test_gate import fanned_out
from tests.channels.test_pacing import most_in_a_second
from tests.fakes.house import House, needs_broker
from tests.fakes.smtp import FakeSmtp

pytestmark = [
    pytest.mark.django_db(transaction=True),
    needs_broker,
    pytest.mark.slow,
    pytest.mark.skipif("QUIET_MACHINE" not in os.environ, reason="needs a quiet machine: make test-pace"),
]
RATE, PEOPLE = 10, 90


def test_p6b_four_workers_and_two_runs_keep_the_limit_while_workers_are_killed_and_started(
    tmp_path: Path,
) -> None:
    where = builders.workspace()
    builders.profiles(where, PEOPLE)
    with FakeSmtp() as server, House(tmp_path) as house:
        configuration = builders.smtp(where, server.port)
        limits.change(configuration, rate=RATE, actor=SYSTEM, now=timezone.now())
        for _n in range(2):
            fanned_out(where, batch=10, configuration=configuration)
        house.clock()
        for number in range(4):
            house.worker(f"w{number}")
        house.wait(lambda: len(server.accepted) >= 30)
        house.kill("w0")
        house.kill("w1")
        house.worker("w4")
        house.wait(lambda: len(server.accepted) >= 80)
        for name in ("w2", "w3", "w4"):  # nobody is left who could remember anything
            house.kill(name)
        for number in range(5, 9):
            house.worker(f"w{number}")
        house.wait(lambda: not Run.objects.filter(finished_at=None).exists(), 180)
    arrived = [one.at for one in server.accepted]
    assert most_in_a_second(arrived) <= RATE * 1.05
    got = Counter(one.recipients[0] for one in server.accepted)
    assert set(got) == {f"p{n}@example.com" for n in range(PEOPLE)}
    assert 2 * PEOPLE <= len(arrived) <= 2 * PEOPLE + 5 * WINDOW
    books = [ledger(run) for run in Run.objects.all()]
    assert all(book.balances and book.accepted == PEOPLE for book in books), books
