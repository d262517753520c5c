"""A call is durable before its answer: with no worker and no broker, the 202 still becomes a message."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import credentials
from accounts.access import SYSTEM
from accounts.models import Role
from campaigns.models import Execution
from campaigns.reports.metrics import ledger
from tests import builders
from tests.fakes.house import House, needs_broker
from tests.fakes.smtp import FakeSmtp

pytestmark = [pytest.mark.django_db(transaction=True), needs_broker, pytest.mark.slow]


def test_a_call_that_was_accepted_while_nobody_worked_arrives_once(tmp_path: Path) -> None:
    where = builders.workspace()
    builders.profiles(where, 1)
    role = Role.objects.get(workspace=where, builtin="approver")
    _, token = credentials.issue(workspace=where, role=role, name="Shop", actor=SYSTEM, now=timezone.now())
    with FakeSmtp() as server, House(tmp_path) as house:
        campaign = builders.live(
            where,
            now=timezone.now(),
            type="api_triggered",
            category="transactional",
            configuration=builders.smtp(where, server.port, kind="transactional"),
            html="<p>Reset: {{ context.reset }}</p>",
        )
        person = {"type": "aep", "userId": "p0@example.com", "namespace": "email"}
        call = {
            "requestId": "r-1",
            "campaignId": str(campaign.pk),
            "recipients": [{**person, "context": {"reset": "https://shop.example/r/林"}}],
        }
        for status in (None, True):
            answer = Client().post(
                "/ajo/im/executions/unitary",
                call,
                content_type="application/json",
                headers={"Authorization": f"Bearer {token}"},
            )
            assert (answer.status_code, answer.json().get("deduplicated")) == (202, status)
        assert server.accepted == []
        house.clock()
        house.worker("urgent", lane="urgent", PGAPPNAME=house.prefix)
        house.worker("campaigns", BULK_NICENESS="7")
        house.wait(lambda: ledger(campaign.runs.get()).accepted == 1)
        (letter,) = server.accepted
        house.wait(lambda: steps_back(house, "campaigns") == steps_back(house, "urgent") + 7)
        for name in ("clock", "campaigns"):
            house.kill(name)
        time.sleep(1)  # it has nothing to do any more
        assert lines_to_the_database(house.prefix) == 1, "a line is made anew for each task"

    assert letter.recipients == ["p0@example.com"]
    assert "https://shop.example/r/林" in letter.parsed.get_body(("html",)).get_content()
    assert Execution.objects.count() == 1


def steps_back(house: House, name: str) -> int:
    """How far the part stands behind others that want the processor."""
    return os.getpriority(os.PRIO_PROCESS, house.parts[name].pid)


def lines_to_the_database(name: str) -> int:
    """Of the process that goes by this name: a thread of an earlier test may still hold its own line."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = %s""",
            [name],
        )
        return int(cursor.fetchone()[0])
