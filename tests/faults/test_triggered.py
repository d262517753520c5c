"""The web process killed around the answer of a call: what was accepted goes out, and goes out once.

The proof is what the mail server received, not what our own tables say.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection, transaction
from django.utils import timezone
from kombu import Connection

from accounts import credentials
from accounts.access import SYSTEM
from accounts.models import Role
from campaigns.models import Campaign, Execution
from campaigns.reports.metrics import ledger
from tests import builders
from tests.fakes.house import House, needs_broker
from tests.fakes.servers import Bell, Cluster
from tests.fakes.smtp import FakeSmtp
from tests.settings import REAL_BROKER_URL

pytestmark = [pytest.mark.django_db(transaction=True), needs_broker, pytest.mark.slow]

SOON = 5.0  # seconds in which a message leaves once everything runs again


class Shop:
    """Another system that posts one password reset, as often as it has to."""

    def __init__(self, server: FakeSmtp) -> None:
        where = builders.workspace()
        builders.profiles(where, 1)
        self.campaign: Campaign = builders.live(
            where,
            now=timezone.now(),
            type="api_triggered",
            category="transactional",
            configuration=builders.smtp(where, server.port, kind="transactional"),
            html="<p>Reset: {{ context.reset }}</p>",
        )
        role = Role.objects.get(workspace=where, builtin="approver")
        by: dict[str, Any] = {"actor": SYSTEM, "now": timezone.now()}
        _, self.token = credentials.issue(workspace=where, role=role, name="Shop", **by)

    def post(self, address: str, request_id: str = "reset-1") -> tuple[int, dict[str, Any]]:
        """The answer, read whole. Raises OSError or HTTPException where none comes."""
        recipient = {"type": "aep", "userId": "p0@example.com", "namespace": "email"}
        body = {
            "requestId": request_id,
            "campaignId": str(self.campaign.pk),
            "recipients": [{**recipient, "context": {"reset": "https://shop.example/r/1"}}],
        }
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        with closing(http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)) as line:
            line.request("POST", "/ajo/im/executions/unitary", json.dumps(body), headers)
            answer = line.getresponse()
            return answer.status, json.loads(answer.read())


def finish(house: House, shop: Shop, server: FakeSmtp) -> None:
    """Everything is started anew; one letter arrives, and no other after it."""
    house.clock()
    house.worker("urgent", lane="urgent")
    house.wait(lambda: ledger(shop.campaign.runs.get()).accepted == 1)
    (letter,) = server.accepted
    assert letter.recipients == ["p0@example.com"]
    assert Execution.objects.count() == 1


def test_all_is_killed_right_after_the_202_and_the_message_goes_out_once(tmp_path: Path) -> None:
    with FakeSmtp() as server, House(tmp_path) as house:
        shop = Shop(server)
        address = house.web()
        status, _answer = shop.post(address)
        house.kill("web")
        assert status == 202
        with Connection(REAL_BROKER_URL) as broker:  # and the bell is forgotten
            broker.default_channel.queue_delete(f"{house.prefix}.urgent")
        assert server.accepted == []
        finish(house, shop, server)


def test_killed_before_the_answer_the_same_call_again_is_one_message(tmp_path: Path) -> None:
    with FakeSmtp() as server, House(tmp_path) as house:
        shop = Shop(server)
        address = house.web("first", FAILPOINT="call kept")
        with pytest.raises((OSError, http.client.HTTPException)):
            shop.post(address)
        house.kill("first")
        status, answer = shop.post(house.web("second"))
        assert (status, answer.get("deduplicated")) == (202, True)
        finish(house, shop, server)


def test_a_call_that_cannot_go_on_is_answered_long_before_its_minute_is_over_and_is_safe_to_repeat(
    tmp_path: Path,
) -> None:
    """Somebody holds the campaign and does not let go (3.15 of the catalogue)."""
    with FakeSmtp() as server, House(tmp_path, WEB_LOCK_SECONDS="2") as house:
        shop = Shop(server)
        address = house.web()
        with transaction.atomic():
            Campaign.objects.select_for_update().get(pk=shop.campaign.pk)
            began = time.monotonic()
            status, answer = shop.post(address)
            assert time.monotonic() - began < 20
        assert (status, answer["code"]) == (503, "unavailable")
        assert answer["retryAfter"] and not Execution.objects.exists()
        status, answer = shop.post(address)
        assert status == 202 and "deduplicated" not in answer
        finish(house, shop, server)


def test_after_the_202_everything_is_killed_servers_too_and_the_message_leaves_seconds_after_the_restart(
    database: Cluster, bell: Bell, tmp_path: Path
) -> None:
    """The worker is stopped before the call, so that all there is of the message is its row and a ring."""
    with FakeSmtp() as server, House(tmp_path, BROKER_URL=bell.url) as house:
        shop = Shop(server)
        house.clock()
        house.worker("before", lane="urgent")
        house.wait(lambda: "ready." in (tmp_path / "before.log").read_text())
        address = house.web()
        os.killpg(house.parts["before"].pid, signal.SIGSTOP)
        status, _answer = shop.post(address)
        bell.kill()
        database.kill()
        house.kill_all()
        assert (status, server.accepted) == (202, [])
        connection.close()

        bell.start()
        database.start()
        (tmp_path / "clock.log").unlink()
        house.clock()
        house.worker("after", lane="urgent")
        house.wait(lambda: "ready." in (tmp_path / "after.log").read_text())
        house.wait(lambda: "beat: Starting" in (tmp_path / "clock.log").read_text())
        began = time.monotonic()
        house.wait(lambda: bool(server.accepted), SOON)
        print(f"the message left {time.monotonic() - began:.1f} s after the restart")
        house.wait(lambda: ledger(shop.campaign.runs.get()).accepted == 1)
        (letter,) = server.accepted
        assert letter.recipients == ["p0@example.com"]
        assert Execution.objects.count() == 1
