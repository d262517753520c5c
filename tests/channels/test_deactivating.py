"""A configuration that running campaigns send by is not put out of use in passing: only by who is sure."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import AccessLabel, AuditEntry, Workspace
from campaigns import lifecycle
from campaigns.models import Campaign
from channels.models import ChannelConfiguration
from tests import builders
from tests.api import Caller
from tests.builders import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def running(where: Workspace) -> Campaign:
    return builders.live(where)


@pytest.fixture
def used(running: Campaign) -> ChannelConfiguration:
    return ChannelConfiguration.objects.get()


def test_on_its_page_who_deactivates_says_that_the_messages_shall_wait(
    client: Client, where: Workspace, running: Campaign, used: ChannelConfiguration
) -> None:
    client.force_login(builders.person(where, "administrator"))
    here = f"/channels/{used.pk}/"
    page = client.get(here).content.decode()
    assert "1 running campaign sends by it." in page
    assert page.count("deactivate/") == 1 and 'name="sure" required' in page
    refused = client.post(f"{here}deactivate/")
    assert refused.status_code == 409 and "Stop it first" in refused.content.decode()
    used.refresh_from_db()
    assert used.status == "active"
    assert not AuditEntry.objects.filter(verb="deactivate").exists()
    assert client.post(f"{here}deactivate/", {"sure": "on"}).status_code == 302
    used.refresh_from_db()
    assert used.status == "deactivated"
    assert AuditEntry.objects.get(verb="deactivate").details["held"] == 1


def test_by_rest_the_running_campaigns_are_named_unless_one_is_sure(
    where: Workspace, running: Campaign, used: ChannelConfiguration
) -> None:
    call, there = Caller(where, "administrator"), f"/api/channel-configurations/{used.pk}/deactivate/"
    for body in (None, {}, {"sure": False}):
        refused = call.post(there, body)
        assert (refused.status_code, refused.json()["code"]) == (409, "configuration_in_use")
        assert (refused.json()["state"], refused.json()["running"]) == ("active", [running.name])
    assert call.post(there, {"sure": "perhaps"}).status_code == 400
    assert call.post(there, {"force": True}).status_code == 400
    assert ChannelConfiguration.objects.get().status == "active"
    assert call.post(there, {"sure": True}).json()["status"] == "deactivated"


def test_a_campaign_that_the_caller_may_not_see_counts_and_is_not_named(
    where: Workspace, running: Campaign, used: ChannelConfiguration
) -> None:
    running.labels.add(AccessLabel.objects.create(workspace=where, name="Hidden"))
    call = Caller(where, "administrator")
    refused = call.post(f"/api/channel-configurations/{used.pk}/deactivate/", None)
    assert (refused.status_code, refused.json()["running"]) == (409, [])
    assert running.name not in refused.content.decode()


def test_a_draft_or_what_was_stopped_holds_up_nobody(
    where: Workspace, running: Campaign, used: ChannelConfiguration
) -> None:
    lifecycle.apply(running, "stop", actor=builders.person(where, "approver", "ann"), now=NOW)
    builders.draft(where, builders.person(where, "manager", "mo"), configuration=used)
    call = Caller(where, "administrator")
    answer = call.post(f"/api/channel-configurations/{used.pk}/deactivate/", None)
    assert answer.json()["status"] == "deactivated"
