"""Signing in, preferences and API credentials, by the front door."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from accounts import credentials, roles
from accounts.access import SYSTEM
from accounts.models import Role, User

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def ana() -> User:
    workspace = roles.create_workspace(name="Fernhill", slug="fernhill", actor=SYSTEM, now=NOW)
    user = User.objects.create_user("ana@fernhill.example", "a long password", name="Ana Duarte")
    user.groups.add(Role.objects.get(workspace=workspace, builtin="manager").group_ptr)
    return user


def test_a_stranger_is_led_to_the_sign_in_page(client: Client) -> None:
    assert client.get("/").headers["Location"] == "/accounts/sign-in/?next=/"
    assert client.get("/accounts/sign-in/").status_code == 200


def test_signing_in_with_the_address_in_any_case_leads_home(client: Client, ana: User) -> None:
    form = {"username": "ANA@fernhill.example", "password": "a long password"}
    assert client.post("/accounts/sign-in/", form).headers["Location"] == "/"
    page = client.get("/").content.decode()
    assert "Welcome, Ana Duarte" in page
    assert "Four steps to the first send" in page


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_no_form_leads_to_another_site(client: Client, ana: User, target: str) -> None:
    form = {"username": ana.email, "password": "a long password", "next": target}
    assert client.post("/accounts/sign-in/", form).headers["Location"] == "/"
    answer = client.post("/accounts/preferences/", {"language": "en", "next": target})
    assert answer.headers["Location"] == "/"


def test_the_chosen_language_and_theme_are_kept(client: Client, ana: User) -> None:
    client.force_login(ana)
    client.post("/accounts/preferences/", {"language": "zh-hant"})
    client.post("/accounts/preferences/", {"theme": "dark"})
    assert '<html lang="zh-Hant" data-bs-theme="dark">' in client.get("/").content.decode()
    User.objects.filter(pk=ana.pk).update(is_staff=True, language="en")
    dark = client.get("/admin/").content.decode()
    assert "css/admin-dark" in dark and 'name="theme" value="light" aria-label="Light theme"' in dark
    client.post("/accounts/preferences/", {"theme": "light"})
    light = client.get("/admin/").content.decode()
    assert "css/admin-dark" not in light and 'name="theme" value="dark" aria-label="Dark theme"' in light


def test_a_form_s_address_without_its_form_says_that_nothing_was_done(client: Client, ana: User) -> None:
    client.force_login(ana)
    answer = client.get("/accounts/own/elsewhere/")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert "Nothing was done" in answer.content.decode() and "Ana Duarte" in answer.content.decode()


@pytest.mark.parametrize("form", [{"language": "xx"}, {"theme": "<script>"}])
def test_a_choice_that_is_not_offered_is_refused(client: Client, ana: User, form: dict[str, str]) -> None:
    client.force_login(ana)
    assert client.post("/accounts/preferences/", form).status_code == 400


def test_a_forged_theme_cookie_is_not_shown(client: Client, ana: User) -> None:
    client.cookies["theme"] = "neon"
    assert 'data-bs-theme="light"' in client.get("/accounts/sign-in/").content.decode()


def test_preferences_without_a_choice_change_nothing(client: Client, ana: User) -> None:
    client.force_login(ana)
    assert client.post("/accounts/preferences/", {}).status_code == 302
    assert client.get("/accounts/preferences/").status_code == 405


def test_one_chooses_among_the_workspaces_one_has_a_role_in(client: Client, ana: User) -> None:
    second = roles.create_workspace(name="Staging", slug="staging", actor=SYSTEM, now=NOW)
    roles.create_workspace(name="Closed", slug="closed", actor=SYSTEM, now=NOW)
    roles.grant(Role.objects.get(workspace=second, builtin="viewer"), who=ana.email, actor=SYSTEM, now=NOW)
    client.force_login(ana)
    assert "<b>Fernhill</b>" in client.get("/").content.decode()
    assert client.post("/accounts/workspace/", {"workspace": "staging"}).status_code == 302
    assert "<b>Staging</b>" in client.get("/").content.decode()
    assert client.post("/accounts/workspace/", {"workspace": "closed"}).status_code == 404
    assert "<b>Staging</b>" in client.get("/").content.decode()
    roles.revoke(Role.objects.get(workspace=second, builtin="viewer"), user=ana, actor=SYSTEM, now=NOW)
    assert "<b>Fernhill</b>" in client.get("/").content.decode()


def test_signing_out_is_a_post(client: Client, ana: User) -> None:
    client.force_login(ana)
    assert client.get("/accounts/sign-out/").status_code == 405
    client.post("/accounts/sign-out/")
    assert client.get("/").status_code == 302


def test_a_page_that_is_not_there_says_so(client: Client) -> None:
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert "This page is not here" in answer.content.decode()
    assert client.get("/ajo/nowhere").headers["Content-Type"] == "application/problem+json"


def test_a_token_is_found_until_it_expires_or_is_revoked(ana: User) -> None:
    role = Role.objects.get(builtin="manager")
    credential, token = credentials.issue(
        workspace=role.workspace,
        role=role,
        name="Shop",
        actor=SYSTEM,
        now=NOW,
        expires_at=NOW + timedelta(days=1),
    )
    assert credentials.find(token, now=NOW) == credential
    assert token.partition(".")[2] not in credential.secret_hash
    assert credentials.find(token, now=NOW + timedelta(days=2)) is None
    credentials.revoke(credential, actor=SYSTEM, now=NOW)
    assert credentials.find(token, now=NOW) is None


@pytest.mark.parametrize("token", ["", ".", "car_1.x", "x" * 500, "car_\x00.y"])
def test_a_wrong_token_finds_nothing(ana: User, token: str) -> None:
    assert credentials.find(token, now=NOW) is None


def test_a_heading_in_the_menu_stands_over_entries_only(client: Client, ana: User) -> None:
    client.force_login(ana)
    assert '<div class="grp">People</div>' in client.get("/").content.decode()
    ana.groups.set([Role.objects.get(workspace__slug="fernhill", builtin="viewer").group_ptr])
    menu = client.get("/").content.decode()
    assert 'href="/campaigns/reports/"' in menu and '<div class="grp">' not in menu
