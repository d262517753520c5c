"""Signing in by the page: who guesses is slowed down and nobody else; how a session begins, ends and dies."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.db import connection
from django.test import Client
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts import roles, slowing
from accounts.access import SYSTEM
from accounts.models import AuditEntry, Role, SignInTry, User, Workspace
from tests import builders

pytestmark = pytest.mark.django_db
ADDRESS = "/accounts/sign-in/"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def ana(where: Workspace) -> User:
    return builders.person(where, "administrator", "ana")


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as moved:
        yield moved


def sign_in(
    client: Client, who: str, password: str = "a long password", network: str = "198.51.100.7"
) -> Any:
    return client.post(ADDRESS, {"username": who, "password": password}, REMOTE_ADDR=network)


def guess(who: str, times: int, network: str = "198.51.100.7") -> list[int]:
    """Each from a browser that never got in."""
    return [sign_in(Client(), who, f"guess {n}", network).status_code for n in range(times)]


# ---- guessing ---------------------------------------------------------------------------------


def test_after_five_wrong_passwords_each_next_try_has_to_wait_longer(ana: User, clock: Any) -> None:
    assert guess(ana.email, 6) == [200] * 6
    refused = sign_in(Client(), ana.email)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "16")
    assert "Too many tries. Wait for 16 seconds." in refused.content.decode()
    clock.shift(timedelta(seconds=16))
    assert guess(ana.email, 2) == [200, 429]
    clock.shift(timedelta(seconds=16))
    assert guess(ana.email, 1) == [429]
    clock.shift(timedelta(seconds=15))
    assert sign_in(Client(), ana.email).status_code == 302
    assert guess(ana.email, 1) == [200]


def test_the_wait_ends_at_a_quarter_of_an_hour_and_is_forgotten_after_an_hour(ana: User, clock: Any) -> None:
    for _ in range(20):
        assert guess(ana.email, 1, network="203.0.113.1") == [200]
        clock.shift(timedelta(seconds=901))
    clock.shift(timedelta(hours=1))
    assert guess(ana.email, 6) == [200] * 6
    clock.shift(timedelta(hours=2))
    slowing.forget(now=NOON + timedelta(days=2))
    assert not SignInTry.objects.exists()


def test_an_address_that_nobody_has_is_answered_like_one_that_somebody_has(ana: User, clock: Any) -> None:
    def story(who: str) -> list[tuple[int, str]]:
        answers = [sign_in(Client(), who, "guess", "203.0.113.9") for _ in range(9)]
        return [(one.status_code, one.content.decode().replace(who, "")) for one in answers]

    known, unknown = story(ana.email), story("nobody@fernhill.example")
    hidden = [[(code, _without_token(page)) for code, page in told] for told in (known, unknown)]
    assert hidden[0] == hidden[1]
    assert [code for code, _page in known] == [200] * 6 + [429] * 3


def _without_token(page: str) -> str:
    return "".join(line for line in page.splitlines() if "csrfmiddlewaretoken" not in line)


def test_one_address_written_in_many_ways_is_one_account(ana: User, clock: Any) -> None:
    assert guess(ana.email, 3) + guess(ana.email.upper(), 3) == [200] * 6
    assert guess(f" {ana.email}", 1) == [429]


def test_who_signed_in_here_before_is_kept_out_by_nobody_else(ana: User, clock: Any) -> None:
    own, network = Client(), "192.0.2.1"
    assert sign_in(own, ana.email, network=network).status_code == 302
    own.post("/accounts/sign-out/")
    guess(ana.email, 60, network=network)
    assert sign_in(Client(), ana.email, network=network).status_code == 429
    assert sign_in(own, ana.email, network=network).status_code == 302
    own.post("/accounts/sign-out/")
    guessed = [sign_in(own, ana.email, "guess", network).status_code for _ in range(7)]
    assert guessed == [200] * 6 + [429], "a known browser may not guess for ever either"


def test_a_cookie_of_one_account_or_a_forged_one_helps_with_no_other(where: Workspace, ana: User) -> None:
    bo, browser = builders.person(where, "viewer", "bo"), Client()
    sign_in(browser, bo.email)
    browser.post("/accounts/sign-out/")
    forged = Client()
    forged.cookies["device"] = f"{ana.pk}:x:signed"
    guess(ana.email, 6)
    assert sign_in(browser, ana.email).status_code == 429
    assert sign_in(forged, ana.email).status_code == 429


def test_one_network_that_tries_many_accounts_waits_and_others_do_not(where: Workspace, clock: Any) -> None:
    people = [builders.person(where, "viewer", f"p{n}") for n in range(32)]
    codes = [sign_in(Client(), one.email, "spring 2026", "203.0.113.5").status_code for one in people]
    assert codes == [200] * 31 + [429]
    assert sign_in(Client(), people[0].email, network="203.0.113.6").status_code == 302


def test_no_caller_says_which_network_they_come_from(ana: User, settings: Any) -> None:
    forged = {
        "X-Forwarded-For": "192.0.2.1, 192.0.2.2",
        "X-Real-Ip": "192.0.2.3",
        "Forwarded": "for=192.0.2.4",
    }
    given = {"username": ana.email, "password": "a long password"}
    for proxy, network in ((None, "198.51.100.7"), (("HTTP_X_FORWARDED_PROTO", "https"), "192.0.2.2")):
        settings.SECURE_PROXY_SSL_HEADER = proxy
        Client().post(ADDRESS, given, REMOTE_ADDR="198.51.100.7", headers=forged)
        last = AuditEntry.objects.filter(verb="sign in").order_by("-pk")[0]
        assert last.details["network"] == network


def test_people_of_one_office_who_sign_in_do_not_wait(where: Workspace, clock: Any) -> None:
    people = [builders.person(where, "viewer", f"p{n}") for n in range(40)]
    assert {sign_in(Client(), one.email).status_code for one in people} == {302}


@pytest.mark.django_db(transaction=True)
def test_of_thirty_tries_at_once_no_more_are_looked_at_than_one_after_the_other() -> None:
    def one(_number: int) -> bool:
        try:
            given = {"network": "203.0.113.5", "device": ""}
            return not slowing.count("nobody@fernhill.example", **given, now=NOON).wait
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(30))) == 6


def test_the_admin_site_asks_for_no_password_of_its_own(ana: User, where: Workspace) -> None:
    roles.open_or_close_the_admin_site(ana)
    client = Client()
    answer = client.post("/admin/login/?next=/admin/", {"username": ana.email, "password": "a long password"})
    assert answer.headers["Location"] == "/accounts/sign-in/?next=/admin/"
    assert "_auth_user_id" not in client.session
    client.post(ADDRESS + "?next=/admin/", {"username": ana.email, "password": "a long password"})
    assert client.get("/admin/").status_code == 200
    assert client.get("/admin/login/").headers["Location"] == "/admin/"
    client.force_login(builders.person(where, "viewer", "vera"))
    assert client.get("/admin/login/").status_code == 403


def test_the_log_tells_who_came_in_and_that_somebody_was_guessed_at_once(ana: User, clock: Any) -> None:
    guess(ana.email, 30, network="203.0.113.5")
    guess("nobody@fernhill.example", 8)
    (slow,) = AuditEntry.objects.filter(workspace=None, verb="slow sign-in")
    assert (slow.object_key, slow.details) == (str(ana.pk), {"network": "203.0.113.5"})
    clock.shift(timedelta(seconds=16))
    sign_in(Client(), ana.email)
    entered = AuditEntry.objects.get(verb="sign in")
    assert (entered.actor_key, entered.details) == (f"user:{ana.pk}", {"network": "198.51.100.7"})
    assert "guess" not in str(list(AuditEntry.objects.values_list("details", flat=True)))


# ---- sessions ---------------------------------------------------------------------------------


def is_in(client: Client) -> bool:
    return client.get("/accounts/notices/").status_code == 200


def copy_of(client: Client) -> Client:
    """Another browser that holds the same session's number."""
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = client.cookies[settings.SESSION_COOKIE_NAME].value
    return thief


