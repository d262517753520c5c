"""A marketing message as it arrives: what the large mailbox providers ask of bulk mail, on the bytes."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from datetime import timedelta
from email import policy
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import dkim as verifier
import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.models import Workspace
from audiences.models import Profile, SoftBounce, Suppression
from campaigns.models import Event
from campaigns.tracking import receipts, returned
from channels import domains, records, verp
from channels.models import ChannelConfiguration, SendingDomain
from tests import builders
from tests.channels.test_bounces import complaint, plain, report
from tests.fakes.relay import FakeRelay

pytestmark = pytest.mark.django_db
SETTINGS = {
    "error_address": "bounces@news.fernhill.example",
    "reply_to_template": "{{ profile.external_id }}@advisers.example",
    "bcc": "archive@fernhill.example",
    "mail_headers": "Feedback-ID: {{ campaign.id }}:winter:fernhill\nX-Gone: {{ profile.nothing }}",
    "url_parameters": "utm_source=fernhill\nutm_campaign={{ campaign.name }}\nx=9\n"
    "who={{ profile.external_id }}",
}


def faults_of_bulk_mail(raw: bytes, sender: str, zone: dict[bytes, bytes]) -> list[str]:
    """What Gmail's and Yahoo's rules for bulk senders would find wrong with a marketing message."""
    head, _gap, _body = raw.partition(b"\r\n\r\n")
    fields = re.split(rb"\r\n(?![ \t])", head)
    names = [field.partition(b":")[0].decode().lower() for field in fields]
    parsed = email.message_from_bytes(raw, policy=policy.default)
    signatures = [field.decode() for field in fields if field.lower().startswith(b"dkim-signature:")]
    covered = [re.sub(r"\s", "", one.partition("h=")[2].partition(";")[0]).lower() for one in signatures]
    home = sender.rpartition("@")[2]
    checks = {
        "a bare CR or LF": not re.search(rb"(?<!\r)\n|\r(?!\n)", raw),
        "a line of over 998 octets": max(map(len, raw.split(b"\r\n"))) <= 998,
        "a header that is not ASCII": head.isascii(),
        "once": all(names.count(one) == 1 for one in ("from", "to", "subject", "date", "message-id")),
        "one author": [one.addr_spec for one in parsed["From"].addresses] == [sender],
        "Message-ID of the domain": bool(
            re.fullmatch(rf"<[^@\s<>]+@{re.escape(home)}>", parsed["Message-ID"])
        ),
        "Date": parsedate_to_datetime(parsed["Date"]).tzinfo is not None,
        "one click": parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        and "<http" in parsed["List-Unsubscribe"],
        "signed by the author's domain": bool(signatures) and all(f"d={home};" in one for one in signatures),
        "leaving is signed": all(
            {"list-unsubscribe", "list-unsubscribe-post", "from", "subject", "date", "message-id"}
            <= set(one.split(":"))
            for one in covered
        ),
        "signatures hold": all(
            verifier.DKIM(raw).verify(idx=place, dnsfunc=lambda name, timeout=5: zone.get(bytes(name)))
            for place in range(len(signatures))
        ),
        "no defect": not any(part.defects for part in parsed.walk()),
        "text and HTML": [part.get_content_type() for part in parsed.walk()]
        == ["multipart/alternative", "text/plain", "text/html"],
        "a way to leave in the body": "/u/" in parsed.get_body(("html",)).get_content(),
    }
    return [what for what, is_well in checks.items() if not is_well]


@pytest.fixture
def relay() -> Iterator[FakeRelay]:
    with FakeRelay() as running:
        yield running


def signed_for(where: Workspace, name: str) -> dict[bytes, bytes]:
    """A sending domain whose keys DNS shows; returns that DNS."""
    domain = domains.add(workspace=where, name=name, actor=builders.SYSTEM, now=timezone.now())
    good = {"verdict": "good"}
    SendingDomain.objects.update(findings={"dkim_rsa": good, "dkim_ed25519": good})
    found = [one for one in records.expected(domain) if one.purpose.startswith("dkim")]
    return {f"{one.name}.".encode(): one.value.encode() for one in found}


def deliver(where: Workspace, relay: FakeRelay, **settings: Any) -> list[tuple[str, list[str], bytes]]:
    configuration = builders.smtp(where, relay.port)
    ChannelConfiguration.objects.update(settings={**configuration.settings, **settings})
    configuration.refresh_from_db()
    builders.live(where, now=timezone.now(), configuration=configuration)
    call_command("deliver")
    return relay.accepted


def test_a_marketing_message_passes_the_rules_for_bulk_senders_and_carries_what_was_set(
    relay: FakeRelay,
) -> None:
    where = builders.workspace()
    builders.profiles(where, 2)
    Profile.objects.filter(email__startswith="p0").update(external_id="ana")
    zone = signed_for(where, "fernhill.example")
    arrived = deliver(where, relay, **SETTINGS)
    assert len(arrived) == 2
    for _sender, _recipients, raw in arrived:
        assert faults_of_bulk_mail(raw, "hello@fernhill.example", zone) == []
    sender, recipients, raw = next(one for one in arrived if one[1][0].startswith("p0@"))
    mail = email.message_from_bytes(raw, policy=policy.default)
    assert recipients == ["p0@example.com", "archive@fernhill.example"]
    assert b"archive@" not in raw
    assert mail["Reply-To"] == "ana@advisers.example"
    assert mail["Feedback-ID"].endswith(":winter:fernhill")
    assert mail["X-Gone"] is None
    named = verp.first_of([sender])
    assert named is not None
    assert named == verp.read(mail["X-Carillon-Message"])
    assert (named.purpose, f"<{named.key}@fernhill.example>") == (verp.BOUNCE, mail["Message-ID"])
    leave = verp.first_of([mail["List-Unsubscribe"]])
    assert leave == (verp.LEAVE, named.key)
    click = re.search(r'href="http://[^/]+(/t/c/[^"]+)"', mail.get_body(("html",)).get_content())
    assert click is not None
    where_to = Client().get(click.group(1)).headers["Location"]
    assert where_to == (
        "https://shop.example/a?x=1&y=2&utm_source=fernhill&utm_campaign=Winter+layers&who=ana"
    )


def test_both_ways_to_leave_can_be_left_out(relay: FakeRelay) -> None:
    where = builders.workspace()
    builders.profiles(where, 1)
    (_sender, _recipients, raw), *_more = deliver(
        where, relay, error_address="b@fernhill.example", without_one_click=True
    )
    mail = email.message_from_bytes(raw, policy=policy.default)
    assert mail["List-Unsubscribe"].startswith("<mailto:b+")
    assert mail["List-Unsubscribe-Post"] is None
    assert mail["Reply-To"] is None


def test_what_comes_back_by_mail_suppresses_or_lets_people_leave(relay: FakeRelay, tmp_path: Path) -> None:
    where = builders.workspace()
    people = builders.profiles(where, 3)
    arrived = {to[0]: (sender, raw) for sender, to, raw in deliver(where, relay, **SETTINGS)}
    gone, angry, leaving = (person.email for person in people)
    mail = tmp_path / "mail"

    def bring(octets: bytes, recipient: str = "") -> None:
        mail.write_bytes(octets)
        for _twice in range(2):
            call_command("read_bounce", str(mail), recipient=recipient)
            receipts.apply(timezone.now())

    bring(report("5.7.1", "failed", "550 5.7.1 Blocked", to=arrived[leaving][0]))
    assert Suppression.objects.count() == 0
    bring(report("5.1.1", "failed", "550 5.1.1 User unknown", to=arrived[gone][0]))
    token = email.message_from_bytes(arrived[angry][1])["X-Carillon-Message"]
    bring(complaint(headers=f"Subject: News\nX-Carillon-Message: {token}\n"))
    assert sorted(Suppression.objects.values_list("address", "reason")) == sorted(
        [(gone, "bounce"), (angry, "complaint")]
    )
    ways = email.message_from_bytes(arrived[leaving][1])["List-Unsubscribe"]
    bring(
        plain("unsubscribe", "", to="list"), re.sub(r"\s", "", ways).partition("mailto:")[2].partition("?")[0]
    )
    by_kind = Event.objects.order_by("kind").values_list("kind", flat=True)
    # Blocked and gone are bounces both; only one of them is held against an address.
    assert list(by_kind) == ["bounce", "bounce", "complaint", "unsubscribe"]


def test_a_mailbox_that_is_full_again_and_again_is_suppressed_but_not_at_once(
    relay: FakeRelay,
) -> None:
    where = builders.workspace()
    full = builders.profiles(where, 2)[0].email
    arrived = {to[0]: sender for sender, to, _raw in deliver(where, relay, soft_bounces=3, **SETTINGS)}
    begun = timezone.now()

    def bounce(number: int, hours: int) -> None:
        octets = report("5.2.2", "failed", "552 5.2.2 Mailbox full", to=arrived[full])
        returned.take(octets.replace(b"<r1@", b"<r%d@" % number), now=begun + timedelta(hours=hours))
        receipts.apply(begun + timedelta(hours=hours))

    bounce(1, 0)
    bounce(2, 1)  # of another campaign, within a day: counts once
    bounce(3, 25)
    assert [len(row.times) for row in SoftBounce.objects.all()] == [2]
    assert Suppression.objects.count() == 0
    bounce(4, 49)
    assert list(Suppression.objects.values_list("address", "reason")) == [(full, "soft bounce")]
    assert SoftBounce.objects.count() == 0
