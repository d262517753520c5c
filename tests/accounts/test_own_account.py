"""A person's own account: where they are signed in, its end elsewhere and by itself, another password."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from accounts.models import AuditEntry, User
from config.env import session_idle
from tests import builders
from tests.accounts.test_sign_in import NOON, is_in, sign_in

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0"
PAGE = "/accounts/own/"


@pytest.fixture
def ana() -> User:
    return builders.person(builders.workspace(), "viewer", "ana")


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as moved:
        yield moved


def browser(person: User, **options: Any) -> Client:
    made = Client(**options)
    assert sign_in(made, person.email).status_code == 302
    return made


def test_a_session_that_nobody_uses_ends(ana: User, clock: Any) -> None:
    client = browser(ana)
    for _time in range(4):  # longer than it may lie, but used in between
        clock.shift(timedelta(hours=11, minutes=59))
        assert is_in(client)
    clock.shift(timedelta(hours=12, minutes=6))
    assert not is_in(client)
    assert not is_in(client)


def test_how_long_is_the_operators_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert session_idle() == timedelta(hours=12)
    monkeypatch.setenv("SESSION_IDLE_MINUTES", "30")
    assert session_idle() == timedelta(minutes=30)
    monkeypatch.setenv("SESSION_IDLE_MINUTES", "0")
    with pytest.raises(ImproperlyConfigured, match="10 to 20160"):
        session_idle()


def test_one_sees_where_one_is_signed_in_and_ends_it_elsewhere(ana: User) -> None:
    mine, lost = browser(ana), browser(ana, headers={"User-Agent": FIREFOX})
    other = browser(builders.person(ana.groups.get().role.workspace, "viewer", "bo"))
    page = mine.get(PAGE).content.decode()
    assert "Firefox, Windows" in page and "198.51.100.7" in page
    assert page.count("this one") == 1
    assert "Firefox" not in other.get(PAGE).content.decode()
    assert mine.get(PAGE + "elsewhere/").status_code == 405
    assert is_in(lost)
    assert "1 other session is ended." in mine.post(PAGE + "elsewhere/", follow=True).content.decode()
    assert (is_in(mine), is_in(lost), is_in(other)) == (True, False, True)
    assert AuditEntry.objects.get(verb="sign out elsewhere").details == {"sessions": 1}


def test_a_new_password_asks_for_the_present_one_and_ends_every_other_session(ana: User) -> None:
    mine, lost = browser(ana), browser(ana)
    given = {"new_password1": "correct horse 42", "new_password2": "correct horse 42"}
    assert mine.post(PAGE, {**given, "old_password": "not mine"}).status_code == 400
    assert (
        mine.post(PAGE, {**given, "old_password": "a long password", "new_password2": "x"}).status_code == 400
    )
    assert is_in(lost)
    assert not AuditEntry.objects.filter(verb="change password").exists()
    assert mine.post(PAGE, {**given, "old_password": "a long password"}).status_code == 302
    assert (is_in(mine), is_in(lost)) == (True, False)
    assert sign_in(Client(), ana.email, "correct horse 42").status_code == 302
    assert AuditEntry.objects.get(verb="change password").actor_key == f"user:{ana.pk}"


def test_the_present_password_cannot_be_guessed_in_an_open_browser(ana: User) -> None:
    mine = browser(ana)
    given = {"new_password1": "correct horse 42", "new_password2": "correct horse 42"}
    for number in range(6):
        mine.post(PAGE, {**given, "old_password": f"guess {number}"})
    refused = mine.post(PAGE, {**given, "old_password": "a long password"})
    assert refused.status_code == 400
    assert "Too many tries" in refused.content.decode()
    assert sign_in(Client(), ana.email, "correct horse 42").status_code != 302
