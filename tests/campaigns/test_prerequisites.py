"""Before the first campaign: what a person has, what they lack, and who can give it."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User, Workspace
from campaigns.prerequisites import prerequisites
from channels.models import ChannelConfiguration
from tests.builders import audience, configuration, draft, person, workspace


@pytest.fixture
def house(db: None) -> Workspace:
    return workspace()


def met(actor: User, house: Workspace) -> list[bool]:
    return [need.is_met for need in prerequisites(actor, house)]


def test_in_an_empty_workspace_a_manager_is_told_whom_to_ask(client: Client, house: Workspace) -> None:
    ana, priya = person(house, "manager", "ana"), person(house, "administrator", "priya")
    client.force_login(ana)
    page = client.get("/campaigns/start/").content.decode()
    assert met(ana, house) == [True, False, False]
    assert 'href="/audiences/new/"' in page
    assert 'href="/channels/new/"' not in page
    assert f'<a href="mailto:{priya.email}">Priya</a>' in page


def test_an_administrator_is_led_to_the_page_that_sets_a_channel_up(client: Client, house: Workspace) -> None:
    client.force_login(person(house, "administrator"))
    assert 'href="/channels/new/"' in client.get("/campaigns/start/").content.decode()


def test_what_is_there_is_named(client: Client, house: Workspace) -> None:
    ana = person(house, "manager", "ana")
    configuration(house, name="Fernhill main")
    for name in ("A", "B", "C", "D"):
        audience(house, name=name)
    client.force_login(ana)
    page = client.get("/campaigns/start/").content.decode()
    assert met(ana, house) == [True, True, True]
    assert "You may choose: Fernhill main" in page
    assert "You may choose: A · B · C …" in page


def test_a_configuration_that_is_not_active_does_not_count(house: Workspace) -> None:
    configuration(house, status=ChannelConfiguration.Status.DRAFT)
    assert met(person(house, "manager"), house)[2] is False


def test_a_viewer_lacks_the_right_and_is_told_who_gives_it(client: Client, house: Workspace) -> None:
    marcus, priya = person(house, "viewer", "marcus"), person(house, "administrator", "priya")
    client.force_login(marcus)
    page = client.get("/campaigns/start/").content.decode()
    assert met(marcus, house)[0] is False
    assert f"mailto:{priya.email}" in page
    assert "New campaign" not in page


def test_nothing_of_another_workspace_counts_or_is_named(client: Client, house: Workspace) -> None:
    other = workspace("elsewhere")
    configuration(other, name="Canary")
    audience(other, name="Canary")
    person(other, "administrator", "stranger")
    ana = person(house, "manager", "ana")
    client.force_login(ana)
    page = client.get("/campaigns/start/").content.decode()
    assert met(ana, house) == [True, False, False]
    assert "Canary" not in page
    assert "stranger" not in page


def test_the_campaigns_page_teaches_until_there_is_a_campaign(client: Client, house: Workspace) -> None:
    ana = person(house, "manager", "ana")
    client.force_login(ana)
    page = client.get("/campaigns/").content.decode()
    assert "The way of a campaign" in page
    assert 'aria-current="step"' in page
    draft(house, ana)
    assert "The way of a campaign" not in client.get("/campaigns/?status=all").content.decode()
