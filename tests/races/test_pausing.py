"""Stopped and allowed, paused and resumed fifty times while workers send: nobody is skipped or doubled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts import switch
from accounts.access import SYSTEM
from campaigns import lifecycle
from campaigns.delivery import completion, send
from campaigns.models import Attempt, Batch, Campaign, Run
from campaigns.reports.metrics import ledger
from tests import builders
from tests.races.test_races import fanned_out

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sandbox_here")]
PEOPLE, TIMES, WORKERS = 600, 50, 3


def whole_switch(campaign: Campaign) -> None:
    by = {"actor": SYSTEM, "now": timezone.now()}
    switch.stop_sending(campaign.workspace, why="again", **by)
    time.sleep(0.01)
    switch.allow_sending(campaign.workspace, **by)


def one_campaign(campaign: Campaign) -> None:
    approver = builders.User.objects.get(name="Approver")
    lifecycle.apply(campaign, "pause", actor=approver, now=timezone.now())
    time.sleep(0.01)
    lifecycle.apply(campaign, "resume", actor=approver, now=timezone.now())


@pytest.mark.slow
@pytest.mark.parametrize("off_and_on", [whole_switch, one_campaign])
def test_fifty_times_in_a_row(off_and_on: Callable[[Campaign], None], settings: Any) -> None:
    run = fanned_out(PEOPLE)
    campaign = Campaign.objects.select_related("workspace").get(runs=run)
    over = threading.Event()
    faults: list[BaseException] = []

    def worker() -> None:
        try:
            while not over.is_set():
                for batch in Batch.objects.exclude(state="done").values_list("pk", flat=True)[:5]:
                    send.work(batch, "bulk")
                completion.settle(run.pk, now=timezone.now())
                time.sleep(0.005)
        except BaseException as error:  # told below, in the test's own thread
            faults.append(error)
        finally:
            connection.close()

    running = [threading.Thread(target=worker) for _number in range(WORKERS)]
    for one in running:
        one.start()
    try:
        for times in range(TIMES):  # noqa: B007  told below
            if Run.objects.get(pk=run.pk).finished_at:
                break
            off_and_on(campaign)
            time.sleep(0.01)
        ends = time.monotonic() + 60
        while not Run.objects.get(pk=run.pk).finished_at and time.monotonic() < ends and not faults:
            time.sleep(0.1)
    finally:
        over.set()
        for one in running:
            one.join(60)
    assert not faults, faults
    run.refresh_from_db()
    assert (run.state, ledger(run).accepted, Attempt.objects.count()) == ("completed", PEOPLE, PEOPLE)
    said = (settings.VAR / "sandbox.log").read_text().splitlines()
    assert len(said) == PEOPLE
    assert times == TIMES - 1  # the run was under way all the time
