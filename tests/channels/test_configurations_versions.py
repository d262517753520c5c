"""An active configuration changes through a checked version, and keeps serving meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.access import SYSTEM
from accounts.models import AccessLabel, AuditEntry, Role, Workspace
from channels import access, configurations, lifecycle, sealing, versions
from channels.configurations import Values
from channels.models import ChannelConfiguration, ConfigurationVersion, Credential
from common.errors import IllegalTransition, Invalid, NotFound
from tests import builders
from tests.builders import NOW
from tests.fakes.smtp import FakeSmtp

pytestmark = pytest.mark.django_db
Status = ChannelConfiguration.Status


@pytest.fixture
def workspace() -> Workspace:
    return builders.workspace()


def values(port: int, **changes: Any) -> Values:
    smtp = {"host": "127.0.0.1", "port": port, "tls": "none", "username": changes.pop("username", "")}
    made = Values("Main", "marketing", "smtp", smtp, "Fernhill", "hello@fernhill.example")
    return replace(made, **changes)


def active(workspace: Workspace, port: int, **changes: Any) -> ChannelConfiguration:
    made = configurations.create(workspace=workspace, values=values(port, **changes), actor=SYSTEM, now=NOW)
    assert configurations.submit(made, actor=SYSTEM, now=NOW).state == "passed"
    made.refresh_from_db()
    return made


def test_a_version_that_passes_serves_under_the_same_number(workspace: Workspace) -> None:
    with FakeSmtp() as server:
        made = active(workspace, server.port)
        changed = values(server.port, sender_name="Fernhill 蕨丘")
        version = configurations.update(made, values=changed, actor=SYSTEM, now=NOW)
    assert version is not None
    assert (version.number, version.state) == (2, "passed")
    assert version.changes == [{"field": "sender_name", "before": "Fernhill", "after": "Fernhill 蕨丘"}]
    row = ChannelConfiguration.objects.get()
    assert (row.pk, row.status, row.serving, row.sender_name) == (made.pk, Status.ACTIVE, 2, "Fernhill 蕨丘")


def test_the_page_names_a_changed_setting_as_its_form_does(client: Client, workspace: Workspace) -> None:
    with FakeSmtp() as server:
        made = active(workspace, server.port)
        configurations.update(made, values=values(server.port, username="us"), actor=SYSTEM, now=NOW)
    client.force_login(builders.person(workspace, "administrator"))
    page = client.get(f"/channels/{made.pk}/").content.decode()
    assert "User name:" in page and ">username:" not in page


def test_a_version_that_fails_leaves_the_old_one_serving(workspace: Workspace) -> None:
    with FakeSmtp() as server:
        made = active(workspace, server.port)
        changed = values(1, sender_name="Other")
        version = configurations.update(made, values=changed, actor=SYSTEM, now=NOW)
        assert version is not None and version.state == "failed"
        row = ChannelConfiguration.objects.get()
        assert (row.status, row.serving, row.sender_name) == (Status.ACTIVE, 1, "Fernhill")
        assert row.settings["port"] == server.port
        mended = configurations.update(
            made, values=replace(changed, settings=row.settings), actor=SYSTEM, now=NOW
        )
    assert mended is not None and (mended.number, mended.state) == (3, "passed")
    assert ChannelConfiguration.objects.get().sender_name == "Other"


def test_a_new_password_is_tried_beside_the_old_one_and_replaces_it(workspace: Workspace) -> None:
    with FakeSmtp(password="first") as server:
        made = active(workspace, server.port, username="us", secret="first")
        old = made.credential_id
        wrong = values(server.port, username="us", secret="wrong")
        version = configurations.update(made, values=wrong, actor=SYSTEM, now=NOW)
        assert version is not None and version.state == "failed"
        made.refresh_from_db()
        assert made.credential_id == old
        assert sealing.unseal(made.credential.sealed, row=old) == "first"
        server.password = "second"
        right = values(server.port, username="us", secret="second")
        version = configurations.update(made, values=right, actor=SYSTEM, now=NOW)
    assert version is not None and version.state == "passed"
    assert version.changes == [{"field": "secret", "before": None, "after": None}]
    kept = Credential.objects.get()  # neither the first nor the wrong one is kept
    made.refresh_from_db()
    assert made.credential == kept
    assert sealing.unseal(kept.sealed, row=kept.pk) == "second"
    log = str(list(AuditEntry.objects.values_list("details", flat=True)))
    assert "second" not in log and "hello@" not in log


def test_what_needs_no_check_applies_at_once(workspace: Workspace) -> None:
    with FakeSmtp() as server:
        made = active(workspace, server.port)
    changed = values(server.port, description="For news", marketing_actions=("newsletter",))
    assert configurations.update(made, values=changed, actor=SYSTEM, now=NOW) is None
    row = ChannelConfiguration.objects.get()
    assert (row.description, row.marketing_actions, row.serving) == ("For news", ["newsletter"], 1)


def test_the_rules_for_trying_again_and_the_type_apply_at_once(client: Client, workspace: Workspace) -> None:
    client.force_login(builders.person(workspace, "administrator"))
    given = {"name": "Main", "sender_name": "Fernhill", "sender_email": "hello@fernhill.example"}
    with FakeSmtp() as server:
        server_at = {"host": "127.0.0.1", "port": server.port, "tls": "none"}
        given |= {f"provider-{name}": value for name, value in server_at.items()}
        client.post("/channels/new/?provider=smtp", {**given, "kind": "marketing"})
        made = ChannelConfiguration.objects.get()
        client.post(f"/channels/{made.pk}/submit/")
    # The server is gone: anything that had to be checked would fail.
    given |= {"provider-retry_hours": 2, "provider-retry_waits": "1, 5", "provider-soft_bounces": 7}
    refused = client.post(f"/channels/{made.pk}/edit/", {**given, "kind": "marketing"})
    assert refused.status_code == 400 and "at least 6 hours" in refused.content.decode()
    client.post(f"/channels/{made.pk}/edit/", {**given, "kind": "transactional"})
    row = ChannelConfiguration.objects.get()
    assert (row.kind, row.settings["retry_hours"], row.settings["retry_waits"]) == (
        "transactional",
        2,
        "1, 5",
    )
    assert (row.status, row.serving, row.settings["soft_bounces"]) == (Status.ACTIVE, 1, 7)
    assert row.versions.count() == 1
    entry = AuditEntry.objects.filter(verb="update").get()
    assert {"kind", "settings.retry_hours", "settings.retry_waits"} <= set(entry.details["fields"])


def test_a_failed_version_does_not_bring_old_rules_back(workspace: Workspace) -> None:
    with FakeSmtp() as server:
        made = active(workspace, server.port)
    wrong = values(1)
    failed = configurations.update(made, values=wrong, actor=SYSTEM, now=NOW)
    assert failed is not None and failed.state == "failed"
    good = values(server.port)
    at_once = replace(good, settings={**good.settings, "retry_hours": 12})
    assert configurations.update(made, values=at_once, actor=SYSTEM, now=NOW) is None
    made.refresh_from_db()
    assert (made.settings["retry_hours"], versions.base_of(made).settings["retry_hours"]) == (12, 12)


@pytest.mark.parametrize(("field", "value"), [("name", "Other"), ("provider", "sandbox")])
def test_name_and_provider_of_an_active_one_stay(workspace: Workspace, field: str, value: str) -> None:
    with FakeSmtp() as server:
        made = active(workspace, server.port)
    with pytest.raises(Invalid) as refused:
        configurations.update(made, values=values(server.port, **{field: value}), actor=SYSTEM, now=NOW)
    assert [problem.pointer for problem in refused.value.problems] == [field]
    assert ConfigurationVersion.objects.count() == 1


def test_while_a_check_runs_nothing_else_is_done(workspace: Workspace) -> None:
    with FakeSmtp() as server:
        made = active(workspace, server.port)
    made.versions.create(number=2, created_at=NOW)
    for attempt in (
        lambda: configurations.update(
            made, values=values(server.port, sender_name="X"), actor=SYSTEM, now=NOW
        ),
        lambda: lifecycle.deactivate(made, actor=SYSTEM, now=NOW),
    ):
        with pytest.raises(IllegalTransition) as refused:
            attempt()
        assert refused.value.code == "check_running"
    row = ChannelConfiguration.objects.get()
    assert (row.status, row.sender_name) == (Status.ACTIVE, "Fernhill")
    lifecycle.deactivate(made, actor=SYSTEM, now=NOW + timedelta(minutes=6))  # it died


def test_a_stored_password_is_not_sent_to_another_server(workspace: Workspace) -> None:
    """Who may edit may not learn the password by having it sent to themselves."""
    made = configurations.create(
        workspace=workspace, values=values(25, username="us", secret="first"), actor=SYSTEM, now=NOW
    )
    elsewhere = values(25, username="us")
    elsewhere.settings["host"] = "elsewhere.example.com"
    for row in (made, configurations.duplicate(made, actor=SYSTEM, now=NOW)):
        with pytest.raises(Invalid) as refused:
            configurations.change(row, values=elsewhere, actor=SYSTEM, now=NOW)
        assert refused.value.code == "secret_needed"
        row.refresh_from_db()
        assert row.settings["host"] == "127.0.0.1"
    configurations.change(made, values=replace(elsewhere, secret="second"), actor=SYSTEM, now=NOW)


def test_a_copy_is_a_draft_with_a_secret_of_its_own(workspace: Workspace) -> None:
    with FakeSmtp(password="first") as server:
        made = active(workspace, server.port, username="us", secret="first")
        copy = configurations.duplicate(made, actor=SYSTEM, now=NOW)
        assert (copy.name, copy.status, copy.serving) == ("Copy of Main", Status.DRAFT, None)
        assert copy.credential_id != made.credential_id
        assert configurations.submit(copy, actor=SYSTEM, now=NOW).state == "passed"
    assert configurations.duplicate(made, actor=SYSTEM, now=NOW).name == "Copy of Main 2"


def test_only_what_never_served_and_is_not_used_is_deleted(workspace: Workspace) -> None:
    made = configurations.create(workspace=workspace, values=values(1, secret="x"), actor=SYSTEM, now=NOW)
    used = builders.draft(workspace, builders.person(workspace, "manager"), configuration=made)
    with pytest.raises(IllegalTransition) as refused:
        configurations.delete(made, actor=SYSTEM, now=NOW)
    assert refused.value.code == "configuration_in_use"
    used.delete()
    configurations.delete(made, actor=SYSTEM, now=NOW)
    assert not ChannelConfiguration.objects.exists() and not Credential.objects.exists()


def test_deactivating_is_told_to_whoever_listens(workspace: Workspace) -> None:
    heard: list[Any] = []

    def hear(configuration: ChannelConfiguration, **_: Any) -> None:
        heard.append((configuration.pk, configuration.status))

    made = builders.configuration(workspace)
    lifecycle.configuration_deactivated.connect(hear)
    try:
        lifecycle.deactivate(made, actor=SYSTEM, now=NOW)
    finally:
        lifecycle.configuration_deactivated.disconnect(hear)
    assert heard == [(made.pk, Status.DEACTIVATED)]


def test_labels_hide_it_and_only_those_held_are_given(workspace: Workspace, client: Client) -> None:
    label = AccessLabel.objects.create(workspace=workspace, name="Loyalty")
    admin = builders.person(workspace, "administrator")
    made = builders.configuration(workspace)
    given = Values("Main", "marketing", "sandbox", {}, "Fernhill", "hello@fernhill.example", labels=(label,))
    with pytest.raises(Invalid) as refused:
        configurations.update(made, values=given, actor=admin, now=NOW)
    assert refused.value.code == "label_not_held"
    assert not made.labels.exists()
    label.roles.add(Role.objects.get(workspace=workspace, builtin="administrator"))
    configurations.update(made, values=given, actor=admin, now=NOW)
    client.force_login(admin)
    assert "Loyalty" in client.get(f"/channels/{made.pk}/").content.decode()
    manager = builders.person(workspace, "manager")
    with pytest.raises(NotFound):
        access.configuration_for(manager, made.pk)


def test_its_page_shows_versions_and_where_it_is_used(workspace: Workspace, client: Client) -> None:
    made = builders.configuration(workspace, provider="smtp", settings=values(1).settings)
    campaign = builders.draft(workspace, builders.person(workspace, "manager"), configuration=made)
    configurations.update(made, values=values(1, sender_name="New <"[:3]), actor=SYSTEM, now=NOW)
    client.force_login(builders.person(workspace, "administrator"))
    page = client.get(f"/channels/{made.pk}/").content.decode()
    assert "Winter layers" in page and f"/campaigns/{campaign.pk}/" in page
    assert "Fernhill → New" in page
    assert "failed its test and is not in use" in page
    assert "hello@fernhill.example" in page


def test_the_list_is_filtered_by_status(workspace: Workspace, client: Client) -> None:
    builders.configuration(workspace, name="Serving one")
    builders.configuration(workspace, name="Drafted one", status="draft")
    client.force_login(builders.person(workspace, "administrator"))
    page = client.get("/channels/?status=draft").content.decode()
    assert "Drafted one" in page and "Serving one" not in page
    assert "Serving one" in client.get("/channels/?status=nonsense").content.decode()
