"""Every hostile way of writing a tracked link leads where it always led, or nowhere and writes nothing."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
import yaml
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiences.models import Consent
from campaigns.models import Event, Message, Run
from campaigns.reports.metrics import engagement
from campaigns.tracking import floods, tokens
from campaigns.tracking.links import number_links
from campaigns.tracking.tokens import MessageKey
from tests import builders

pytestmark = pytest.mark.django_db
ROWS = yaml.safe_load((Path(__file__).parent / "tokens.yaml").read_text())
SHOP = "https://shop.example/a?x=1&y=2"
METHODS = ("options", "put", "patch", "delete", "trace")


class Cut(str):
    """A text whose format takes a length, also from behind: `{token:.-1}`."""

    def __format__(self, how: str) -> str:
        return str(self)[: int(how[1:])] if how else str(self)


@pytest.fixture
def message() -> Message:
    where = builders.workspace()
    profile = builders.profiles(where, 1)[0]
    run = Run.objects.get(campaign=builders.live(where, now=timezone.now()))
    return Message.objects.create(run=run, action=0, ref=profile.pk, profile=profile, address=profile.email)


def key(message: Message) -> MessageKey:
    return MessageKey(message.run_id, message.action, message.ref)


def flipped(token: str) -> str:
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[12] ^= 1
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def parts(message: Message) -> dict[str, Any]:
    token = tokens.sign(tokens.CLICK, key(message))
    return {
        "token": Cut(token),
        "number": 0,
        "sealed": tokens.seal(SHOP),
        "flipped": flipped(token),
        "upper": token.upper(),
        "encoded": "".join(f"%{ord(letter):02X}" for letter in token),
        "long": "A" * 9000,
        "opened": tokens.sign(tokens.OPEN, key(message)),
        "left": tokens.sign(tokens.UNSUBSCRIBE, key(message)),
    }


@pytest.mark.sampled(5)
@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_a_link_leads_where_it_always_led_or_nowhere(
    row: dict[str, Any], message: Message, client: Client
) -> None:
    answer = client.get(row["given"].format(**parts(message)))
    assert answer.status_code == row["status"]
    if row["status"] == 302:
        assert answer.headers["Location"] == SHOP
    else:
        assert "evil" not in answer.headers.get("Location", "")
    assert Event.objects.exists() == row["writes"]


def test_no_other_method_changes_anything(message: Message, client: Client) -> None:
    """U09: HEAD of a click is kept as a machine's; nothing else leaves a trace."""
    for purpose, path in (
        (tokens.CLICK, "/t/c/{}/0"),
        (tokens.OPEN, "/t/o/{}.gif"),
        (tokens.UNSUBSCRIBE, "/u/{}"),
    ):
        address = path.format(tokens.sign(purpose, key(message)))
        for method in METHODS:
            assert client.generic(method.upper(), address).status_code in (200, 405)
        assert client.generic("PROPFIND", address).status_code == 405
        tricked = client.post(address, {"_method": "DELETE"}, headers={"X-HTTP-Method-Override": "DELETE"})
        assert tricked.status_code in (200, 405)
        assert client.head(path.format(tokens.sign(purpose, key(message)))).status_code in (200, 302)
    assert set(Event.objects.values_list("kind", "machine")) == {("click", "head"), ("open", "head")}
    assert not Consent.objects.exists()


@pytest.mark.parametrize(
    "body", [{}, {"List-Unsubscribe": "Two-Clicks"}, {"list-unsubscribe": "One-Click"}, {"x": "One-Click"}]
)
def test_a_post_that_asks_for_something_else_shows_the_page(
    body: dict[str, str], message: Message, client: Client
) -> None:
    """U11."""
    answer = client.post(f"/u/{tokens.sign(tokens.UNSUBSCRIBE, key(message))}", body)
    assert answer.status_code == 200 and "Unsubscribe?" in answer.content.decode()
    assert not Consent.objects.exists() and not Event.objects.exists()


@pytest.mark.parametrize(
    "agent",
    [
        "<script>alert(1)</script>",
        "'; DROP TABLE campaigns_event; --",
        "x" * 8192,
        "Mail\r\nX-Forged: 1",
        "\x1b[31mred\x00",
        "\u202egpj.exe",
        "郵件" * 300,
    ],
)
def test_a_program_may_call_itself_anything(agent: str, message: Message, client: Client) -> None:
    """U13: kept short and printable, shown as text."""
    client.get(
        f"/t/c/{tokens.sign(tokens.CLICK, key(message))}/0", headers={"User-Agent": agent, "Referer": agent}
    )
    kept = Event.objects.get().user_agent
    assert len(kept) <= 200 and kept.isprintable() and kept[:4] in agent
    client.force_login(builders.person(message.run.campaign.workspace, "approver", "reader"))
    answer = client.get(f"/campaigns/messages/{message.run_id}.0.{message.ref}/")
    assert answer.status_code == 200 and "<script>alert" not in answer.content.decode()


