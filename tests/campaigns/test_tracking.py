"""Clicks, opens and unsubscribes by the front door; and that nothing else changes anything."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from django.test import Client
from django.urls import resolve
from django.utils import timezone

from audiences import preferences
from audiences.models import Consent, Profile
from campaigns.models import Event, Message, Run, Version
from campaigns.reports import report
from campaigns.reports.metrics import engagement
from campaigns.tracking import tokens
from campaigns.tracking.links import number_links, with_pixel
from campaigns.tracking.tokens import MessageKey
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def message() -> Message:
    where = builders.workspace()
    profile = builders.profiles(where, 1)[0]
    run = Run.objects.get(campaign=builders.live(where, now=timezone.now()))
    return Message.objects.create(run=run, action=0, ref=profile.pk, profile=profile, address=profile.email)


def path(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def key(message: Message) -> MessageKey:
    return MessageKey(message.run_id, message.action, message.ref)


def click(message: Message, number: int = 0) -> str:
    return path(tokens.click_base(key(message))) + str(number)


def leave(message: Message) -> str:
    return path(tokens.unsubscribe_url(key(message)))


def test_a_click_leads_to_the_stored_address_and_counts(message: Message, client: Client) -> None:
    answer = client.get(click(message), headers={"User-Agent": "Mail\r\n<script>" + "x" * 900})
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://shop.example/a?x=1&y=2")
    event = Event.objects.get()
    assert (event.kind, event.link, "\n" in event.user_agent, len(event.user_agent) <= 200) == (
        "click",
        0,
        False,
        True,
    )
    client.get(click(message))
    assert engagement(message.run).clicked == 1
    told = report.make(message.run.campaign, run=message.run, now=timezone.now())
    assert [(one.url, one.people, one.clicks) for one in told.links] == [
        ("https://shop.example/a?x=1&y=2", 1, 2)
    ]


@pytest.mark.parametrize("query", ["?url=https://evil.example", "?next=//evil.example", "?fbclid=1"])
def test_nothing_in_the_query_changes_where_a_click_leads(
    message: Message, client: Client, query: str
) -> None:
    assert client.get(click(message) + query).headers["Location"] == "https://shop.example/a?x=1&y=2"


def test_a_scanner_that_only_looks_counts_for_nothing(message: Message, client: Client) -> None:
    for address in (click(message), path(tokens.open_url(key(message))), leave(message)):
        client.head(address)
        client.get(address, headers={"Sec-Purpose": "prefetch"})
        client.options(address)
    seen = Event.objects.order_by("id").values_list("kind", "signals", "machine")
    assert list(seen) == [
        ("click", 1, "head"),
        ("click", 2, "prefetch"),
        ("open", 1, "head"),
        ("open", 2, "prefetch"),
    ]
    assert (engagement(message.run).opened, engagement(message.run).clicked) == (0, 0)
    assert not Consent.objects.exists()


def test_the_pixel_counts_an_open_once_per_person(message: Message, client: Client) -> None:
    for _ in range(3):
        answer = client.get(path(tokens.open_url(key(message))))
    assert (answer.headers["Content-Type"], answer.content[:3]) == ("image/gif", b"GIF")
    assert (Event.objects.count(), engagement(message.run).opened) == (3, 1)


def test_a_forged_token_writes_nothing(message: Message, client: Client) -> None:
    good = leave(message)
    bad = [good[:-1], good.upper(), good.replace("/u/", "/t/c/") + "/0", click(message)[:-2] + "x/0", "/u/x"]
    bad += [path(tokens.click_base(key(message))).replace("/t/c/", "/u/").rstrip("/"), click(message, 99)]
    for address in bad:
        assert client.get(address).status_code == 404, address
        client.post(address, {"List-Unsubscribe": "One-Click"})
    assert client.get("/t/o/forged.gif").status_code == 200
    assert not Event.objects.exists()
    assert not Consent.objects.exists()


def test_opening_the_unsubscribe_page_changes_nothing_and_its_button_does(
    message: Message, client: Client
) -> None:
    page = client.get(leave(message)).content.decode()
    assert "Unsubscribe?" in page and "Fernhill" in page
    assert not Consent.objects.exists()
    answer = client.post(leave(message), {"List-Unsubscribe": "One-Click", "from": "page"})
    assert "You are unsubscribed" in answer.content.decode()
    assert (Consent.objects.get().state, Consent.objects.get().source) == ("no", "page")


@pytest.mark.parametrize(("channel", "words"), [("email", "email"), ("sms", "SMS"), ("line", "LINE")])
def test_the_unsubscribe_page_names_the_channel_one_leaves(
    message: Message, client: Client, channel: str, words: str
) -> None:
    version = message.run.version
    definition = {**version.definition, "actions": [{**version.definition["actions"][0], "channel": channel}]}
    Version.objects.filter(pk=version.pk).update(definition=definition)
    asked = client.get(leave(message)).content.decode()
    assert f"Fernhill will then send you no more marketing by {words}." in asked
    done = client.post(leave(message), {"List-Unsubscribe": "One-Click", "from": "page"}).content.decode()
    assert f"Fernhill will send you no more marketing by {words}." in done
    assert Consent.objects.get().channel == channel


@pytest.mark.parametrize("multipart", [True, False])
def test_one_click_needs_no_cookie_and_works_once(message: Message, multipart: bool) -> None:
    client = Client(enforce_csrf_checks=True)
    form = {"List-Unsubscribe": "One-Click"}
    for _ in range(2):
        if multipart:
            answer = client.post(leave(message), form)
        else:
            answer = client.post(
                leave(message), "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded"
            )
        assert answer.status_code == 200
    assert engagement(message.run).unsubscribed == Event.objects.count() == 1


def test_links_in_messages_bear_the_name_that_is_set_for_them(
    message: Message, client: Client, settings: Any
) -> None:
    settings.LINKS_URL, settings.ALLOWED_HOSTS = "https://links.example.com", ["links.example.com"]
    profile = Profile.objects.get()
    links = [*tokens.urls_of(key(message)), tokens.mirror_url(key(message)), preferences.url_of(profile.pk)]
    assert [one for one in links if not one.startswith("https://links.example.com/")] == []
    assert client.get(leave(message), headers={"Host": "links.example.com"}).status_code == 200


def test_a_post_that_is_not_one_click_only_shows_the_page(message: Message, client: Client) -> None:
    assert "Unsubscribe?" in client.post(leave(message), {"x": "y"}).content.decode()
    assert not Consent.objects.exists()


def test_only_plain_web_addresses_are_tracked() -> None:
    urls: list[str] = []
    html = number_links(
        "<a href='https://a.example/?q=1&amp;r=2'>a</a> <a class=x href=\"https://a.example/?q=1&amp;r=2\">same</a>"
        '<a href="mailto:x@y.tw">m</a><a href="#top">t</a><a href="https://b.example/{{ profile.id }}">p</a>',
        urls,
    )
    assert urls == ["https://a.example/?q=1&r=2"]
    assert html.count("{{ carillon_click }}0") == 2
    assert '<a href="mailto:x@y.tw">' in html and "https://b.example/{{ profile.id }}" in html


def test_only_the_href_of_a_link_is_tracked() -> None:
    urls: list[str] = []
    html = number_links(
        '<a data-href="https://a.example/" href="https://b.example/">x</a><a-b href="https://c.tw">',
        urls,
    )
    assert urls == ["https://b.example/"]
    assert html.startswith('<a data-href="https://a.example/" href="{{ carillon_click }}0/')
    number_links("<a " * 100_000, none := [])
    assert none == []


def test_a_forged_click_shows_a_friendly_page(client: Client) -> None:
    assert "This link does not work" in client.get("/t/c/forged/0").content.decode()


def test_the_pixel_stands_before_the_end_of_the_body() -> None:
    assert with_pixel("<body>x</body></html>").endswith('alt=""></body></html>')
    assert with_pixel("x").startswith("x<img")


def test_a_worker_that_writes_links_loads_none_of_the_pages() -> None:
    written = (
        "import django, sys; django.setup(); from campaigns.delivery import send; "
        "from campaigns import alerts; from audiences import preferences; "
        "from campaigns.tracking import tokens; key = tokens.MessageKey(1, 0, 1); "
        "print(tokens.click_base(key), tokens.open_url(key), tokens.unsubscribe_url(key)); "
        "print(preferences.url_of(1), 'http://127.0.0.1:8000' + alerts.page_of(1)); "
        "assert 'config.urls' not in sys.modules"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "CARILLON_MODE": "local"}
    said = subprocess.run(
        [sys.executable, "-c", written], env=environment, capture_output=True, text=True, check=True
    )
    named = [resolve(path(url)).view_name for url in (said.stdout.split()[0] + "0", *said.stdout.split()[1:])]
    assert named == [
        *("tracking:click", "tracking:open", "tracking:unsubscribe"),
        *("people_public:preferences", "campaigns:detail"),
    ]
