"""One request posted fifty times at once, and a worker killed right after the answer: one mail leaves.

The proof is what the mail server received.
"""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import credentials
from accounts.access import SYSTEM
from accounts.models import ApiCredential, Role
from campaigns.models import Batch, Campaign, Execution, Message, Run
from tests import builders
from tests.fakes.house import House, needs_broker
from tests.fakes.smtp import FakeSmtp

pytestmark = pytest.mark.django_db(transaction=True)
TIMES, AT_ONCE = 50, 10


def campaign_over(server: FakeSmtp) -> tuple[Campaign, str]:
    where = builders.workspace()
    builders.profiles(where, 1)
    role = Role.objects.get(workspace=where, builtin="approver")
    _, token = credentials.issue(workspace=where, role=role, name="Shop", actor=SYSTEM, now=timezone.now())
    campaign = builders.live(
        where,
        now=timezone.now(),
        type="api_triggered",
        category="transactional",
        configuration=builders.smtp(where, server.port, kind="transactional"),
        html="<p>Reset</p>",
    )
    return campaign, token


def post(campaign: Campaign, token: str, request_id: str = "r-1") -> Any:
    person = {"type": "aep", "userId": "p0@example.com", "namespace": "email"}
    body = {"requestId": request_id, "campaignId": str(campaign.pk), "recipients": [person]}
    return Client(raise_request_exception=False).post(
        "/ajo/im/executions/unitary",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )


def test_fifty_parallel_posts_of_one_request_are_one_mail() -> None:
    with FakeSmtp() as server:
        campaign, token = campaign_over(server)
        barrier = threading.Barrier(AT_ONCE)

        def one(number: int) -> Any:
            try:
                if number < AT_ONCE:
                    barrier.wait(30)
                return post(campaign, token)
            finally:
                connection.close()

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(one, range(TIMES)))
        call_command("deliver")
        received = list(server.accepted)
    statuses = {answer.status_code for answer in answers}
    assert 202 in statuses
    assert statuses <= {202, 409}
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 409)
    taken = [answer.json() for answer in answers if answer.status_code == 202]
    assert len({one["executionId"] for one in taken}) == 1
    assert sum("deduplicated" not in one for one in taken) == 1
    assert (len(received), Message.objects.count(), Execution.objects.count()) == (1, 1, 1)


def _hold_back(campaign: Campaign, key: str) -> None:
    """Whoever writes a call under the key waits to see whether this one is kept."""
    Execution.objects.create(
        id=uuid.uuid4(),
        kind=Execution.Kind.UNITARY,
        campaign=campaign,
        credential=ApiCredential.objects.get(),
        request_id=key,
        key=key,
        run=Run.objects.get(campaign=campaign),
        size=1,
    )


def test_while_a_call_is_being_written_the_same_call_is_told_to_come_back() -> None:
    """And nothing is left of one that came to no end: the next one is a call like any other."""
    with FakeSmtp() as server, ThreadPoolExecutor(1) as pool:
        campaign, token = campaign_over(server)

        def first() -> Any:
            try:
                return post(campaign, token)
            finally:
                connection.close()

        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '30s'")  # fails, never hangs
            _hold_back(campaign, "r-1")
            writing = pool.submit(first)
            waiting = (
                "SELECT pid FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            while not cursor.execute(waiting).fetchone():
                assert not writing.done()
            with ThreadPoolExecutor(1) as other:
                same = other.submit(first).result()
            cursor.execute(f"SELECT pg_terminate_backend(({waiting} LIMIT 1))")
            transaction.set_rollback(True)
        assert (same.status_code, same.json()["code"]) == (409, "request_in_progress")
        assert same.headers["Retry-After"] == "1"
        assert writing.result().status_code == 503  # its connection was cut: it has no answer
        assert not Execution.objects.exists()
        again = post(campaign, token)
        assert (again.status_code, "deduplicated" in again.json()) == (202, False)
        call_command("deliver")
        assert len(server.accepted) == 1


def test_a_call_goes_to_the_database_and_back_three_times(tmp_path: Path) -> None:
    """Who calls; the campaign and the people named; what is written, with its commit."""
    with FakeSmtp() as server:
        campaign, token = campaign_over(server)
        assert post(campaign, token, "r-0").status_code == 202  # what is read once
        with (tmp_path / "trace").open("w+") as trace:
            connection.health_check_enabled = True  # type: ignore[attr-defined]
            connection.health_check_done = False  # type: ignore[attr-defined]
            connection.connection.pgconn.trace(trace.fileno())
            answer = post(campaign, token)
            connection.connection.pgconn.untrace()
            trace.seek(0)
            said = trace.read()
    assert answer.status_code == 202
    assert said.count("ReadyForQuery") == 3


def test_a_call_is_taken_over_a_new_connection_where_the_database_closed_the_old_one() -> None:
    with FakeSmtp() as server:
        campaign, token = campaign_over(server)
        mine = connection.cursor().execute("SELECT pg_backend_pid()").fetchone()[0]
        with closing(connection.copy()) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [mine])
        assert post(campaign, token).status_code == 202


@pytest.mark.slow
@needs_broker
def test_a_worker_killed_right_after_the_answer_is_replaced_and_the_mail_leaves_once(tmp_path: Path) -> None:
    with FakeSmtp() as server, House(tmp_path) as house:
        campaign, token = campaign_over(server)
        house.worker("first", lane="urgent")
        house.wait(lambda: "ready" in (tmp_path / "first.log").read_text())
        answers = [post(campaign, token, f"r-{number}") for number in range(5)]
        house.kill("first")
        assert [answer.status_code for answer in answers] == [202] * 5
        house.clock()
        house.worker("second", lane="urgent")
        house.wait(lambda: not Batch.objects.exclude(state="done").exists())
        received = [one.parsed["Message-ID"] for one in server.accepted]
    # What the first had handed over without a record may come twice, then under the same Message-ID.
    assert len(set(received)) == Message.objects.count() == 5