def test_guesses_are_never_valid_and_nobody_asks_the_database() -> None:
    """U07, on a smaller scale each time: a token is 128 bits that only the key gives."""
    with CaptureQueriesContext(connection) as asked:
        for _ in range(20_000):
            assert tokens.read(tokens.CLICK, secrets.token_urlsafe(26)) is None
    assert len(asked) == 0


def test_a_flood_of_junk_asks_the_database_nothing(client: Client) -> None:
    """U07: nobody has to be counted by where they come from, nor can a proxy's other people be refused."""
    with CaptureQueriesContext(connection) as asked:
        for _ in range(100):
            assert client.get(f"/t/c/{secrets.token_urlsafe(26)}/0").status_code == 404
            assert client.get(f"/t/o/{secrets.token_urlsafe(26)}.gif").status_code == 200
            assert client.get(f"/t/m/{secrets.token_urlsafe(26)}").status_code == 404
            assert client.post(f"/u/{secrets.token_urlsafe(26)}").status_code == 404
    assert len(asked) == 0


def test_a_flood_of_one_link_is_led_on_without_end_and_recorded_up_to_a_bound(client: Client) -> None:
    where = builders.workspace()
    run = Run.objects.get(campaign=builders.live(where, now=timezone.now()))
    one, other = [
        Message.objects.create(run=run, action=0, ref=person.pk, profile=person, address=person.email or "")
        for person in builders.profiles(where, 2)
    ]
    click, opened = f"/t/c/{tokens.sign(tokens.CLICK, key(one))}/0", tokens.sign(tokens.OPEN, key(one))
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(floods.MOST):
            client.get(click)
            client.get(f"/t/o/{opened}.gif")
        with CaptureQueriesContext(connection) as asked:
            for _ in range(200):
                assert client.get(click).headers["Location"] == SHOP
                assert client.get(f"/t/o/{opened}.gif").status_code == 200
        assert len(asked) == 0 and Event.objects.count() == 2 * floods.MOST
        client.get(f"/t/c/{tokens.sign(tokens.CLICK, key(other))}/0")
        assert Event.objects.filter(ref=other.ref).count() == 1, "the same proxy's other people"
        clock.shift(60)
        client.get(click)
    assert Event.objects.filter(ref=one.ref).count() == 2 * floods.MOST + 1
    assert engagement(run).clicked == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    place=st.integers(0, 34),
    letter=st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_%+/.~"),
    purpose=st.sampled_from([tokens.CLICK, tokens.OPEN, tokens.UNSUBSCRIBE, tokens.MIRROR]),
)
def test_no_letter_can_be_changed(place: int, letter: str, purpose: str) -> None:
    good = tokens.sign(purpose, MessageKey(7, 1, 99))
    changed = good[:place] + letter + good[place + 1 :]
    assert (tokens.read(purpose, changed) is None) == (changed != good)


def test_only_what_a_browser_can_follow_is_wrapped() -> None:
    """U15."""
    urls: list[str] = []
    kept = [
        "mailto:a@x.tw?subject=y",
        "tel:+886",
        "#top",
        "https://x.tw/{{ context.id }}",
        "",
        "javascript:1",
    ]
    html = number_links("".join(f'<a href="{one}">x</a>' for one in kept), urls)
    assert urls == [] and all(f'href="{one}"' in html for one in kept)
    exact = ["https://例え.tw/路?q=好", "https://x.tw/a%20b?x=1&y=2#z", "HTTPS://X.tw/"]
    number_links("".join(f'<a href="{one.replace("&", "&amp;")}">x</a>' for one in exact), urls)
    assert urls == exact


def test_an_international_destination_is_led_to_as_it_is_written(client: Client) -> None:
    where = builders.workspace()
    profile = builders.profiles(where, 1)[0]
    html = builders.HTML.replace("https://shop.example/a?x=1&amp;y=2", "https://例え.tw/路?q=好#頂")
    run = Run.objects.get(campaign=builders.live(where, now=timezone.now(), html=html))
    Message.objects.create(run=run, action=0, ref=profile.pk, profile=profile, address=profile.email)
    answer = client.get(f"/t/c/{tokens.sign(tokens.CLICK, MessageKey(run.pk, 0, profile.pk))}/0")
    there = answer.headers["Location"]
    assert there.isascii() and there.endswith("/" + quote("路") + "?q=" + quote("好") + "#" + quote("頂"))
