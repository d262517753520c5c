"""API credentials: made and revoked on their page, refused in every other way a caller can be wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import credentials, roles
from accounts.access import SYSTEM, may
from accounts.models import ApiCredential, AuditEntry, Role, User, Workspace
from common.errors import Invalid, PermissionMissing

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PAGE = "/accounts/credentials/"
API = "/ajo/im/executions/unitary"


@pytest.fixture
def workspace() -> Workspace:
    return roles.create_workspace(name="Fernhill", slug="fernhill", actor=SYSTEM, now=NOW)


def role_of(workspace: Workspace, builtin: str) -> Role:
    return Role.objects.get(workspace=workspace, builtin=builtin)


def sign_in(client: Client, workspace: Workspace, builtin: str) -> User:
    user = User.objects.create_user(f"{builtin}@{workspace.slug}.example", name=builtin.title())
    user.groups.add(role_of(workspace, builtin).group_ptr)
    client.force_login(user)
    return user


def issue(workspace: Workspace, **changes: Any) -> tuple[ApiCredential, str]:
    given = {"role": role_of(workspace, "approver"), "name": "Shop", "actor": SYSTEM, "now": timezone.now()}
    return credentials.issue(workspace=workspace, **{**given, **changes})


def call(token: str, **headers: str) -> Any:
    bearer = {"Authorization": token, "x-api-key": "k", "x-gw-ims-org-id": "o", "x-sandbox-name": "prod"}
    return Client().post(API, {}, content_type="application/json", headers={**bearer, **headers})


def test_an_administrator_makes_one_and_sees_its_token_once(client: Client, workspace: Workspace) -> None:
    sign_in(client, workspace, "administrator")
    form = {"name": "Shop", "role": role_of(workspace, "approver").pk, "last_day": ""}
    answer = client.post(PAGE, form)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    (token,) = re.findall(r"Bearer (car_[0-9a-f]{12}\.[\w-]{43})", answer.content.decode())
    assert credentials.find(token, now=timezone.now()) == ApiCredential.objects.get()
    again = client.get(PAGE).content.decode()
    assert "Shop" in again
    assert token.partition(".")[2] not in again
    assert AuditEntry.objects.filter(verb="issue").exists()
    assert not AuditEntry.objects.filter(details__icontains=token.partition(".")[2]).exists()


def test_a_revoked_one_is_refused_from_then_on(client: Client, workspace: Workspace) -> None:
    sign_in(client, workspace, "administrator")
    credential, token = issue(workspace)
    assert call(f"Bearer {token}").status_code == 400
    for _twice in range(2):
        assert client.post(f"{PAGE}{credential.pk}/revoke/").status_code == 302
    assert call(f"Bearer {token}").status_code == 401
    assert AuditEntry.objects.filter(verb="revoke").count() == 1
    assert "Revoked" in client.get(PAGE).content.decode()


@pytest.mark.parametrize(
    "change",
    [{"name": ""}, {"name": "x" * 101}, {"role": "0"}, {"last_day": "2020-01-01"}, {"last_day": "soon"}],
)
def test_a_wrong_form_is_refused_at_the_field_and_makes_nothing(
    client: Client, workspace: Workspace, change: dict[str, str]
) -> None:
    sign_in(client, workspace, "administrator")
    answer = client.post(PAGE, {"name": "Shop", "role": role_of(workspace, "viewer").pk, **change})
    assert answer.status_code == 400
    assert "finding box err" in answer.content.decode()
    assert not ApiCredential.objects.exists()


def test_the_last_day_counts_where_the_reader_is(client: Client, workspace: Workspace) -> None:
    user = sign_in(client, workspace, "administrator")
    User.objects.filter(pk=user.pk).update(time_zone="Asia/Taipei")
    form = {"name": "Shop", "role": role_of(workspace, "viewer").pk, "last_day": "2099-12-31"}
    client.post(PAGE, form)
    assert ApiCredential.objects.get().expires_at == datetime(2099, 12, 31, 16, tzinfo=UTC)


@pytest.mark.parametrize("builtin", ["approver", "manager", "viewer"])
def test_nobody_else_sees_or_makes_or_revokes_one(client: Client, workspace: Workspace, builtin: str) -> None:
    sign_in(client, workspace, builtin)
    credential, _token = issue(workspace)
    assert client.get(PAGE).status_code == 403
    answer = client.post(PAGE, {"name": "Mine", "role": role_of(workspace, "administrator").pk})
    assert answer.status_code == 403
    assert client.post(f"{PAGE}{credential.pk}/revoke/").status_code == 404
    credential.refresh_from_db()
    assert credential.revoked_at is None
    assert ApiCredential.objects.count() == 1


def test_one_of_another_workspace_does_not_exist(client: Client, workspace: Workspace) -> None:
    other = roles.create_workspace(name="Other", slug="other", actor=SYSTEM, now=NOW)
    theirs, _token = issue(other)
    sign_in(client, workspace, "administrator")
    assert client.post(f"{PAGE}{theirs.pk}/revoke/").status_code == 404
    assert theirs.prefix not in client.get(PAGE).content.decode()
    answer = client.post(PAGE, {"name": "Spy", "role": role_of(other, "viewer").pk})
    assert answer.status_code == 400
    with pytest.raises(Invalid):
        issue(workspace, role=role_of(other, "viewer"))
    assert ApiCredential.objects.count() == 1


def test_the_verb_itself_asks_for_the_right(workspace: Workspace) -> None:
    manager = User.objects.create_user("m@fernhill.example", name="M")
    manager.groups.add(role_of(workspace, "manager").group_ptr)
    with pytest.raises(PermissionMissing):
        issue(workspace, actor=manager)
    assert not ApiCredential.objects.exists()


def test_a_credential_may_do_what_its_role_may_and_only_in_its_workspace(workspace: Workspace) -> None:
    other = roles.create_workspace(name="Other", slug="other", actor=SYSTEM, now=NOW)
    credential, _token = issue(workspace)
    assert may(credential, "campaigns.publish_campaign", workspace)
    assert not may(credential, "accounts.manage_workspace", workspace)
    assert not may(credential, "campaigns.view_campaign", other)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer car_000000000000.x",
        "Basic eDp5",
        "Bearer a b",
        "Bearer \xff",
    ],
)
def test_a_caller_without_a_good_token_gets_401_as_a_problem(
    workspace: Workspace, authorization: str
) -> None:
    answer = call(authorization)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["status"] == 401


def test_an_expired_token_and_a_wrong_secret_are_told_the_same(workspace: Workspace) -> None:
    _one, expired = issue(workspace, expires_at=timezone.now() + timedelta(seconds=1))
    ApiCredential.objects.update(expires_at=NOW - timedelta(days=400))
    _two, good = issue(workspace)
    wrong = good[:-1] + ("A" if good[-1] != "A" else "B")
    answers = [call(f"Bearer {token}") for token in (expired, wrong, "car_1.x")]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert len({answer.content for answer in answers}) == 1


def test_last_use_is_noted_at_most_once_a_minute(workspace: Workspace) -> None:
    _credential, token = issue(workspace)
    for seconds in (0, 30, 59):
        credentials.find(token, now=NOW + timedelta(seconds=seconds))
    assert ApiCredential.objects.get().last_used_at == NOW
    credentials.find(token, now=NOW + timedelta(seconds=61))
    assert ApiCredential.objects.get().last_used_at == NOW + timedelta(seconds=61)
