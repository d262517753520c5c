"""Hostile senders are refused at the page and by REST; hostile bodies leave as one message or not at all."""

from __future__ import annotations

import email
import re
from email import policy
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.models import Workspace
from audiences.models import AttributeDefinition, Profile
from channels.models import ChannelConfiguration
from tests import builders
from tests.api import Caller, pointers
from tests.fakes.relay import FakeRelay

pytestmark = pytest.mark.django_db
HERE = Path(__file__).parent
SENDERS = yaml.safe_load((HERE / "senders.yaml").read_text())
BODIES = yaml.safe_load((HERE / "bodies.yaml").read_text())
CAMEL = {"sender_email": "senderEmail", "reply_to": "replyTo", "sender_name": "senderName"}
GOOD = {"name": "Main", "sender_name": "Fernhill", "sender_email": "hello@fernhill.example", "reply_to": ""}


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.mark.sampled(5)
@pytest.mark.parametrize("row", SENDERS, ids=[row["id"] for row in SENDERS])
def test_a_hostile_sender_is_refused_beside_its_field(
    row: dict[str, str], client: Client, where: Workspace
) -> None:
    given = {**GOOD, row["field"]: row["text"]}
    client.force_login(builders.person(where, "administrator"))
    server = {"provider-host": "127.0.0.1", "provider-port": "25", "provider-tls": "none"}
    page = client.post("/channels/new/?provider=smtp", {"kind": "marketing", **given, **server})
    assert page.status_code == 400
    assert re.search(rf'name="{row["field"]}"[^>]*aria-invalid="true"', page.content.decode())
    body = {CAMEL.get(name, name): value for name, value in given.items()}
    settings = {"host": "127.0.0.1", "port": 25, "tls": "none"}
    told = Caller(where, "administrator").post(
        "/api/channel-configurations/", {**body, "provider": "smtp", "settings": settings}
    )
    assert told.status_code in (400, 422)
    assert [pointer for _code, pointer in pointers(told)] == [f"/{CAMEL[row['field']]}"]
    assert not ChannelConfiguration.objects.exists()


def test_a_long_body_and_every_smuggled_ending_leave_as_one_message(where: Workspace) -> None:
    """All rows over one run, one person each, through the real door to the real socket."""
    AttributeDefinition.objects.create(workspace=where, key="story")
    builders.profiles(where, len(BODIES))
    bodies = {f"p{place}@example.com": _text(row) for place, row in enumerate(BODIES)}
    with FakeRelay() as relay:
        configuration = builders.smtp(where, relay.port)
        for address, text in bodies.items():
            _hold(where, address, text)
        text = "{{ profile.story }}\n{{ unsubscribe_url }}"
        builders.live(where, now=timezone.now(), configuration=configuration, text=text)
        call_command("deliver")
    assert sorted(recipients[0] for _sender, recipients, _raw in relay.accepted) == sorted(bodies)
    for sender, recipients, raw in relay.accepted:
        assert (len(recipients), "e@x.tw" in sender) == (1, False)
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
        assert max(map(len, raw.split(b"\r\n"))) <= 998
        mail = email.message_from_bytes(raw, policy=policy.default)
        part = mail.get_body(("plain",))
        assert part is not None
        shown = part.get_content()
        assert shown.split()[:1] == bodies[recipients[0]].replace("\0", "").split()[:1]


def _text(row: dict[str, Any]) -> str:
    return str(row.get("text") or "x" * row["long"])


def _hold(where: Workspace, address: str, text: str) -> None:
    # What PostgreSQL itself refuses cannot come in at any door.
    attributes = {"story": text.replace("\0", "")}
    assert Profile.objects.filter(workspace=where, email=address).update(attributes=attributes)
