"""A real mail server takes and delivers what we send, and its own bounce takes an address off the road."""

from __future__ import annotations

import email
import os
from email import policy
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from audiences.models import Profile, Suppression
from campaigns.models import Attempt, Event
from campaigns.tracking import receipts
from tests import builders
from tests.fakes import postfix

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.slow,
    pytest.mark.skipif(
        postfix.POSTFIX is None or os.geteuid() != 0,
        reason="Postfix is not installed, or cannot be started: apt-get install postfix, run as root",
    ),
]
BOXES = {"ana@house.example": "ana", "@news.fernhill.example": "returned"}


def test_postfix_delivers_to_who_is_there_and_sends_back_what_it_cannot_deliver(tmp_path: Path) -> None:
    where = builders.workspace()
    for local in ("ana", "nobody-there"):
        Profile.objects.create(workspace=where, email=f"{local}@house.example", attributes={"name": local})
    with postfix.running(BOXES) as server:
        configuration = builders.smtp(where, server.port)
        configuration.settings["error_address"] = "bounces@news.fernhill.example"
        configuration.save()
        builders.live(where, now=timezone.now(), configuration=configuration)
        call_command("deliver")
        # It took both: that one of them has no mailbox shows later.
        assert list(Attempt.objects.values_list("outcome", flat=True)) == ["accepted", "accepted"]
        (arrived,) = server.mails("ana", 1)
        (returned,) = server.mails("returned", 1)
    mail = email.message_from_bytes(arrived, policy=policy.default)
    assert mail["From"].addresses[0].addr_spec == configuration.sender_email
    assert mail["Return-Path"].startswith("<bounces+")
    assert not any(part.defects for part in mail.walk())

    file = tmp_path / "bounce"
    file.write_bytes(returned)
    for _twice in range(2):
        call_command("read_bounce", str(file))
        receipts.apply(timezone.now())
    assert list(Suppression.objects.values_list("address", "reason")) == [
        ("nobody-there@house.example", "bounce")
    ]
    assert list(Event.objects.values_list("kind", flat=True)) == ["bounce"]
