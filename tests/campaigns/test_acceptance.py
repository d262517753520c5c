"""The acceptance checks 10 to 13 of the reference catalogue, each by the front door."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from accounts.models import User
from audiences.models import Audience, Profile
from campaigns import lifecycle
from campaigns.delivery import clock
from campaigns.models import Attempt, Campaign, Execution, Message, Run
from tests import builders
from tests.api import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
UNITARY, TO_AUDIENCE = "/ajo/im/executions/unitary", "/ajo/im/executions/audience"
SCHEDULES = "/ajo/im/executions/schedules"


@pytest.fixture
def campaign() -> Campaign:
    where = builders.workspace()
    builders.profiles(where, 25)
    triggered = {"type": "api_triggered", "category": "transactional", "html": "<p>Hello</p>"}
    return builders.live(where, now=timezone.now(), **triggered)


@pytest.fixture
def call(campaign: Campaign) -> Caller:
    return Caller(campaign.workspace, "approver")


def recipient(number: int = 0, **changes: Any) -> dict[str, Any]:
    return {"type": "aep", "userId": f"p{number}@example.com", "namespace": "email", **changes}


def body(campaign: Campaign, *recipients: dict[str, Any], request_id: str = "r-1") -> dict[str, Any]:
    people = list(recipients) or [recipient()]
    return {"requestId": request_id, "campaignId": str(campaign.pk), "recipients": people}


@pytest.mark.parametrize(
    ("people", "status"),
    [
        ([recipient(number) for number in range(20)], 202),
        ([recipient(number) for number in range(21)], 400),
        ([recipient(0), recipient(0)], 400),
    ],
)
def test_check_10_how_many_and_each_once(
    campaign: Campaign, call: Caller, people: list[dict[str, Any]], status: int
) -> None:
    assert call.post(UNITARY, body(campaign, *people)).status_code == status
    assert Message.objects.count() == (len(people) if status == 202 else 0)


@pytest.mark.parametrize(("starts", "ends"), [(1, None), (None, -1)])
def test_check_10_outside_its_window(
    campaign: Campaign, call: Caller, starts: int | None, ends: int | None
) -> None:
    now = timezone.now()
    Campaign.objects.filter(pk=campaign.pk).update(
        starts_at=now + timedelta(days=starts) if starts else None,
        ends_at=now + timedelta(days=ends) if ends else None,
    )
    assert call.post(UNITARY, body(campaign)).status_code == 400
    assert not Message.objects.exists()


def test_check_10_unknown_recipients(campaign: Campaign, call: Caller) -> None:
    stranger = body(campaign, recipient(userId="new@example.com"))
    assert call.post(UNITARY, stranger).status_code == 400
    assert not Profile.objects.filter(email="new@example.com").exists()
    author = User.objects.get(email=f"manager@{campaign.workspace.slug}.example")
    second = builders.draft(
        campaign.workspace, author, type="api_triggered", category="transactional", create_profiles=True
    )
    approver = User.objects.get(email=f"approver@{campaign.workspace.slug}.example")
    lifecycle.apply(second, "activate", actor=approver, now=timezone.now())
    assert call.post(UNITARY, {**stranger, "campaignId": str(second.pk)}).status_code == 202
    assert Profile.objects.filter(email="new@example.com").exists()


def test_check_10_states_and_tokens(campaign: Campaign, call: Caller) -> None:
    author = User.objects.get(email=f"manager@{campaign.workspace.slug}.example")
    draft = builders.draft(campaign.workspace, author, type="api_triggered", category="transactional")
    assert call.post(UNITARY, body(draft)).status_code == 400
    approver = User.objects.get(email=f"approver@{campaign.workspace.slug}.example")
    lifecycle.apply(campaign, "stop", actor=approver, now=timezone.now())
    assert call.post(UNITARY, body(campaign)).status_code == 400
    call.headers = {"Authorization": "Bearer car_0123456789ab.wrong"}
    assert call.post(UNITARY, body(campaign)).status_code == 401
    assert not Message.objects.exists()


def test_check_11_the_same_request_id_twice_is_one_message(campaign: Campaign, call: Caller) -> None:
    first, second = (call.post(UNITARY, body(campaign)).json() for _time in range(2))
    assert first["executionId"] == second["executionId"]
    call_command("deliver")
    assert (Message.objects.count(), Attempt.objects.filter(outcome="accepted").count()) == (1, 1)


@pytest.mark.parametrize("context", [{"text": "x" * 201 * 1024}, {"system": 1}])
def test_check_12_too_large_or_reserved(campaign: Campaign, call: Caller, context: dict[str, Any]) -> None:
    assert call.post(UNITARY, body(campaign, recipient(context=context))).status_code == 400
    assert not Message.objects.exists()


def test_check_13_a_call_for_later_is_cancelled_or_triggered(campaign: Campaign, call: Caller) -> None:
    everybody: Audience = builders.audience(campaign.workspace)
    now = timezone.now()
    later = (now + timedelta(hours=2)).isoformat()
    given = {
        "campaignId": str(campaign.pk),
        "audience": {"id": str(everybody.pk)},
        "schedule": {"executeAt": later},
    }
    one, two = (call.post(TO_AUDIENCE, {**given, "requestId": name}).json() for name in ("a", "b"))
    assert call.get(f"{SCHEDULES}/{one['scheduleId']}").json()["scheduleStatus"] == "Scheduled"
    assert call.delete(f"{SCHEDULES}/{one['scheduleId']}").status_code == 200
    with time_machine.travel(now + timedelta(hours=3), tick=False):
        clock.start_due_runs(now=timezone.now())
        call_command("deliver")
        told = call.get(f"{SCHEDULES}/{two['scheduleId']}").json()
    assert (told["scheduleStatus"], told["executionDetails"]["status"]) == ("Triggered", "Succeeded")
    cancelled, triggered = (Execution.objects.get(pk=made["scheduleId"]).run for made in (one, two))
    assert (cancelled.state, cancelled.messages.count()) == (Run.State.STOPPED, 0)
    assert triggered.messages.count() == 25
