"""Calls to an audience, wire-compatible: now, at a time, told, cancelled, and clear about what is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from audiences.models import Audience
from campaigns.delivery import clock, limits
from campaigns.models import Campaign, Execution, Message, Run, Status
from campaigns.reports.metrics import ledger, reasons
from channels.models import Pace
from channels.pacing import MARGIN
from tests import builders
from tests.api import Caller
from tests.campaigns.test_gate import SLACK, database_clock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
URL = "/ajo/im/executions/audience"


@pytest.fixture
def campaign() -> Campaign:
    where = builders.workspace()
    builders.profiles(where, 3)
    return builders.live(
        where,
        now=timezone.now(),
        type="api_triggered",
        category="transactional",
        subject="Storm at {{ context.place }}",
        html="<p>{{ profile.name }}: {{ context.place }}</p>",
    )


@pytest.fixture
def everybody(campaign: Campaign) -> Audience:
    return builders.audience(campaign.workspace)


def body(campaign: Campaign, chosen: Audience, **changes: Any) -> dict[str, Any]:
    named = {"campaignId": str(campaign.pk), "requestId": "a-1", "audience": {"id": str(chosen.pk)}}
    return {**named, "context": {"place": "林口"}, **changes}


def test_a_call_reaches_its_audience_and_tells_how_far_it_is(
    campaign: Campaign, everybody: Audience, settings
) -> None:
    call = Caller(campaign.workspace, "approver")
    made = call.post(URL, body(campaign, everybody)).json()
    status = f"{URL}/{made['executionId']}"
    assert call.get(status).json()["status"] == "InProgress"
    call_command("deliver")
    told = call.get(status).json()
    assert (told["status"], told["targetedProfileCount"]) == ("Succeeded", 3)
    assert told["audienceId"] == str(everybody.pk)
    assert (settings.VAR / "sandbox.log").read_text().count("Storm at 林口") == 3
    campaign.refresh_from_db()
    assert campaign.status == Status.LIVE


def test_the_same_call_again_is_the_same_run(campaign: Campaign, everybody: Audience) -> None:
    call = Caller(campaign.workspace, "approver")
    first, second = (call.post(URL, body(campaign, everybody)).json() for _ in range(2))
    assert first["executionId"] == second["executionId"]
    assert second["deduplicated"] is True
    assert Run.objects.filter(kind="audience").count() == 1
    assert call.post(URL, body(campaign, everybody, context={"place": "x"})).status_code == 409


def test_a_call_for_later_waits_runs_once_and_is_told(campaign: Campaign, everybody: Audience) -> None:
    call = Caller(campaign.workspace, "approver")
    later = timezone.now() + timedelta(hours=2)
    asked = body(campaign, everybody, schedule={"executeAt": later.isoformat()})
    made = call.post(URL, asked).json()
    assert (made["scheduleStatus"], made["executionDetails"]) == ("Scheduled", None)
    same_time = call.post(URL, {**asked, "requestId": "a-2"}).json()
    assert same_time["scheduleId"] != made["scheduleId"]
    call_command("deliver")
    assert not Message.objects.exists()
    with time_machine.travel(later + timedelta(seconds=5), tick=False):
        assert len(clock.start_due_runs(now=timezone.now())) == 2
        call_command("deliver")
        told = call.get(f"/ajo/im/executions/schedules/{made['scheduleId']}").json()
    assert told["scheduleStatus"] == "Triggered"
    assert told["executionDetails"]["status"] == "Succeeded"
    run = Execution.objects.get(pk=made["scheduleId"]).run
    assert ledger(run).accepted == 3


def test_a_call_for_later_is_cancelled_before_its_time_only(campaign: Campaign, everybody: Audience) -> None:
    call = Caller(campaign.workspace, "approver")
    later = timezone.now() + timedelta(hours=2)
    made = call.post(URL, body(campaign, everybody, schedule={"executeAt": later.isoformat()})).json()
    address = f"/ajo/im/executions/schedules/{made['scheduleId']}"
    assert Caller(campaign.workspace, "manager").delete(address).status_code == 403
    assert call.delete(address).json() == {}
    assert call.delete(address).json()["code"] == "not_scheduled"
    assert call.get(address).json()["scheduleStatus"] == "Cancelled"
    with time_machine.travel(later + timedelta(seconds=5), tick=False):
        assert clock.start_due_runs(now=timezone.now()) == []
    assert not Message.objects.exists()


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"audience": {"id": "x"}}, "bad_audience_id", "/audience/id"),
        ({"audience": {}}, "bad_audience_id", "/audience/id"),
        ({"audience": 5}, "not_an_object", "/audience"),
        ({"context": {}}, "context_missing", "/context/place"),
        ({"context": {"system": 1}}, "reserved_name", "/context/system"),
        ({"schedule": {"executeAt": "2030-01-01T00:00:00"}}, "bad_execute_at", "/schedule/executeAt"),
        ({"schedule": {"executeAt": "2026-02-30T00:00:00Z"}}, "bad_execute_at", "/schedule/executeAt"),
        ({"schedule": {"executeAt": "0001-01-01T00:00:00+14:00"}}, "bad_execute_at", "/schedule/executeAt"),
        ({"schedule": {"executeAt": "2001-01-01T00:00:00Z"}}, "bad_execute_at", "/schedule/executeAt"),
        ({"schedule": {"at": "x"}}, "unknown_field", "/schedule/at"),
        ({"requestId": ""}, "bad_text", "/requestId"),
    ],
)
def test_a_wrong_call_is_told_what_and_where(
    campaign: Campaign, everybody: Audience, changes: dict[str, Any], code: str, pointer: str
) -> None:
    answer = Caller(campaign.workspace, "approver").post(URL, body(campaign, everybody, **changes))
    assert answer.status_code == 400
    faults = [(one["code"], one["pointer"]) for one in answer.json()["errors"]]
    assert (code, pointer) in faults
    assert not Execution.objects.exists()


def test_a_draft_audience_one_of_elsewhere_and_none_at_all_are_refused(
    campaign: Campaign, everybody: Audience
) -> None:
    call = Caller(campaign.workspace, "approver")
    Audience.objects.filter(pk=everybody.pk).update(state="draft")
    assert call.post(URL, body(campaign, everybody)).json()["code"] == "audience_not_published"
    foreign = builders.audience(builders.workspace("other"))
    assert call.post(URL, body(campaign, foreign)).status_code == 404
    without = body(campaign, everybody)
    del without["audience"]
    assert call.post(URL, without).json()["code"] == "audience_missing"
    assert not Run.objects.filter(kind="audience").exists()


@pytest.mark.django_db(transaction=True)
def test_the_delivery_rate_holds_for_the_audience_of_a_call_and_its_twelve_hours_do_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each message has a moment of its own, however slow the machine; who has none in time is left out."""
    where, rate, people = builders.workspace(), 20, 20
    builders.profiles(where, people)
    chosen = builders.audience(where)
    manager, approver = Caller(where, "manager"), Caller(where, "approver")
    made = builders.draft(where, builders.person(where, "manager"), type="api_triggered", audience=None)
    address = f"/api/campaigns/{made.pk}/"
    assert manager.patch(address, {"rate": 2001}).json()["errors"][0]["pointer"] == "/rate"
    assert manager.patch(address, {"rate": rate}).json()["rate"] == rate
    made.refresh_from_db()
    builders.lifecycle.apply(
        made, "activate", actor=builders.person(where, "approver", "ann"), now=timezone.now()
    )
    begun = database_clock()
    approver.post(URL, body(made, chosen))
    call_command("deliver")
    run = Run.objects.get(kind="audience")
    assert ledger(run).accepted == people
    assert Pace.objects.get(key=f"r{run.pk}").free_at - begun >= people * MARGIN / rate - SLACK
    monkeypatch.setattr(limits, "LONGEST_RUN", timedelta(0))
    approver.post(URL, body(made, chosen, requestId="a-2"))
    call_command("deliver")
    late = Run.objects.filter(kind="audience").latest("pk")
    assert (ledger(late).accepted, late.state) == (0, "completed")
    assert {code: n for code, _label, n in reasons(late, "excluded")} == {"not_reached": people}
