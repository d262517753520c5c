"""A database that is away, full, or has no line left: callers are told to come back, and nobody gets a
message of which it could not be written down before that it was to leave.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings as now_set
from django.core.management import call_command
from django.db import OperationalError, connection, connections, transaction
from django.test import Client
from django.utils import timezone

from campaigns import lifecycle
from campaigns.delivery import clock
from campaigns.models import Batch, Campaign, Run
from campaigns.reports.metrics import ledger
from tests import builders
from tests.fakes.smtp import FakeSmtp

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

# What PostgreSQL says when its volume is full, at the very statement that writes who is to leave next.
FULL = """
CREATE FUNCTION volume_is_full() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER volume_is_full BEFORE UPDATE ON campaigns_batch FOR EACH ROW
WHEN (NEW.in_flight IS NOT NULL) EXECUTE FUNCTION volume_is_full()
"""


@contextmanager
def full_volume() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(FULL)
        try:
            yield
        finally:
            cursor.execute("DROP FUNCTION volume_is_full CASCADE")


def test_nothing_leaves_that_a_full_volume_could_not_note_and_it_goes_on_with_room() -> None:
    with FakeSmtp() as server:
        where = builders.workspace()
        builders.profiles(where, 30)
        builders.live(where, now=timezone.now(), configuration=builders.smtp(where, server.port))
        with full_volume(), pytest.raises(OperationalError, match="No space left"):
            call_command("deliver")
        assert server.accepted == []
        run = Run.objects.get()
        assert (run.state, ledger(run).to_go) == ("sending", 30)
        Batch.objects.filter(state="claimed").update(lease_until=timezone.now())
        call_command("deliver")
        assert sorted(one.recipients[0] for one in server.accepted) == sorted(
            f"p{n}@example.com" for n in range(30)
        )
        assert ledger(run).accepted == 30


def test_what_commits_after_newer_changes_is_started_all_the_same() -> None:
    """The clock reads rows, and no marker could have passed this one meanwhile."""
    where = builders.workspace()
    builders.profiles(where, 2)
    manager, approver = builders.person(where, "manager"), builders.person(where, "approver")
    slow, quick = builders.draft(where, manager), builders.draft(where, manager)
    lifecycle.apply(quick, "activate", actor=approver, now=timezone.now())
    is_written, may_commit = threading.Event(), threading.Event()

    def in_a_long_transaction() -> None:
        try:
            with transaction.atomic():
                lifecycle.apply(slow, "activate", actor=approver, now=timezone.now())
                is_written.set()
                may_commit.wait(30)
        finally:
            connections.close_all()

    other = threading.Thread(target=in_a_long_transaction)
    other.start()
    try:
        assert is_written.wait(30)
        clock.start_due_runs(now=timezone.now())
        assert [run.campaign_id for run in Run.objects.exclude(state="planned")] == [quick.pk]
    finally:
        may_commit.set()
        other.join(30)
    clock.start_due_runs(now=timezone.now())
    clock.start_due_runs(now=timezone.now())
    assert Run.objects.filter(campaign=slow).exclude(state="planned").count() == 1
    assert Campaign.objects.count() == Run.objects.count() == 2


@pytest.fixture
def no_line_left() -> Iterator[None]:
    """PostgreSQL refuses every new line of ours, as when there are too many."""
    ours = connection.settings_dict
    before = {name: ours[name] for name in ("USER", "PASSWORD")}
    with connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS carillon_crowded")
        cursor.execute("CREATE ROLE carillon_crowded LOGIN PASSWORD 'crowded' CONNECTION LIMIT 0")
    connection.close()
    ours.update(USER="carillon_crowded", PASSWORD="crowded")
    try:
        yield
    finally:
        connection.close()
        ours.update(before)
        with connection.cursor() as cursor:
            cursor.execute("DROP ROLE carillon_crowded")


def test_without_a_line_to_the_database_everybody_is_told_to_come_back(no_line_left: None) -> None:
    client = Client(raise_request_exception=False)
    client.cookies[now_set.SESSION_COOKIE_NAME] = "a" * 32
    page = client.get("/campaigns/")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert b"carillon_crowded" not in page.content
    headers = {"Authorization": "Bearer crl_nobody"}
    call = client.post("/ajo/im/executions/unitary", "{}", "application/json", headers=headers)
    assert (call.status_code, call.json()["code"]) == (503, "unavailable")
    assert call.headers["Retry-After"] == "5" and "carillon_crowded" not in call.content.decode()
    assert client.get("/readyz").status_code == 503 and client.get("/healthz").status_code == 200
