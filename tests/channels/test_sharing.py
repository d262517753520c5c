"""A configuration is shared with a person or a role, on its page and by REST, as audiences are."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.access import may
from accounts.models import AuditEntry, Role, User, Workspace
from channels import access
from channels.models import ChannelConfiguration
from tests import builders
from tests.api import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def shared(where: Workspace) -> ChannelConfiguration:
    return builders.configuration(where)


@pytest.fixture
def vera(where: Workspace) -> User:
    return builders.person(where, "viewer", "vera")


def test_a_person_it_is_shared_with_sees_it_manages_it_and_no_other(
    client: Client, where: Workspace, shared: ChannelConfiguration, vera: User
) -> None:
    other = builders.configuration(where, name="Other")
    here, ada = f"/channels/{shared.pk}/", builders.person(where, "administrator", "ada")
    client.force_login(vera)
    assert client.get(here).status_code == 404
    client.force_login(ada)
    assert "Nobody beyond those whose roles allow it." in client.get(here).content.decode()
    client.post(f"{here}share/", {"holder": f"user:{vera.pk}", "level": "view"})
    client.force_login(vera)
    assert client.get(here).status_code == 200 and client.get(f"/channels/{other.pk}/").status_code == 404
    assert client.post(f"{here}deactivate/").status_code == 403
    client.force_login(ada)
    client.post(f"{here}share/", {"holder": f"user:{vera.pk}", "level": "manage"})
    client.force_login(vera)
    page = client.get(here).content.decode()
    assert "/edit/" in page and "/duplicate/" not in page
    assert client.post(f"{here}duplicate/").status_code == 403
    assert ChannelConfiguration.objects.count() == 2
    client.post(f"{here}share/", {"holder": f"user:{vera.pk}", "level": "manage"})  # nobody with themselves
    client.force_login(ada)
    client.post(f"{here}share/", {"holder": f"user:{vera.pk}", "withdraw": "1"})
    client.force_login(vera)
    assert client.get(here).status_code == 404
    verbs = AuditEntry.objects.filter(object_type="channels.channelconfiguration").values_list(
        "verb", flat=True
    )
    assert sorted(verbs) == ["share", "share", "unshare"]


def test_a_label_stands_above_a_share(where: Workspace, shared: ChannelConfiguration, vera: User) -> None:
    call = Caller(where, "administrator")
    address = f"/api/channel-configurations/{shared.pk}/shares/user:{vera.pk}/"
    assert call.put(address, {"level": "view"}).status_code == 200
    assert may(vera, access.VIEW, shared)
    shared.labels.create(workspace=where, name="Board")
    assert not may(vera, access.VIEW, shared)
    assert call.get(f"/api/channel-configurations/{shared.pk}/").status_code == 404


def test_it_is_shared_by_rest_and_only_by_who_manages_it(
    where: Workspace, shared: ChannelConfiguration, vera: User
) -> None:
    call, role = Caller(where, "administrator"), Role.objects.get(workspace=where, builtin="viewer")
    address = f"/api/channel-configurations/{shared.pk}/shares/"
    told = call.get(address).json()
    assert told["results"] == [] and f"role:{role.pk}" in [one["holder"] for one in told["available"]]
    given = call.put(f"{address}role:{role.pk}/", {"level": "manage"})
    assert given.json() == {"holder": f"role:{role.pk}", "name": role.title, "level": "manage"}
    assert may(vera, access.MANAGE, shared)
    assert Caller(where, "manager").put(f"{address}role:{role.pk}/", {"level": "view"}).status_code == 403
    actions = Caller(where, "viewer").get(f"/api/channel-configurations/{shared.pk}/").json()["actions"]
    assert "deactivate" in actions and "duplicate" not in actions
    assert call.delete(f"{address}role:{role.pk}/").status_code == 204
    assert not may(vera, access.VIEW, shared)
    for holder, body in (("role:0", {"level": "view"}), (f"role:{role.pk}", {"level": "own"})):
        assert call.put(f"{address}{holder}/", body).status_code == 400
    assert call.get(address).json()["results"] == []
