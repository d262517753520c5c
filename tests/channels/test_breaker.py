"""The breaker: opens on trouble, lets one message try every half minute, closes when it was accepted."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from accounts.models import AuditEntry
from channels import breaker
from channels.messages import Fact, Fault, Outcome
from channels.models import Breaker, ChannelConfiguration
from tests import builders
from tests.builders import NOW

pytestmark = pytest.mark.django_db
FINE, AWAY = Outcome(Fact.ACCEPTED, "250"), Outcome(Fact.UNREACHABLE, "", "Connection refused")
LOCKED = Outcome(Fact.MISCONFIGURED, "535", "Authentication failed")
BLAMED = Outcome(Fact.REFUSED, "550 5.7.1", "Your address is blocked", fault=Fault.SENDER)
NOBODY = Outcome(Fact.REFUSED, "550 5.1.1", "User unknown", fault=Fault.ADDRESS)


@pytest.fixture
def configuration() -> ChannelConfiguration:
    return builders.configuration(builders.workspace())


def is_open(configuration: ChannelConfiguration) -> bool:
    return breaker.standing(configuration.pk).is_open


def tell(configuration: ChannelConfiguration, *said: Outcome, **more: Any) -> None:
    breaker.tell(configuration, said, now=NOW, **more)


def test_a_window_without_trouble_asks_nothing(configuration: Any, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        tell(configuration, FINE, NOBODY, Outcome(Fact.LATER, "451"), Outcome(Fact.UNCERTAIN))
    assert not Breaker.objects.exists()


@pytest.mark.parametrize(
    ("said", "opens"),
    [
        ([AWAY], True),
        ([AWAY, AWAY, AWAY], True),
        ([FINE, AWAY], False),  # one line broke; the others work
        ([FINE, LOCKED], True),
        ([BLAMED] * 9, False),
        ([BLAMED] * 10, True),
        ([BLAMED] * 10 + [FINE] * 10, False),
        ([NOBODY] * 50, False),
    ],
)
def test_it_opens_on_trouble_and_on_blame(configuration: Any, said: list[Outcome], opens: bool) -> None:
    tell(configuration, *said)
    assert is_open(configuration) is opens


def test_blame_adds_up_over_windows(configuration: ChannelConfiguration) -> None:
    for _window in range(4):
        tell(configuration, *[BLAMED] * 4, FINE)
    assert is_open(configuration)


def test_one_message_tries_every_half_minute_and_its_acceptance_closes(
    configuration: ChannelConfiguration,
) -> None:
    tell(configuration, AWAY)
    stands = breaker.standing(configuration.pk)
    assert 29 < stands.wait <= 30 and stands.reason == "Connection refused"
    assert not breaker.take_probe(configuration.pk)
    Breaker.objects.update(probe_at=Now())
    assert breaker.take_probe(configuration.pk) and not breaker.take_probe(configuration.pk)
    tell(configuration, LOCKED, is_probe=True)
    assert breaker.standing(configuration.pk).reason == "535 Authentication failed"
    Breaker.objects.update(probe_at=F("opened_at"))
    assert breaker.take_probe(configuration.pk)
    tell(configuration, FINE, is_probe=True)
    assert not is_open(configuration) and breaker.of(configuration) is None
    entries = AuditEntry.objects.filter(object_type="channels.channelconfiguration").order_by("pk")
    assert [entry.verb for entry in entries] == ["breaker_opened", "breaker_closed"]


def test_what_was_on_its_way_when_it_opened_does_not_close_it(configuration: ChannelConfiguration) -> None:
    tell(configuration, AWAY)
    tell(configuration, FINE)
    assert is_open(configuration)
