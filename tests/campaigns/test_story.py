"""One message's whole story, on its page and over REST: what was tried, what came back, what it says."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from campaigns.models import Campaign, Event, Message
from tests import builders
from tests.api import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]


@pytest.fixture
def campaign() -> Campaign:
    where = builders.workspace()
    builders.profiles(where, 2)
    return builders.live(
        where,
        now=timezone.now(),
        type="api_triggered",
        category="transactional",
        subject="Reset {{ context.code }}",
        html="<p>{{ profile.name }} <a href='https://shop.example/a'>Go</a></p>",
    )


def send(campaign: Campaign) -> dict[str, Any]:
    people = [
        {"type": "aep", "userId": f"p{n}@example.com", "namespace": "email", "context": {"code": f"<{n}>"}}
        for n in range(2)
    ]
    people.append({**people[0], "userId": "refuse+x@example.com", "context": {"code": "3"}})
    Campaign.objects.filter(pk=campaign.pk).update(create_profiles=True)
    asked = {"requestId": "r-1", "campaignId": str(campaign.pk), "recipients": people}
    answer = Caller(campaign.workspace, "approver").post("/ajo/im/executions/unitary", asked).json()
    call_command("deliver")
    return dict(answer)


def test_an_execution_tells_what_became_of_each_message(campaign: Campaign) -> None:
    call = Caller(campaign.workspace, "approver")
    made = send(campaign)
    told = call.get(f"/ajo/im/executions/{made['executionId']}").json()
    assert [one["state"] for one in told["messages"]] == ["accepted", "accepted", "failed"]
    assert [one["subject"] for one in told["messages"]] == ["Reset <0>", "Reset <1>", "Reset 3"]
    refused = told["messages"][2]["attempts"][0]
    assert (refused["code"], refused["outcome"]) == ("550 5.1.1", "failed")
    assert told["messages"][0]["attempts"][0]["providerId"].startswith("sandbox-")


def test_a_message_tells_its_events_and_their_links(campaign: Campaign) -> None:
    send(campaign)
    first = Message.objects.order_by("ref")[0]
    key = {"run": first.run, "action": 0, "ref": first.ref}
    Event.objects.create(**key, kind="click", at=timezone.now(), link=0, user_agent="<b>Mail</b>")
    Event.objects.create(**key, kind="bounce", at=timezone.now())
    address = f"{first.run_id}.0.{first.ref}"
    told = Caller(campaign.workspace, "viewer").get(f"/ajo/im/messages/{address}").json()
    assert told["state"] == "bounced"
    assert [one["url"] for one in told["events"]] == ["https://shop.example/a", None]

    client = Client()
    client.force_login(builders.person(campaign.workspace, "viewer"))
    page = client.get(f"/campaigns/messages/{address}/").content.decode()
    assert "https://shop.example/a" in page
    assert "&lt;b&gt;Mail" in page
    assert "Bounced" in page
    body = client.get(f"/campaigns/messages/{address}/body/")
    assert "<a href='https://shop.example/a'>" in body.content.decode()  # the page, not its text version
    assert "Ann 0" in body.content.decode()
    assert body.headers["Content-Security-Policy"].startswith("sandbox")


@pytest.mark.parametrize("key", ["1", "x.y.z", "0.0.0", "9" * 9 + ".0.1", "1.0.-1", "%00"])
def test_a_name_that_is_no_messages_is_not_found(campaign: Campaign, key: str) -> None:
    assert Caller(campaign.workspace, "viewer").get(f"/ajo/im/messages/{key}").status_code == 404


def test_another_workspace_sees_neither_call_nor_message(campaign: Campaign) -> None:
    made = send(campaign)
    call = Caller(builders.workspace("other"), "administrator")
    first = Message.objects.order_by("ref")[0]
    assert call.get(f"/ajo/im/executions/{made['executionId']}").status_code == 404
    assert call.get(f"/ajo/im/messages/{first.run_id}.0.{first.ref}").status_code == 404
