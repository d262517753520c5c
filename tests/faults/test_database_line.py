"""The line to the database breaks, at the worst moment too: nothing is lost or doubled, and it says so."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from audiences.models import Consent, ConsentEntry
from campaigns import lifecycle
from campaigns.delivery import recovery
from campaigns.delivery.bound import WINDOW
from campaigns.models import Attempt, Batch, Campaign, Event, Execution, Message, Run, Status
from campaigns.reports.metrics import ledger
from campaigns.tasks import put_in_kept_events
from campaigns.tracking import tokens
from campaigns.tracking.tokens import MessageKey
from tests import builders
from tests.fakes.line import Line
from tests.fakes.smtp import FakeSmtp
from tests.races.test_posted_at_once import campaign_over, post

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = ("dbname", "user", "password", "host", "port")
LOSES = pytest.mark.parametrize("loses", ["order", "answer"])


@pytest.fixture
def line() -> Iterator[Line]:
    """Django's connection goes over it. What broke is given up by the test, as it is after a request."""
    told = dict(connection.settings_dict)

    def connect() -> socket.socket:
        host, port = told["HOST"] or "127.0.0.1", int(told["PORT"] or 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    connection.close()
    with Line(connect) as line:
        options = {**told["OPTIONS"], "sslmode": "disable", "gssencmode": "disable"}
        connection.settings_dict |= {"HOST": "127.0.0.1", "PORT": line.port, "OPTIONS": options}
        try:
            yield line
        finally:
            connection.close()
            connection.settings_dict |= told


def pressed(client: Client, campaign: Campaign) -> Any:
    campaign.refresh_from_db()
    return client.post(f"/campaigns/{campaign.pk}/act/activate/", {"revision": campaign.revision})


def test_pages_and_api_say_that_the_database_is_away_and_go_on_when_it_is_back(line: Line) -> None:
    with FakeSmtp() as server:
        campaign, token = campaign_over(server)
        client = Client(raise_request_exception=False)
        client.force_login(builders.person(campaign.workspace, "viewer"))
        line.is_down = True
        line.cut()
        connection.close()
        page, answer = client.get("/campaigns/"), post(campaign, token)
        line.is_down = False
        assert (page.status_code, page["Retry-After"]) == (503, "5")
        assert "try again" in page.content.decode()
        assert (answer.status_code, answer["Retry-After"], answer.json()["code"]) == (503, "5", "unavailable")
        assert client.get("/campaigns/").status_code == 200
        assert post(campaign, token).status_code == 202


@LOSES
def test_an_activation_cut_at_its_commit_is_one_run_or_none_and_the_next_press_settles_it(
    line: Line, loses: str
) -> None:
    where = builders.workspace()
    builders.profiles(where, 3)
    campaign = builders.draft(where, builders.person(where, "manager"))
    client = Client(raise_request_exception=False)
    client.force_login(builders.person(where, "approver"))
    campaign.refresh_from_db()
    line.cut_at(b"COMMIT", 1, loses)
    first = pressed(client, campaign)
    connection.close()
    assert (line.cuts, first.status_code) == (1, 503)
    assert Run.objects.count() == (1 if loses == "answer" else 0)
    pressed(client, campaign)
    assert Run.objects.count() == 1


@LOSES
def test_a_call_cut_while_it_is_kept_is_one_message_when_it_is_sent_again(line: Line, loses: str) -> None:
    """It is written and committed by one statement, the only one that names the call."""
    with FakeSmtp() as server:
        campaign, token = campaign_over(server)
        line.cut_at(b"named-nowhere-else", 1, loses)
        first = post(campaign, token, "named-nowhere-else")
        connection.close()
        assert (line.cuts, first.status_code) == (1, 503)
        assert Execution.objects.count() == (1 if loses == "answer" else 0)
        again = post(campaign, token, "named-nowhere-else")
        call_command("deliver")
        assert again.status_code == 202 and Execution.objects.count() == 1
        assert len(server.accepted) == 1


@pytest.mark.sampled(2)
@LOSES
def test_a_run_cut_at_each_of_its_commits_misses_nobody_and_hides_no_copy(line: Line, loses: str) -> None:
    people = 30
    where = builders.workspace()
    builders.profiles(where, people)
    approver = builders.person(where, "approver")
    nth = 0
    while nth == line.cuts:  # until a run has fewer commits than that
        nth += 1
        with FakeSmtp() as server:
            configuration = builders.smtp(where, server.port, name=f"Line {nth}")
            made = builders.draft(where, approver, configuration=configuration)
            campaign = lifecycle.apply(made, "activate", actor=approver, now=timezone.now())
            line.cut_at(b"COMMIT", nth, loses)
            worked_until_it_is_over(campaign)
            got = Counter(one.recipients[0] for one in server.accepted)
        run = Run.objects.get(campaign=campaign)
        book, again = ledger(run), Attempt.objects.filter(run=run, code="worker_lost").count()
        assert (run.state, book.accepted, book.balances) == (Run.State.COMPLETED, people, True)
        assert set(got) == {f"p{n}@example.com" for n in range(people)}
        assert got.total() - people <= again <= WINDOW  # a second copy is in the ledger as what it may be
    line.cut_at(b"", 0, "")
    assert line.cuts > 4


@LOSES
@pytest.mark.parametrize("source", ["page", "one-click"])
def test_a_leave_cut_at_its_commit_is_done_once_and_who_left_is_told_so(
    line: Line, loses: str, source: str, settings: Any, tmp_path: Path
) -> None:
    settings.EVENT_SPOOL = tmp_path / "events"
    where = builders.workspace()
    (person,) = builders.profiles(where, 1)
    run = Run.objects.get(campaign=builders.live(where, now=timezone.now()))
    Message.objects.create(run=run, action=0, ref=person.pk, profile=person, address="a@example.com")
    url = f"/u/{tokens.sign(tokens.UNSUBSCRIBE, MessageKey(run.pk, 0, person.pk))}"
    body = {"List-Unsubscribe": "One-Click", "from": source}
    line.cut_at(b"COMMIT", 1, loses)
    answer = Client().post(url, body)
    connection.close()
    assert line.cuts == 1 and "You are unsubscribed" in answer.content.decode()
    assert Consent.objects.count() == (1 if loses == "answer" else 0)
    put_in_kept_events()
    assert Consent.objects.get().state == "no" and ConsentEntry.objects.count() == 1
    assert Event.objects.get().kind == "unsubscribe"
    assert Client().post(url, body).status_code == 200 and Event.objects.count() == 1


def worked_until_it_is_over(campaign: Campaign) -> None:
    for _time in range(5):
        try:
            call_command("deliver")
            campaign.refresh_from_db()
            if campaign.status == Status.COMPLETED:
                return
        except DatabaseError:
            connection.close()
        Batch.objects.update(lease_until=Now() - timedelta(seconds=1))
        recovery.sweep(now=timezone.now())
    raise AssertionError("the run does not end")


def test_one_of_two_that_wait_for_each_other_is_told_to_try_again_and_leaves_no_trace() -> None:
    where = builders.workspace()
    builders.profiles(where, 3)
    campaign = builders.draft(where, builders.person(where, "manager"))
    client = Client(raise_request_exception=False)
    client.force_login(builders.person(where, "approver"))
    params = {k: v for k, v in connection.get_connection_params().items() if k in NAMES}
    with psycopg.connect(**params) as other:
        other.execute("SET deadlock_timeout = '1min'")  # so that it is ours which is ended
        other.execute("LOCK TABLE campaigns_run")
        crossing = threading.Thread(target=_cross, args=(other, campaign.pk))
        crossing.start()
        answer = pressed(client, campaign)
        crossing.join(30)
    campaign.refresh_from_db()
    assert (answer.status_code, campaign.status, Run.objects.count()) == (503, Status.DRAFT, 0)
    assert pressed(client, campaign).status_code == 302 and Run.objects.count() == 1


def _cross(other: psycopg.Connection[Any], campaign_id: int) -> None:
    """Once the other side waits for the runs, wants the campaign that it holds."""
    waits = "SELECT count(*) FROM pg_locks WHERE relation = 'campaigns_run'::regclass AND NOT granted"
    ends = time.monotonic() + 20
    while time.monotonic() < ends and other.execute(waits).fetchall() == [(0,)]:
        time.sleep(0.02)
    other.execute("SELECT 1 FROM campaigns_campaign WHERE id = %s FOR UPDATE", [campaign_id])
    other.rollback()
