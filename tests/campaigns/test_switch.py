"""The main switch: nothing of a stopped workspace leaves, nor of a copy; later all leaves once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import switch
from accounts.access import SYSTEM
from accounts.models import AuditEntry, User, Workspace
from campaigns.delivery import claims, clock, fanout, seeds
from campaigns.models import Batch, Execution, Message, Run, SeedCopy
from campaigns.reports import waiting
from campaigns.reports.metrics import ledger
from channels import mailfiles
from channels.models import MailFile
from common.errors import Conflict, Invalid, PermissionMissing
from common.place import place
from tests import builders
from tests.api import Caller
from tests.campaigns.test_api import URL, recipient
from tests.campaigns.test_seeds import seed_list
from tests.channels.test_direct_mail import put, to

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
PAGE = "/campaigns/sending/"
WHY = "Wrong prices 價格錯了"


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 3)
    return made


def stop(where: Workspace, **changes: Any) -> None:
    switch.stop_sending(where, **{"why": WHY, "actor": SYSTEM, "now": timezone.now(), **changes})


def allow(where: Workspace) -> None:
    switch.allow_sending(where, actor=SYSTEM, now=timezone.now())


def restored_elsewhere(where: Workspace) -> None:
    """What a copy of the database finds in its row: the place of the original."""
    Workspace.objects.filter(pk=where.pk).update(sends_from="7300000000000000001.16384")


def sent(settings: Any) -> list[str]:
    log = settings.VAR / "sandbox.log"
    return log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize("turn_off", [stop, restored_elsewhere])
def test_scheduled_messages_wait_and_leave_once(where: Workspace, settings: Any, turn_off: Any) -> None:
    other = builders.workspace("elsewhere")
    builders.profiles(other, 2)
    builders.live(other, now=timezone.now())
    campaign = builders.live(where, now=timezone.now())
    turn_off(where)
    call_command("deliver")
    run = Run.objects.get(campaign=campaign)
    assert run.state == "due" and not Message.objects.filter(run=run).exists()
    assert ledger(Run.objects.get(campaign__workspace=other)).accepted == 2  # it is nobody else's switch
    assert len(sent(settings)) == 2
    allow(where)
    call_command("deliver")
    call_command("deliver")
    assert ledger(run).accepted == 3 and len(sent(settings)) == 5


def test_a_batch_that_is_ready_or_being_sent_stops_where_it_is(where: Workspace, settings: Any) -> None:
    campaign = builders.live(where, now=timezone.now())
    clock.start_due_runs(now=timezone.now())
    run = Run.objects.get(campaign=campaign)
    fanout.expand(run.pk, now=timezone.now(), page=10, batch=2)
    batch = Batch.objects.earliest("pk")
    claimed = claims.claim(batch.pk, owner="w", now=timezone.now())
    assert claimed is not None and claims.record(claimed, [], now=timezone.now())
    stop(where)
    assert not claims.record(claimed, [], now=timezone.now())  # the worker is told with its next record
    claims.release(claimed, now=timezone.now())
    later = timezone.now() + timedelta(minutes=5)
    assert claims.claim_next("bulk", owner="w", now=later) is None
    run.refresh_from_db()
    assert WHY in waiting.waiting_for(run, now=timezone.now())
    allow(where)
    Batch.objects.update(send_after=timezone.now())
    call_command("deliver")
    assert ledger(run).accepted == len(sent(settings)) == 3


def test_a_copy_does_not_even_mark_late_runs_as_missed(where: Workspace) -> None:
    builders.live(where, now=timezone.now())
    restored_elsewhere(where)
    clock.start_due_runs(now=timezone.now() + timedelta(days=1))
    assert Run.objects.get().state == "due"


def test_calls_are_refused_with_who_stopped_when_and_why(where: Workspace, settings: Any) -> None:
    campaign = builders.live(where, now=timezone.now(), type="api_triggered", category="transactional")
    shop = Caller(where, "approver")
    body = {"requestId": "r-1", "campaignId": str(campaign.pk), "recipients": [recipient()]}
    accepted = shop.post(URL, body)
    assert accepted.status_code == 202
    stop(where, actor=User.objects.get(name="Approver"))
    call_command("deliver")
    assert not sent(settings)  # what was accepted waits
    again = shop.post(URL, body)
    assert again.json()["executionId"] == accepted.json()["executionId"]  # a repeat is answered as before
    refused = shop.post(URL, {**body, "requestId": "r-2"})
    told = refused.json()
    assert (refused.status_code, told["stoppedBy"], told["why"]) == (409, "Approver", WHY)
    assert "sending_stopped" in refused.content.decode() and told["stoppedAt"] and not told["isCopy"]
    assert Execution.objects.count() == 1
    allow(where)
    call_command("deliver")
    assert len(sent(settings)) == 1
    assert shop.post(URL, {**body, "requestId": "r-2"}).status_code == 202


def test_seed_copies_wait(where: Workspace, settings: Any) -> None:
    configuration = builders.configuration(where)
    seed_list(where, configuration)
    builders.live(where, now=timezone.now(), configuration=configuration)
    call_command("deliver")
    seeds.write(now=timezone.now())
    SeedCopy.objects.update(state="due", due_at=timezone.now())
    before = len(sent(settings))
    stop(where)
    assert seeds.send_due(now=timezone.now()) == 0 and len(sent(settings)) == before
    allow(where)
    assert seeds.send_due(now=timezone.now()) == 2
    assert seeds.send_due(now=timezone.now()) == 0


def test_files_of_direct_mail_wait(where: Workspace, settings: Any) -> None:
    put(to({}, where=where), ("7.1.1", "Ann", "Tainan"))
    mailfiles.close(7, now=timezone.now())
    stop(where)
    mailfiles.write_due(timezone.now)
    assert MailFile.objects.get().state == "waiting" and not (settings.VAR / "mailfiles").exists()
    allow(where)
    mailfiles.write_due(timezone.now)
    assert MailFile.objects.get().state == "delivered"


def test_who_may_publish_may_stop_with_a_reason_and_once(where: Workspace) -> None:
    for role in ("manager", "viewer"):
        person = builders.person(where, role)
        with pytest.raises(PermissionMissing):
            stop(where, actor=person)
        with pytest.raises(PermissionMissing):
            switch.allow_sending(where, actor=person, now=timezone.now())
    for bad in ("", "   ", "x" * 501):
        with pytest.raises(Invalid) as fault:
            stop(where, why=bad)
        assert fault.value.problems[0].pointer == "/why"
    with pytest.raises(Conflict) as on:
        allow(where)
    assert on.value.code == "sending_is_on"
    approver = builders.person(where, "approver")
    stop(where, actor=approver)
    with pytest.raises(Conflict) as twice:
        stop(where, why="me too")
    assert twice.value.code == "sending_stopped" and "Approver" in twice.value.detail
    allow(where)
    where.refresh_from_db()
    assert (where.sends_from, where.stopped_at, where.stopped_why) == (place(), None, "")
    verbs = AuditEntry.objects.filter(workspace=where, verb__endswith="_sending").order_by("pk")
    assert [(one.verb, one.actor) for one in verbs] == [
        ("stop_sending", "Approver"),
        ("allow_sending", "the clock"),
    ]


def test_rest_tells_stops_and_allows(where: Workspace) -> None:
    approver, viewer = Caller(where, "approver"), Caller(where, "viewer")
    address = reverse("campaigns_api:sending")
    assert viewer.get(address).json()["isOn"] is True
    assert viewer.post(address, {"on": False, "why": WHY}).status_code == 403
    assert approver.post(address, {"on": False}).status_code == 400
    assert approver.post(address, {"on": "maybe", "x": 1}).status_code == 400
    told = approver.post(address, {"on": False, "why": WHY}).json()
    assert (told["isOn"], told["why"], told["stoppedBy"], told["mayStillLeave"]) == (
        False,
        WHY,
        "approver",
        0,
    )
    assert approver.post(address, {"on": False, "why": WHY}).status_code == 409
    assert viewer.get(address).json()["stoppedAt"]
    assert approver.post(address, {"on": True}).json()["isOn"] is True
    restored_elsewhere(where)
    assert viewer.get(address).json() | {"mayStillLeave": 0} == {
        "isOn": False, "isCopy": True, "stoppedAt": None, "stoppedBy": "", "why": "", "mayStillLeave": 0,
    }  # fmt: skip


def test_every_page_says_so_and_one_page_decides(where: Workspace) -> None:
    reader, decider = Client(), Client()
    reader.force_login(builders.person(where, "viewer"))
    decider.force_login(builders.person(where, "approver"))
    assert "<form" in decider.get(PAGE).content.decode()
    assert decider.post(PAGE, {"verb": "stop", "why": " "}).status_code == 400
    assert reader.post(PAGE, {"verb": "stop", "why": WHY}).status_code == 403
    assert decider.post(PAGE, {"verb": "stop", "why": "<b>fire</b>"}).status_code == 302
    told = reader.get("/campaigns/").content.decode()
    assert "&lt;b&gt;fire&lt;/b&gt;" in told and "<b>fire</b>" not in told and PAGE not in told
    assert PAGE in decider.get("/campaigns/").content.decode()
    assert decider.post(PAGE, {"verb": "stop", "why": WHY}).status_code == 409
    assert decider.post(PAGE, {"verb": "allow"}).status_code == 302
    assert "fire" not in reader.get("/campaigns/").content.decode()
    restored_elsewhere(where)
    assert "a copy" in reader.get("/campaigns/").content.decode()
    assert "Allow sending from this database" in decider.get(PAGE).content.decode()
