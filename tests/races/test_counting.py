"""Counters at once, and writers that commit late: every event is counted, and counted once."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from campaigns.models import Event
from campaigns.reports import counting, figures
from tests.campaigns.test_counting import a_run, event
from tests.races.test_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_counters_at_once_count_every_event_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "PAGE", 7)
    run = a_run()
    for number in range(60):
        event(run, 1 + number % 6, "open")
    at_once(4, lambda number: counting.move_forward(now=timezone.now()))
    counting.move_forward(now=timezone.now())
    assert figures.read([run.pk]).tally("open") == (60, 60, 6, 6)
    assert Event.objects.count() == 60


def test_the_watermark_does_not_pass_an_event_that_is_not_committed_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "PATIENCE", 0.2)
    run = a_run()
    written, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            event(run, 1, "open")  # takes the lower number, and commits later
            written.set()
            go_on.wait(10)
        connection.close()

    writer = threading.Thread(target=slow)
    writer.start()
    written.wait(10)
    event(run, 2, "open")
    counting.move_forward(now=timezone.now())
    assert figures.read([run.pk]).tally("open").people == 1
    go_on.set()
    writer.join()
    counting.move_forward(now=timezone.now())
    assert figures.read([run.pk]).tally("open").people == 2
