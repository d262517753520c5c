"""A comment under a label names somebody who lacks it: no bell, no mail and no page tells them."""

from __future__ import annotations

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts import notices, outbox
from accounts.models import AccessLabel, Notification, Role, User, Workspace
from campaigns import shelf
from campaigns.models import Campaign
from tests import builders
from tests.api import Caller

pytestmark = pytest.mark.django_db
SECRET = "Zqsecret"  # in the campaign's name and in what is said of it


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def ana(where: Workspace) -> User:
    return builders.person(where, "administrator", "ana")


@pytest.fixture
def vic(where: Workspace) -> User:
    return builders.person(where, "viewer", "vic")


def signed_in(person: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(person)
    return client


def put_under_a_label(campaign: Campaign, actor: User) -> None:
    label = AccessLabel.objects.create(workspace=campaign.workspace, name="Board")
    label.roles.add(Role.objects.get(workspace=campaign.workspace, builtin="administrator"))
    shelf.set_labels(campaign, [label], actor=actor, now=timezone.now())


def say(person: User, campaign: Campaign, whom: User) -> None:
    said = {"text": f"{SECRET} plan, @{whom.name} and @{whom.email}"}
    assert signed_in(person).post(f"/campaigns/{campaign.pk}/comment/", said).status_code == 302
    assert campaign.comments.filter(text=said["text"]).exists()


def assert_hears_nothing(vic: User, campaign: Campaign) -> None:
    outbox.send_due(now=timezone.now())
    assert [one for one in mail.outbox if vic.email in one.to] == []
    client = signed_in(vic)
    pages = ["/", "/accounts/notices/", "/campaigns/", f"/campaigns/?search={SECRET}", "/campaigns/calendar/"]
    for page in (*pages, f"/campaigns/search/?q={SECRET}"):
        answer = client.get(page)
        assert answer.status_code == 200, page
        assert f"{SECRET} winter" not in answer.content.decode(), page
        assert f"{SECRET} plan" not in answer.content.decode(), page
    assert client.get(f"/campaigns/{campaign.pk}/").status_code == 404
    call = Caller(campaign.workspace, "viewer")
    assert call.get(f"/api/campaigns/{campaign.pk}/comments/").status_code == 404
    assert call.get(f"/api/campaigns/?search={SECRET}").json()["results"] == []


def test_who_lacks_the_label_is_not_told(where: Workspace, ana: User, vic: User) -> None:
    campaign = builders.draft(where, ana, name=f"{SECRET} winter")
    put_under_a_label(campaign, ana)
    bo = builders.person(where, "administrator", "bo")
    say(ana, campaign, vic)
    assert not Notification.objects.filter(user=vic).exists()
    assert_hears_nothing(vic, campaign)
    say(ana, campaign, bo)
    outbox.send_due(now=timezone.now())
    assert [one.to for one in mail.outbox] == [[bo.email]]


def test_what_was_told_before_the_label_came_is_read_and_mailed_no_more(
    where: Workspace, ana: User, vic: User
) -> None:
    campaign = builders.draft(where, ana, name=f"{SECRET} winter")
    say(ana, campaign, vic)
    assert f"{SECRET} winter" in signed_in(vic).get("/accounts/notices/").content.decode()
    put_under_a_label(campaign, ana)
    assert_hears_nothing(vic, campaign)
    assert notices.unread_count(vic) == 0
    note = Notification.objects.get(user=vic)
    read = signed_in(vic).post(f"/accounts/notices/{note.pk}/read/")
    assert read.headers["Location"] == "/accounts/notices/"
