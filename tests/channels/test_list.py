"""The list of channel configurations, by the front door."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from accounts import roles
from accounts.access import SYSTEM
from accounts.models import AccessLabel, Role, User, Workspace
from channels.models import ChannelConfiguration
from tests import builders
from tests.api import Caller

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


def test_the_list_is_narrowed_by_who_made_it_its_label_its_action_and_its_name(client: Client) -> None:
    here = builders.workspace()
    ada, bob = builders.person(here, "administrator", "ada"), builders.person(here, "administrator", "bob")
    label = AccessLabel.objects.create(workspace=here, name="Loyalty")
    label.roles.add(Role.objects.get(workspace=here, builtin="administrator"))
    offers = {"marketing_actions": ["newsletter", "offers"]}
    builders.configuration(here, name="Alpha", created_by=ada, **offers)
    builders.configuration(here, name="Beta", created_by=bob).labels.add(label)
    builders.configuration(here, name="Gamma", created_by=bob, status="draft")
    client.force_login(ada)
    call = Caller(here, "administrator")

    def names(page: str, rest: str) -> list[str]:
        text = client.get(f"/channels/?{page}").content.decode()
        shown = [name for name in ("Alpha", "Beta", "Gamma") if f">{name}</a>" in text]
        found = call.get(f"/api/channel-configurations/?{rest}&ordering=name").json()["results"]
        assert [one["name"] for one in found] == shown, (page, rest)
        return shown

    assert names(f"by={bob.pk}", f"createdBy={bob.email.upper()}") == ["Beta", "Gamma"]
    assert names(f"by={bob.pk}&status=draft", f"createdBy={bob.email}&status=draft") == ["Gamma"]
    assert names(f"label={label.pk}", "label=Loyalty") == ["Beta"]
    assert names("action=offers", "marketingAction=offers") == ["Alpha"]
    assert names("search=AMM", "search=AMM") == ["Gamma"]
    assert names("by=x", "createdBy=x") == []
    assert names("label=99999999999999999999", "label=%00x") == []
    whole = client.get("/channels/").content.decode()
    assert "Loyalty" in whole and whole.count(">Bob</option>") == 1
    client.force_login(builders.person(here, "manager"))
    assert "Loyalty" not in client.get("/channels/").content.decode()
