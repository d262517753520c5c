"""Old messages are dropped whole, and what a run came to is told as before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from campaigns.delivery import retention
from campaigns.models import Attempt, Batch, Message, Run
from campaigns.reports.metrics import ledger
from tests import builders
from tests.campaigns.test_delivery import sending

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sandbox_here(settings, tmp_path) -> None:
    settings.VAR = tmp_path


def in_the_next_partition(run: Run) -> Run:
    """Another run of the campaign, so far on that the first one's partition is full."""
    return Run.objects.create(
        pk=run.pk + 1000, campaign=run.campaign, version=run.version, due_at=builders.NOW, state="completed"
    )


def test_messages_of_old_runs_are_dropped_and_their_totals_stay() -> None:
    run = sending()
    call_command("deliver")
    run.refresh_from_db()
    told = ledger(run)
    in_the_next_partition(run)
    assert run.pk // 200 not in retention.drop_old_messages(now=timezone.now())
    later = timezone.now() + timedelta(days=800)
    dropped = retention.drop_old_messages(now=later)
    assert run.pk // 200 in dropped
    assert not Message.objects.filter(run=run).exists() and not Attempt.objects.filter(run=run).exists()
    run.refresh_from_db()
    assert (ledger(run), told.accepted, told.balances) == (told, 12, True)
    assert retention.drop_old_messages(now=later) == []


def test_a_run_that_still_sends_keeps_its_messages() -> None:
    run = sending()
    in_the_next_partition(run)
    assert run.pk // 200 not in retention.drop_old_messages(now=timezone.now() + timedelta(days=800))
    assert Message.objects.filter(run=run).count() == 12


def test_every_run_has_its_partition_from_the_moment_it_is_written() -> None:
    run = sending(3)
    other = in_the_next_partition(run)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"campaigns_attempt_p{other.pk // 200}"])
        assert cursor.fetchone()[0]
    assert Batch.objects.filter(run=run).count() == 1
