"""Transactional mail to addresses that are suppressed for a complaint: only where somebody asked for it."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.models import Workspace
from audiences import consent, suppression
from audiences.models import Suppression
from campaigns.delivery import clock, fanout
from campaigns.models import Attempt, Message, Run
from channels.models import ChannelConfiguration
from tests import builders
from tests.api import Caller, pointers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]


def suppressed(where: Workspace, address: str, reason: str) -> None:
    suppression.suppress(
        workspace_id=where.pk, channel="email", address=address, reason=reason, now=timezone.now()
    )


def world(kind: str, *, is_asked: bool) -> tuple[Workspace, ChannelConfiguration]:
    """p0 complained, p1 bounced, p2 unsubscribed, p3 did nothing; p4 complained and their domain is held."""
    where = builders.workspace()
    people = builders.profiles(where, 4)
    builders.profiles(where, 1, domain="held.example")
    for address, reason in (
        ("p0@example.com", "complaint"), ("p1@example.com", "bounce"), ("p0@held.example", "complaint"),
    ):  # fmt: skip
        suppressed(where, address, reason)
    Suppression.objects.create(workspace=where, channel="email", kind="domain", address="@held.example",
                               reason="manual", at=timezone.now())  # fmt: skip
    consent.withdraw(profile_id=people[2].pk, channel="email", source="test", now=timezone.now())
    chosen = {"to_complainers": True} if is_asked else {}
    return where, builders.configuration(where, kind=kind, settings=chosen)


@pytest.mark.parametrize(
    ("kind", "is_asked", "expected"),
    [
        ("transactional", False, {"p2@example.com", "p3@example.com"}),
        ("transactional", True, {"p0@example.com", "p2@example.com", "p3@example.com"}),
        ("marketing", True, {"p3@example.com"}),  # however the setting came there
    ],
)
def test_who_complained_gets_transactional_mail_only_when_asked_for(
    kind: str, is_asked: bool, expected: set[str]
) -> None:
    where, configuration = world(kind, is_asked=is_asked)
    builders.live(where, now=timezone.now(), category=kind, configuration=configuration)
    call_command("deliver")
    got = Attempt.objects.filter(outcome="accepted").values_list("ref", flat=True)
    assert set(Message.objects.filter(ref__in=got).values_list("address", flat=True)) == expected


@pytest.mark.parametrize(("kind", "expected"), [("transactional", 4), ("marketing", 3)])
def test_who_complains_between_fan_out_and_sending_is_looked_at_in_the_same_way(
    kind: str, expected: int
) -> None:
    where = builders.workspace()
    builders.profiles(where, 4)
    configuration = builders.configuration(where, kind=kind, settings={"to_complainers": True})
    made = builders.live(where, now=timezone.now(), category=kind, configuration=configuration)
    clock.start_due_runs(now=timezone.now())
    run = Run.objects.get(campaign=made)
    fanout.expand(run.pk, now=timezone.now())
    suppressed(where, "p1@example.com", "complaint")
    call_command("deliver")
    assert Attempt.objects.filter(run=run, outcome="accepted").count() == expected


def test_a_marketing_configuration_cannot_ask_for_it_on_the_page_nor_by_rest(client: Client) -> None:
    where = builders.workspace()
    call = Caller(where, "administrator")
    settings = {"host": "mail.fernhill.example", "port": 25, "tls": "none", "to_complainers": True}
    body = {"name": "M", "provider": "smtp", "senderEmail": "a@fernhill.example", "settings": settings}
    answer = call.post("/api/channel-configurations/", {**body, "kind": "marketing"})
    assert pointers(answer) == [("marketing_to_complainers", "/settings/to_complainers")]
    client.force_login(builders.person(where, "administrator"))
    form = {"name": "M", "kind": "marketing", "sender_name": "F", "sender_email": "a@fernhill.example",
            "actions": ""}  # fmt: skip
    form |= {f"provider-{name}": str(value) for name, value in settings.items()}
    page = client.post("/channels/new/?provider=smtp", form)
    assert "Marketing never goes to people who complained." in page.content.decode()
    assert not ChannelConfiguration.objects.exists()
    answer = call.post("/api/channel-configurations/", {**body, "kind": "transactional"})
    assert answer.json()["settings"]["to_complainers"] is True
