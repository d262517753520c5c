"""One request posted fifty times at once, and a worker killed right after the answer: one mail leaves.

The proof is what the mail server received.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import credentials
from accounts.access import SYSTEM
from accounts.models import Role
from campaigns.models import Batch, Campaign, Execution, Message
from tests import builders
from tests.fakes.house import House, needs_broker
from tests.fakes.smtp import FakeSmtp

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
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