def test_signing_in_gives_a_new_number_and_the_one_from_before_opens_nothing(ana: User) -> None:
    client = Client()
    before = client.session
    before["planted"] = True
    before.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = before.session_key
    thief = copy_of(client)
    sign_in(client, ana.email)
    assert client.cookies[settings.SESSION_COOKIE_NAME].value != before.session_key
    assert (is_in(client), is_in(thief)) == (True, False)


def test_a_session_ends_two_weeks_after_it_began_whatever_was_done_meanwhile(
    ana: User, where: Workspace, clock: Any, settings: Any
) -> None:
    settings.SESSION_IDLE = timedelta(days=2)
    client = Client()
    sign_in(client, ana.email)
    for _day in range(13):
        clock.shift(timedelta(days=1))
        client.post("/accounts/workspace/", {"workspace": where.slug})  # writes the session
        assert is_in(client)
    clock.shift(timedelta(days=1, seconds=1))
    assert not is_in(copy_of(client))


def test_signing_out_ends_the_session_everywhere_and_only_a_post_does(ana: User) -> None:
    client = Client()
    sign_in(client, ana.email)
    thief = copy_of(client)
    assert client.get("/accounts/sign-out/").status_code == 405
    assert is_in(thief)
    client.post("/accounts/sign-out/")
    assert not is_in(thief)


def test_a_new_password_ends_every_other_session(ana: User) -> None:
    old, new = Client(), Client()
    sign_in(old, ana.email)
    ana.refresh_from_db()
    named = urlsafe_base64_encode(force_bytes(ana.pk))
    form = new.get(f"/accounts/welcome/{named}/{default_token_generator.make_token(ana)}/", follow=True)
    chosen = "correct horse 42"
    new.post(form.request["PATH_INFO"], {"new_password1": chosen, "new_password2": chosen})
    assert (is_in(new), is_in(old)) == (True, False)
    assert sign_in(Client(), ana.email).status_code == 200
    assert AuditEntry.objects.filter(verb="sign in", object_key=str(ana.pk)).count() == 2


def test_who_may_not_sign_in_any_more_is_out_at_once(ana: User, where: Workspace) -> None:
    other = builders.person(where, "viewer", "bo")
    client = Client()
    sign_in(client, other.email)
    User.objects.filter(pk=other.pk).update(is_active=False)
    assert not is_in(client)
    assert sign_in(Client(), other.email).status_code == 200


def test_a_role_taken_away_is_gone_at_the_next_request(ana: User, where: Workspace) -> None:
    other, role = (
        builders.person(where, "manager", "bo"),
        Role.objects.get(workspace=where, builtin="manager"),
    )
    client = Client()
    sign_in(client, other.email)
    assert client.get("/campaigns/").status_code == 200
    roles.revoke(role, user=other, actor=SYSTEM, now=NOON)
    assert client.get("/campaigns/").status_code != 200


def test_cookies_are_closed_to_scripts_and_to_other_sites(ana: User, settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    client = Client()
    client.get(ADDRESS)
    sign_in(client, ana.email)
    assert {"session", "csrf", "__Host-device"} <= set(client.cookies)
    for name, cookie in client.cookies.items():
        told = (
            bool(cookie["secure"]),
            bool(cookie["httponly"]),
            cookie["samesite"],
            cookie["domain"],
            cookie["path"],
        )
        assert told == (True, True, "Lax", "", "/"), name
