"""Signing in as a system does: rotated secrets, access tokens of an hour, no more calls than allowed."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts import credentials, oauth
from accounts.access import SYSTEM
from accounts.models import ApiCredential, Role, Workspace
from tests import builders

pytestmark = pytest.mark.django_db
GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


def issue(where: Workspace, **changes: Any) -> tuple[ApiCredential, str]:
    role = Role.objects.get(workspace=where, builtin="manager")
    given = {"role": role, "name": "Shop", "actor": SYSTEM, "now": timezone.now(), **changes}
    return credentials.issue(workspace=where, **given)


def ask(token: str) -> Any:
    return Client().get("/api/audiences/", headers={"Authorization": f"Bearer {token}"})


def post_form(form: dict[str, str], **headers: str) -> Any:
    body = "&".join(f"{name}={value}" for name, value in form.items())
    kind = "application/x-www-form-urlencoded"
    return Client().post("/oauth/token", body, content_type=kind, headers=headers)


def granted(token: str) -> str:
    client_id, _, secret = token.partition(".")
    answer = post_form({"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"].count("no-store") == 1
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("bearer", 3600)
    return str(answer.json()["access_token"])


def test_an_access_token_works_for_an_hour(where: Workspace) -> None:
    access = granted(issue(where)[1])
    assert ask(access).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        assert ask(access).status_code == 401


def test_a_client_may_name_itself_in_basic(where: Workspace) -> None:
    _row, token = issue(where)
    named = base64.b64encode(token.replace(".", ":", 1).encode()).decode()
    answer = post_form(GRANT, Authorization=f"Basic {named}")
    assert ask(answer.json()["access_token"]).status_code == 200


def test_revoking_ends_the_access_tokens_at_once(where: Workspace) -> None:
    row, token = issue(where)
    access = granted(token)
    credentials.revoke(row, actor=SYSTEM, now=timezone.now())
    assert ask(access).status_code == 401
    assert oauth.grant(*token.split("."), now=timezone.now()) is None


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        (
            {"grant_type": "client_credentials", "client_id": "car_x", "client_secret": "y"},
            401,
            "invalid_client",
        ),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({}, 400, "unsupported_grant_type"),
    ],
)
def test_a_wrong_request_is_told_as_oauth_says(form: dict[str, str], status: int, error: str) -> None:
    answer = post_form(form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic /w==", "Basic Og=="])
def test_a_broken_basic_header_is_no_client(header: str) -> None:
    answer = post_form(GRANT, Authorization=header)
    assert answer.status_code == 401


def test_a_forged_or_foreign_token_is_refused(where: Workspace) -> None:
    access = granted(issue(where)[1])
    for wrong in (access[:-2], access + "A", access.removeprefix("cat_"), "cat_", "cat_" + "A" * 60):
        assert ask(wrong).status_code == 401


def test_after_a_rotation_two_secrets_work_until_the_overlap_ends(where: Workspace) -> None:
    row, old = issue(where)
    access = granted(old)
    new = credentials.rotate(row, actor=SYSTEM, now=timezone.now())
    assert [ask(token).status_code for token in (old, new, access)] == [200, 200, 200]
    with time_machine.travel(timezone.now() + credentials.OVERLAP + timedelta(seconds=1)):
        assert [ask(token).status_code for token in (old, new)] == [401, 200]
    newest = credentials.rotate(row, actor=SYSTEM, now=timezone.now())
    assert [ask(token).status_code for token in (old, new, newest)] == [401, 200, 200]
    assert ask(access).status_code == 401


def test_an_administrator_rotates_on_the_page_and_sees_the_token_once(
    client: Client, where: Workspace
) -> None:
    row, old = issue(where)
    client.force_login(builders.person(where, "administrator"))
    page = client.post(f"/accounts/credentials/{row.pk}/rotate/")
    (new,) = re.findall(r"Bearer (car_[0-9a-f]{12}\.[\w-]{43})", page.content.decode())
    assert new != old
    assert ask(new).status_code == 200
    again = client.get("/accounts/credentials/").content.decode()
    assert "older secret works until" in again
    assert new.partition(".")[2] not in again


def test_a_manager_cannot_rotate(client: Client, where: Workspace) -> None:
    row, _token = issue(where)
    client.force_login(builders.person(where, "manager"))
    assert client.post(f"/accounts/credentials/{row.pk}/rotate/").status_code == 404
    row.refresh_from_db()
    assert row.previous_hash == ""


def test_who_calls_too_often_is_told_when_to_come_back(where: Workspace) -> None:
    _row, token = issue(where, calls_per_minute=2)
    with time_machine.travel("2026-11-25T12:00:20Z", tick=False):
        answers = [ask(token) for _call in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert 40 <= int(answers[2].headers["Retry-After"]) <= 41
    with time_machine.travel("2026-11-25T12:01:00Z", tick=False):
        assert ask(token).status_code == 200
