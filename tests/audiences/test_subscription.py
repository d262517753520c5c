"""Subscribing from outside: one mail, one button, and no word about who is known."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.access import SYSTEM
from audiences import confirmations, consent, erasure, lastlook, subscription
from audiences.models import Confirmation, Consent, ConsentEntry, Profile, SubscriptionCount, Topic
from channels.models import ChannelConfiguration
from common.errors import TooMany
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]
PAGE = "/subscribe/fernhill/news/"


@pytest.fixture
def topic() -> Topic:
    where = builders.workspace()
    builders.configuration(where)
    return Topic.objects.create(workspace=where, key="news", name="Shop & news", description="Monthly.")


@pytest.fixture
def browser() -> Client:
    return Client(enforce_csrf_checks=True)


def mails(settings) -> list[dict]:
    log = settings.VAR / "sandbox.log"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def link_in(mail: dict) -> str:
    return re.search(r"https?://[^/]+(/c/\S+)", mail["text"])[1]


def state(of: str | None = "news") -> str | None:
    return Consent.objects.filter(topic__key=of).values_list("state", flat=True).first()


def test_an_address_is_pending_until_its_owner_presses_the_button(
    topic: Topic, browser: Client, settings
) -> None:
    page = browser.get(PAGE).content.decode()
    assert "I want to receive “Shop &amp; news” from Fernhill by email. Monthly." in page
    assert "Thank you" in browser.post(PAGE, {"address": "Ana@Example.com"}).content.decode()
    assert (state(), state(None)) == ("pending", "pending")
    person = Profile.objects.get(email="ana@example.com")
    look = [(person.pk, person.email)]
    assert lastlook.blocked(topic.workspace_id, look, channel="email", category="marketing")

    assert confirmations.send_due(timezone.now()) == 1
    [mail] = mails(settings)
    assert (mail["recipient"], mail["subject"]) == ("ana@example.com", "Please confirm: Shop & news")
    for look_only in (browser.get, browser.head, browser.options, browser.post):  # a bare POST is no button
        look_only(link_in(mail))
    assert state() == "pending"
    for _again in range(2):
        assert "You are subscribed" in browser.post(link_in(mail), {"confirm": "1"}).content.decode()
    assert (state(), state(None)) == ("yes", "yes")
    assert Consent.objects.get(topic=topic).source == "double opt-in"
    assert [entry.state for entry in ConsentEntry.objects.filter(topic=topic)] == ["yes", "pending"]
    assert confirmations.send_due(timezone.now() + timedelta(days=1)) == 0


def test_the_answer_never_tells_whether_an_address_is_known(topic: Topic, browser: Client) -> None:
    known = Profile.objects.create(workspace=topic.workspace, email="known@example.com")
    consent.say(known, channel="email", topic=topic, state="yes", source="x", actor=SYSTEM, now=builders.NOW)
    answers = {
        browser.post(PAGE, {"address": address}).content
        for address in ("known@example.com", "new@example.com", "erased@example.com")
    }
    assert len(answers) == 1


def test_asking_again_and_again_sends_one_mail_an_hour(topic: Topic, settings) -> None:
    now = timezone.now()
    given = {"address": "ana@example.com", "wording": "News", "language": "en"}
    for minute in (0, 1, 2):
        subscription.ask(topic, **given, now=now + timedelta(minutes=minute))
        confirmations.send_due(now + timedelta(minutes=minute))
    assert len(mails(settings)) == 1
    confirmations.send_due(now + timedelta(minutes=59))
    assert len(mails(settings)) == 1
    confirmations.send_due(now + timedelta(minutes=61))
    confirmations.send_due(now + timedelta(minutes=62))
    assert len(mails(settings)) == 2


def test_a_network_may_ask_twenty_times_an_hour(topic: Topic, browser: Client) -> None:
    now = timezone.now()
    for _time in range(subscription.MOST_PER_NETWORK):
        subscription.count_network("127.0.0.1", now=now)
    answer = browser.post(PAGE, {"address": "ana@example.com"})
    assert answer.status_code == 429 and "Try again in an hour" in answer.content.decode()
    assert not Profile.objects.exists()
    with pytest.raises(TooMany):
        subscription.count_network("127.0.0.1", now=now)
    subscription.count_network("127.0.0.2", now=now)
    assert "127" not in str(list(SubscriptionCount.objects.values_list("network")))
    subscription.forget_networks(now + timedelta(hours=4))
    assert not SubscriptionCount.objects.exists()


def test_who_is_suppressed_or_was_erased_gets_no_mail_and_no_profile(topic: Topic, browser: Client) -> None:
    person = Profile.objects.create(workspace=topic.workspace, email="ana@example.com")
    erasure.erase(person, actor=SYSTEM, now=builders.NOW)
    assert browser.post(PAGE, {"address": "ana@example.com"}).status_code == 200
    assert confirmations.send_due(timezone.now()) == 0
    assert not Profile.objects.exists()


@pytest.mark.parametrize(
    "address", ["", "ana", "a@b", "a\0@example.com", "x" * 5000, "a@example.com\nBcc: b@c.tw"]
)
def test_what_is_no_address_is_told_and_nothing_is_kept(topic: Topic, browser: Client, address: str) -> None:
    answer = browser.post(PAGE, {"address": address})
    assert answer.status_code == 400 and 'role="alert"' in answer.content.decode()
    assert not Profile.objects.exists()


def test_without_an_active_configuration_the_mail_waits(topic: Topic, browser: Client, settings) -> None:
    ChannelConfiguration.objects.update(status="deactivated")
    browser.post(PAGE, {"address": "ana@example.com"})
    assert confirmations.send_due(timezone.now()) == 0
    row = Confirmation.objects.get()
    assert (row.tries, row.problem) == (0, "no_configuration")
    ChannelConfiguration.objects.update(status="active")
    assert confirmations.send_due(row.due_at) == 1


def test_a_mail_put_off_is_tried_again_later_and_a_refused_one_is_not(topic: Topic, settings) -> None:
    now = timezone.now()
    for address in ("later+1@example.com", "refuse+1@example.com", "drop+1@example.com"):
        subscription.ask(topic, address=address, wording="News", language="en", now=now)
    assert confirmations.send_due(now) == 1  # the one that may have left
    later = Confirmation.objects.get(profile__email="later+1@example.com")
    assert later.due_at == now + timedelta(minutes=2)
    assert Confirmation.objects.get(profile__email="refuse+1@example.com").due_at is None
    assert confirmations.send_due(now + timedelta(minutes=1)) == 0
    for minutes in (2, 8):
        confirmations.send_due(now + timedelta(minutes=minutes))
    assert [mail["recipient"] for mail in mails(settings)] == ["later+1@example.com"]


def sent(topic: Topic, settings, *, language: str = "en") -> str:
    subscription.ask(topic, address="ana@example.com", wording="News", language=language, now=timezone.now())
    confirmations.send_due(timezone.now())
    return link_in(mails(settings)[-1])


def test_a_link_that_is_a_week_old_or_not_ours_confirms_nothing(
    topic: Topic, browser: Client, settings, monkeypatch
) -> None:
    link = sent(topic, settings)
    for bad in (link[:-1], link + "x", link.swapcase(), "/c/x", link.replace("/c/", "/p/")):
        assert browser.post(bad, {"confirm": "1"}).status_code == 404, bad
    later = timezone.now() + subscription.VALID + timedelta(minutes=1)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert browser.post(link, {"confirm": "1"}).status_code == 404
    assert state() == "pending"


def test_a_no_after_the_mail_stands_above_its_link(topic: Topic, browser: Client, settings) -> None:
    link = sent(topic, settings)
    person = Profile.objects.get()
    consent.withdraw(profile_id=person.pk, channel="email", source="page", now=timezone.now())
    assert browser.post(link, {"confirm": "1"}).status_code == 404
    assert state(None) == "no"


def test_who_stopped_everything_is_told_what_confirming_allows_again(
    topic: Topic, browser: Client, settings
) -> None:
    person = Profile.objects.create(workspace=topic.workspace, email="ana@example.com")
    consent.withdraw(profile_id=person.pk, channel="email", source="page", now=builders.NOW)
    link = sent(topic, settings)
    assert "Fernhill may send me marketing by email." in browser.get(link).content.decode()
    assert state(None) == "no"
    browser.post(link, {"confirm": "1"})
    assert (state(None), state()) == ("yes", "yes")
    assert Consent.objects.get(topic=None).wording == "Fernhill may send me marketing by email."


def test_a_topic_without_double_opt_in_takes_a_yes_at_once_but_not_over_a_no(
    topic: Topic, browser: Client
) -> None:
    Topic.objects.update(double_opt_in=False)
    browser.post(PAGE, {"address": "ana@example.com"})
    assert state() == "yes" and not Confirmation.objects.exists()
    person = Profile.objects.get()
    consent.say(
        person, channel="email", topic=topic, state="no", source="page", actor=None, now=timezone.now()
    )
    browser.post(PAGE, {"address": "ana@example.com"})
    assert state() == "pending" and Confirmation.objects.exists()


def test_the_page_and_the_mail_speak_chinese(topic: Topic, browser: Client, settings) -> None:
    page = browser.get(PAGE, headers={"Accept-Language": "zh-TW"}).content.decode()
    assert '<html lang="zh-Hant"' in page
    link = sent(topic, settings, language="zh-hant")
    assert 'lang="zh-Hant"' in mails(settings)[-1]["html"]
    assert '<html lang="zh-Hant"' in browser.get(link).content.decode()


@pytest.mark.parametrize("change", [{"is_public": False}, {"archived_at": builders.NOW}])
def test_a_topic_that_is_not_offered_has_no_page(topic: Topic, browser: Client, change: dict) -> None:
    Topic.objects.update(**change)
    assert browser.get(PAGE).status_code == 404
    assert browser.post(PAGE, {"address": "ana@example.com"}).status_code == 404
    assert browser.get("/subscribe/nowhere/news/").status_code == 404
    assert not Profile.objects.exists()
