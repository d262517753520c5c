"""Roles and access labels over REST: for who manages the workspace, and for its own objects only."""

from __future__ import annotations

import pytest

from accounts.models import AccessLabel, AuditEntry, Role, Workspace
from tests import builders
from tests.api import Caller

pytestmark = pytest.mark.django_db
ROLES, LABELS = "/api/roles/", "/api/access-labels/"
SEES = "campaigns.view_campaign"


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.person(made, "administrator")  # somebody who may give roles must stay
    return made


def test_a_role_is_made_changed_and_taken_away(where: Workspace) -> None:
    call = Caller(where, "administrator")
    made = call.post(ROLES, {"title": "Reader", "permissions": [SEES]})
    assert made.status_code == 201 and made.json()["permissions"] == [SEES]
    one = f"{ROLES}{made.json()['id']}/"
    assert call("PUT", one, {"title": "None", "permissions": []}).json()["permissions"] == []
    assert len(call.get(ROLES).json()["results"]) == 5
    assert call("DELETE", one).status_code == 204 and not Role.objects.filter(title="None").exists()
    told = AuditEntry.objects.filter(object_type="accounts.role").order_by("-pk")
    assert [entry.verb for entry in told[:3]] == ["delete", "change", "create"]


@pytest.mark.parametrize(
    "body",
    [
        {"title": "X", "permissions": ["accounts.superuser"]},
        {"title": "", "permissions": []},
        {"title": "X", "permissions": [], "builtin": "administrator"},
        {"title": "X", "permissions": "all"},
        [],
    ],
)
def test_a_role_that_cannot_be_is_refused(where: Workspace, body: object) -> None:
    before = Role.objects.count()
    assert Caller(where, "administrator").post(ROLES, body).status_code == 400
    assert Role.objects.count() == before


def test_a_built_in_role_stays(where: Workspace) -> None:
    builtin = Role.objects.get(workspace=where, builtin="viewer")
    answer = Caller(where, "administrator")("DELETE", f"{ROLES}{builtin.pk}/")
    assert answer.status_code == 409 and Role.objects.filter(pk=builtin.pk).exists()


def test_a_label_says_which_roles_hold_it(where: Workspace) -> None:
    call, role = Caller(where, "administrator"), Role.objects.get(workspace=where, builtin="viewer")
    made = call.post(LABELS, {"name": "Board", "roles": [role.pk]})
    assert made.status_code == 201 and made.json()["roles"] == [role.pk]
    one = f"{LABELS}{made.json()['id']}/"
    audience = builders.audience(where)
    audience.labels.add(made.json()["id"])
    assert call("DELETE", one).status_code == 409
    audience.labels.clear()
    assert call("PUT", one, {"name": "Board", "roles": []}).json()["roles"] == []
    assert call("DELETE", one).status_code == 204 and not AccessLabel.objects.exists()


def test_what_is_elsewhere_is_as_unknown_as_what_is_not(where: Workspace) -> None:
    there = builders.workspace("there")
    foreign, call = Role.objects.filter(workspace=there)[0], Caller(where, "administrator")
    label = AccessLabel.objects.create(workspace=there, name="Theirs")
    answers = [call.post(LABELS, {"name": "A", "roles": [pk]}) for pk in (foreign.pk, 987654321)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].json()["errors"] == answers[1].json()["errors"]
    for address in (f"{ROLES}{foreign.pk}/", f"{LABELS}{label.pk}/"):
        assert call("DELETE", address).status_code == 404
    assert "Theirs" not in call.get(LABELS).text and AccessLabel.objects.get() == label


def test_only_who_manages_the_workspace_opens_them(where: Workspace) -> None:
    for role in ("approver", "manager", "viewer"):
        call = Caller(where, role)
        for address in (ROLES, LABELS):
            assert call.get(address).status_code == call.post(address, {}).status_code == 403
