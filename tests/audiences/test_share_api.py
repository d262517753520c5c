"""Sharing an audience by REST: given, read, taken back, and refused for strangers and unknown levels."""

from __future__ import annotations

import pytest

from accounts.access import may
from accounts.models import AuditEntry, Role, Workspace
from audiences import access
from tests import builders
from tests.audiences.test_audience_api import LIST, Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def manager(where: Workspace) -> Caller:
    return Caller(where, "manager")


def test_it_is_shared_with_a_person_and_a_role_and_taken_back(where: Workspace, manager: Caller) -> None:
    audience, vera = builders.audience(where), builders.person(where, "viewer", "vera")
    role = Role.objects.get(workspace=where, builtin="viewer")
    address = f"{LIST}{audience.pk}/shares/"
    status, told = manager("get", address)
    known = [one["holder"] for one in told["available"]]
    assert (status, told["results"]) == (200, []) and {f"user:{vera.pk}", f"role:{role.pk}"} <= set(known)
    shared = {"holder": f"user:{vera.pk}", "name": "Vera", "level": "view"}
    assert manager("put", f"{address}user:{vera.pk}/", {"level": "view"}) == (200, shared)
    assert may(vera, access.VIEW, audience) and not may(vera, access.MANAGE, audience)
    assert manager("put", f"{address}role:{role.pk}/", {"level": "manage"})[0] == 200
    assert may(vera, access.MANAGE, audience)
    results = manager("get", address)[1]["results"]
    assert sorted(one["level"] for one in results) == ["manage", "view"] and shared in results
    for holder in (f"user:{vera.pk}", f"role:{role.pk}", f"role:{role.pk}"):
        assert manager("delete", f"{address}{holder}/") == (204, None)
    assert not may(vera, access.VIEW, audience) and manager("get", address)[1]["results"] == []
    verbs = AuditEntry.objects.filter(object_type="audiences.audience").values_list("verb", flat=True)
    assert sorted(verbs) == ["share", "share", "unshare", "unshare"]


def test_nobody_from_elsewhere_and_no_unknown_level_is_taken(where: Workspace, manager: Caller) -> None:
    audience = builders.audience(where)
    elsewhere = builders.workspace("other")
    stranger = builders.person(elsewhere, "manager", "stranger")
    theirs = Role.objects.get(workspace=elsewhere, builtin="viewer")
    ours = Role.objects.get(workspace=where, builtin="viewer")
    address = f"{LIST}{audience.pk}/shares/"
    wrong = [f"user:{stranger.pk}", f"role:{theirs.pk}", "role:0", f"user:{'9' * 40}", "x", "user:%00"]
    for holder in wrong:
        for method, body in (("put", {"level": "view"}), ("delete", None)):
            status, told = manager(method, f"{address}{holder}/", body)
            assert (status, told["errors"][0]["code"]) == (400, "unknown"), (holder, told)
    for given in ({"level": "own"}, {}, {"level": "view", "more": 1}, [], {"level": None}, b"{"):
        assert manager("put", f"{address}role:{ours.pk}/", given)[0] == 400, given
    assert manager("get", address)[1]["results"] == []
    assert not AuditEntry.objects.filter(verb="share").exists()
