"""Access labels in the admin site: who makes them, who holds them, and what may not be."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AccessLabel, AuditEntry, Role, Workspace
from tests import builders

pytestmark = pytest.mark.django_db
ADD = "/admin/accounts/accesslabel/add/"


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def administrator(where: Workspace) -> Client:
    user = builders.person(where, "administrator")
    user.is_staff = True
    user.save()
    client = Client()
    client.force_login(user)
    return client


def role(where: Workspace, builtin: str) -> Role:
    return Role.objects.get(workspace=where, builtin=builtin)


def address(label: AccessLabel, page: str = "change") -> str:
    return reverse(f"admin:accounts_accesslabel_{page}", args=[label.pk])


def test_an_administrator_makes_a_label_and_says_who_holds_it(
    where: Workspace, administrator: Client
) -> None:
    assert administrator.get(ADD).status_code == 200
    form = {"workspace": where.pk, "name": "VIP", "description": "", "roles": [role(where, "approver").pk]}
    assert administrator.post(ADD, form).status_code == 302
    label = AccessLabel.objects.get()
    assert [one.builtin for one in label.roles.all()] == ["approver"]
    form |= {"name": "VIPs", "roles": [role(where, "manager").pk]}
    for _twice in range(2):
        assert administrator.post(address(label), form).status_code == 302
    label.refresh_from_db()
    assert label.name == "VIPs" and [one.builtin for one in label.roles.all()] == ["manager"]
    verbs = list(AuditEntry.objects.filter(object_type="accounts.accesslabel").values_list("verb", flat=True))
    assert sorted(verbs) == ["change", "create"]
    assert "VIPs" in administrator.get("/admin/accounts/accesslabel/").content.decode()


def test_a_name_taken_and_a_role_from_elsewhere_are_told_at_the_field(
    where: Workspace, administrator: Client
) -> None:
    AccessLabel.objects.create(workspace=where, name="VIP")
    elsewhere = role(builders.workspace("other"), "viewer")
    for form in ({"name": "VIP"}, {"name": "New", "roles": [elsewhere.pk]}, {"name": "\0"}, {"name": ""}):
        answer = administrator.post(ADD, {"workspace": where.pk, "description": "", **form})
        assert answer.status_code == 200 and "errorlist" in answer.content.decode(), form
    assert AccessLabel.objects.count() == 1


def test_a_label_in_use_stays(where: Workspace, administrator: Client) -> None:
    label = AccessLabel.objects.create(workspace=where, name="VIP")
    audience = builders.audience(where)
    audience.labels.add(label)
    answer = administrator.post(address(label, "delete"), {"post": "yes"})
    assert answer.status_code == 409 and "still on 1 object" in answer.content.decode()
    assert audience.labels.count() == 1
    audience.labels.clear()
    assert administrator.post(address(label, "delete"), {"post": "yes"}).status_code == 302
    assert not AccessLabel.objects.exists()


def test_labels_of_another_workspace_are_not_there(where: Workspace, administrator: Client) -> None:
    other = AccessLabel.objects.create(workspace=builders.workspace("other"), name="Theirs")
    assert "Theirs" not in administrator.get("/admin/accounts/accesslabel/").content.decode()
    form = {"name": "Mine", "description": ""}
    for page in ("change", "delete"):
        assert administrator.post(address(other, page), {**form, "post": "yes"}).status_code == 302
    other.refresh_from_db()
    assert other.name == "Theirs"
    assert administrator.post(ADD, {"workspace": other.workspace_id, **form}).status_code == 200
    assert AccessLabel.objects.count() == 1


def test_a_manager_cannot_open_labels(where: Workspace) -> None:
    client = Client()
    client.force_login(builders.person(where, "manager"))
    assert client.get("/admin/accounts/accesslabel/").status_code in (302, 403)
