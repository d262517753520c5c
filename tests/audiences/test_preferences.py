"""The preference page by the front door: who gets in, what a click stores, that looking changes nothing."""

from __future__ import annotations

import base64
import re

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from audiences import consent, preferences
from audiences.models import Consent, ConsentEntry, Profile, Topic
from audiences.reachability import WAYS
from campaigns.models import Run
from campaigns.reports.metrics import ledger
from common import tokens
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana() -> Profile:
    where = builders.workspace()
    Topic.objects.create(workspace=where, key="news", name="Shop news", description="Twice a month.")
    Topic.objects.create(workspace=where, key="staff", name="Staff only", is_public=False)
    return Profile.objects.create(workspace=where, email="ana@example.com", attributes={"name": "Ana"})


@pytest.fixture
def browser() -> Client:
    """One that holds no cookies, and whose posts carry no CSRF token."""
    return Client(enforce_csrf_checks=True)


def path(person: Profile) -> str:
    return "/" + preferences.url_of(person.pk).split("/", 3)[3]


def seen(page: bytes) -> str:
    return re.search(r'name="seen" value="(\w+)"', page.decode())[1]


def test_the_page_shows_what_is_offered_and_looking_changes_nothing(ana: Profile, browser: Client) -> None:
    for method in (browser.get, browser.head, browser.options):
        answer = method(path(ana))
        assert answer.status_code in (200, 405) and not answer.cookies
    page = browser.get(path(ana) + "?stop=1&chosen=email").content.decode()
    assert "I want to receive “Shop news” from Fernhill by email. Twice a month." in page
    assert "Staff only" not in page and "ana@example.com" not in page
    assert browser.get(path(ana)).headers["Referrer-Policy"] == "no-referrer"
    assert not Consent.objects.exists()


def test_what_is_ticked_is_stored_with_the_words_that_were_shown(ana: Profile, browser: Client) -> None:
    topic = Topic.objects.get(key="news")
    form = {"seen": seen(browser.get(path(ana)).content), "chosen": ["email", f"email-{topic.pk}"]}
    assert "Saved." in browser.post(path(ana), form).content.decode()
    row = Consent.objects.get()  # the first box stood ticked already: that is no act of theirs
    assert (row.topic, row.state, row.source, row.actor) == (topic, "yes", "preference page", "")
    assert row.wording == "I want to receive “Shop news” from Fernhill by email. Twice a month."
    browser.post(path(ana), {"seen": seen(browser.get(path(ana)).content), "chosen": []})
    assert set(Consent.objects.values_list("topic__key", "state")) == {("news", "no"), (None, "no")}
    form["seen"] = seen(browser.get(path(ana)).content)
    browser.post(path(ana), form)
    assert set(Consent.objects.values_list("state", flat=True)) == {"yes"}
    assert ConsentEntry.objects.count() == 5


def test_words_that_changed_meanwhile_are_never_taken_for_consent(ana: Profile, browser: Client) -> None:
    shown = seen(browser.get(path(ana)).content)
    topic = Topic.objects.get(key="news")
    Topic.objects.filter(pk=topic.pk).update(description="Every day, and by our partners.")
    answer = browser.post(path(ana), {"seen": shown, "chosen": [f"email-{topic.pk}", "email"]})
    assert answer.status_code == 409 and "This page has changed" in answer.content.decode()
    assert not Consent.objects.exists()


def test_one_button_stops_all_marketing_even_during_a_run(
    ana: Profile, browser: Client, settings, tmp_path
) -> None:
    settings.VAR = tmp_path
    html = builders.HTML.replace("</body>", '<a href="{{ preferences_url }}">Preferences</a></body>')
    builders.live(ana.workspace, now=timezone.now(), html=html)
    answer = browser.post(path(ana), {"stop": "1"})
    assert "no more marketing" in answer.content.decode()
    said = Consent.objects.filter(topic=None)
    assert {(one.channel, one.state) for one in said} == {(channel, "no") for channel in WAYS}
    call_command("deliver")
    assert (ledger(Run.objects.get()).accepted, ledger(Run.objects.get()).excluded) == (0, 1)


def test_a_message_carries_the_persons_own_link(ana: Profile, browser: Client, settings, tmp_path) -> None:
    settings.VAR = tmp_path
    html = builders.HTML.replace("</body>", '<a href="{{ preferences_url }}">Preferences</a></body>')
    builders.live(ana.workspace, now=timezone.now(), html=html)
    call_command("deliver")
    assert preferences.url_of(ana.pk) in (tmp_path / "sandbox.log").read_text()


@pytest.mark.parametrize(("locale", "lang"), [("zh-TW", ""), ("zh_Hant", ""), ("en-GB", "zh-hant")])
def test_the_page_speaks_the_persons_language_and_can_be_switched(
    ana: Profile, browser: Client, locale: str, lang: str
) -> None:
    Profile.objects.filter(pk=ana.pk).update(locale=locale)
    answer = browser.get(path(ana) + (f"?lang={lang}" if lang else ""))
    assert '<html lang="zh-Hant"' in answer.content.decode()
    assert answer.headers["Content-Language"] == "zh-hant"
    english = browser.get(path(ana) + "?lang=en", headers={"Accept-Language": "zh-TW"})
    assert '<html lang="en"' in english.content.decode()


def hostile(good: str) -> list[str]:
    token = good.removeprefix("/p/")
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[7] ^= 1
    flipped = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    other = tokens.sign("unsubscribe", (1).to_bytes(8, "big"))
    nobody = tokens.sign("preferences", (2**63 - 1).to_bytes(8, "big"))
    short, huge = tokens.sign("preferences", b"\1"), tokens.sign("preferences", b"\xff" * 8)
    bad = [flipped, other, nobody, short, huge, token * 2, token[:-1], token.swapcase(), "x" * 5000, "%00"]
    return [f"/p/{one}" for one in bad]


def test_a_hostile_link_opens_nothing_and_writes_nothing(ana: Profile, browser: Client) -> None:
    for address in hostile(path(ana)):
        for answer in (browser.get(address), browser.post(address, {"stop": "1"})):
            assert answer.status_code == 404, address
            assert "This link does not work" in answer.content.decode()
    assert not Consent.objects.exists()
    for mended in (".", ">", ")"):
        assert browser.get(path(ana) + mended).status_code == 200


def test_the_link_outlives_a_rotation_of_the_key_while_the_old_one_is_kept(
    ana: Profile, browser: Client, settings
) -> None:
    address, old = path(ana), settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new key", [old]
    assert browser.get(address).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert browser.get(address).status_code == 404


@pytest.mark.parametrize(
    "form",
    [{"seen": "\0", "chosen": "\0"}, {"chosen": "email-99999999999999999999"}, {"seen": "x" * 9999}, {}],
)
def test_a_bad_form_saves_nothing_and_is_no_error_of_ours(ana: Profile, browser: Client, form: dict) -> None:
    assert browser.post(path(ana), form).status_code == 409
    assert not Consent.objects.exists()


def test_who_subscribed_to_a_hidden_topic_can_leave_it(ana: Profile, browser: Client) -> None:
    staff = Topic.objects.get(key="staff")
    given = {"channel": "email", "source": "hr", "wording": "Staff", "actor": None, "now": builders.NOW}
    consent.say(ana, state="yes", topic=staff, **given)
    page = browser.get(path(ana)).content
    assert b"Staff only" in page
    browser.post(path(ana), {"seen": seen(page), "chosen": ["email"]})
    assert Consent.objects.get().state == "no"
