"""The list of channel configurations, by the front door."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from accounts import roles
from accounts.access import SYSTEM
from accounts.models import Role, User, Workspace
from channels.models import ChannelConfiguration

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def workspace(name: str) -> Workspace:
    made = roles.create_workspace(name=name, slug=name, actor=SYSTEM, now=NOW)
    ChannelConfiguration.objects.create(workspace=made, name=f"{name} <main>", provider="smtp")
    return made


def sign_in(client: Client, home: Workspace, role: str) -> None:
    user = User.objects.create_user(f"{role}@{home.slug}.example", name=role)
    user.groups.add(Role.objects.get(workspace=home, builtin=role).group_ptr)
    client.force_login(user)


def test_a_manager_sees_the_configurations_of_the_workspace_and_no_other(client: Client) -> None:
    here, _ = workspace("here"), workspace("there")
    sign_in(client, here, "manager")
    page = client.get("/channels/").content.decode()
    assert "here &lt;main&gt;" in page
    assert "there" not in page


def test_a_viewer_is_told_which_permission_is_missing(client: Client) -> None:
    sign_in(client, workspace("here"), "viewer")
    answer = client.get("/channels/")
    assert answer.status_code == 403
    assert "Permission needed: View channel configurations" in answer.content.decode()
