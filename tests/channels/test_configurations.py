"""A channel configuration's way from draft to active, and its pages, against a real mail server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from accounts import roles
from accounts.access import SYSTEM
from accounts.models import AuditEntry, Role, User, Workspace
from channels import access, configurations, lifecycle
from channels.configurations import Values
from channels.models import ChannelConfiguration, Credential
from common.errors import IllegalTransition, Invalid, NotFound, PermissionMissing
from tests.fakes.smtp import FakeSmtp

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
Status = ChannelConfiguration.Status


@pytest.fixture
def workspace() -> Workspace:
    return roles.create_workspace(name="Here", slug="here", actor=SYSTEM, now=NOW)


def test_a_past_dialogue_is_read_in_the_readers_language(workspace: Workspace) -> None:
    """What we say is told to each reader in theirs; what the server said stays as it was said."""
    with FakeSmtp(password="right") as server:
        settings = {"host": "127.0.0.1", "port": server.port, "tls": "none", "username": "ana"}
        wrong = make(workspace, settings=settings, secret="wrong")
        with translation.override("zh-hant"):
            configurations.submit(wrong, actor=SYSTEM, now=NOW)
            nowhere = make(workspace, name="Nowhere")
            configurations.submit(nowhere, actor=SYSTEM, now=NOW)
    client = Client()
    reader, said = person(workspace, "administrator"), {}
    client.force_login(reader)
    for language in ("en", "zh-hant"):
        User.objects.filter(pk=reader.pk).update(language=language)
        said[language] = "".join(
            client.get(f"/channels/{one.pk}/").content.decode() for one in (wrong, nowhere)
        )
    port = server.port
    assert f"Connect to 127.0.0.1, port {port}" in said["en"]
    assert "連線至 127.0.0.1" in said["zh-hant"] and "Connect to 127" not in said["zh-hant"]
    assert all("535" in page and "Errno" not in page for page in said.values())
    assert "Nothing listens there" in said["en"] and "Nothing listens" not in said["zh-hant"]


def person(workspace: Workspace, role: str) -> User:
    user = User.objects.create_user(f"{role}@{workspace.slug}.example", name=role)
    user.groups.add(Role.objects.get(workspace=workspace, builtin=role).group_ptr)
    return user


def values(server: FakeSmtp | None = None, **changes: Any) -> Values:
    smtp = {"host": "127.0.0.1", "port": server.port if server else 1, "tls": "none", "username": ""}
    made = Values("Main", "marketing", "smtp", smtp, "Fernhill 蕨丘", "Hello@Fernhill.example")
    return replace(made, **changes)


def make(workspace: Workspace, server: FakeSmtp | None = None, **changes: Any) -> ChannelConfiguration:
    return configurations.create(workspace=workspace, values=values(server, **changes), actor=SYSTEM, now=NOW)


def test_submitting_holds_the_real_dialogue_and_activates(workspace: Workspace) -> None:
    with FakeSmtp() as server:
        made = make(workspace, server)
        assert (made.status, made.sender_email) == (Status.DRAFT, "hello@fernhill.example")
        version = configurations.submit(made, actor=SYSTEM, now=NOW)
    assert [step["verdict"] for step in version.dialogue] == ["good"] * 4 + ["warning"]
    assert any("250 2.1.0 Ok" in step["said"] for step in version.dialogue)
    assert "not among the sending domains" in version.dialogue[-1]["said"]
    assert server.accepted == []
    made.refresh_from_db()
    assert made.status == Status.ACTIVE
    assert list(configurations.active_for(workspace, "email", "marketing")) == [made]
    assert not configurations.active_for(workspace, "email", "transactional").exists()
    verbs = (
        AuditEntry.objects.filter(object_type="channels.channelconfiguration")
        .order_by("id")
        .values_list("verb", flat=True)
    )
    assert list(verbs) == ["create", "submit", "activate"]


@pytest.mark.parametrize(
    ("changes", "said", "name"),
    [
        ({"sender_email": "stranger@fernhill.example"}, "553", "Announce the sender"),
        (
            {"provider": "smtp", "settings": {"host": "127.0.0.1", "port": 1, "tls": "none"}},
            "onnect",
            "Connect to 127.0.0.1, port 1",
        ),
        ({"settings": {}}, "missing", "Read the settings"),
    ],
)
def test_a_configuration_that_cannot_work_fails_and_says_why(
    workspace: Workspace, changes: dict[str, Any], said: str, name: str
) -> None:
    with FakeSmtp() as server:
        made = make(workspace, server, **changes)
        version = configurations.submit(made, actor=SYSTEM, now=NOW)
    assert version.state == "failed"
    failed = [step["name"] for step in version.dialogue if step["verdict"] == "failed"]
    assert failed == [name]
    assert said in next(step["said"] for step in version.dialogue if step["verdict"] == "failed")
    made.refresh_from_db()
    assert made.status == Status.FAILED
    assert lifecycle.can("submit", made, NOW)


def test_a_password_is_sealed_used_and_never_shown(workspace: Workspace) -> None:
    with FakeSmtp(password="marker-7f3a") as server:
        settings = {"host": "127.0.0.1", "port": server.port, "tls": "none", "username": "us"}
        made = make(workspace, settings=settings, secret="marker-7f3a")
        version = configurations.submit(made, actor=SYSTEM, now=NOW)
    assert version.state == "passed"
    made.refresh_from_db()
    assert made.credential is not None
    assert b"marker-7f3a" not in bytes(made.credential.sealed)
    assert "marker-7f3a" not in str(
        [version.steps, made.settings, *AuditEntry.objects.values_list("details", flat=True)]
    )


def test_an_empty_password_keeps_the_stored_one(workspace: Workspace) -> None:
    made = make(workspace, secret="first")
    before = bytes(Credential.objects.get().sealed)
    configurations.change(made, values=values(name="Other"), actor=SYSTEM, now=NOW)
    assert bytes(Credential.objects.get().sealed) == before
    configurations.change(made, values=values(secret="second"), actor=SYSTEM, now=NOW)
    assert bytes(Credential.objects.get().sealed) != before


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("status", "allowed"),
    [
        (Status.DRAFT, {"submit", "change", "duplicate", "delete"}),
        (Status.PROCESSING, {"duplicate"}),
        (Status.ACTIVE, {"deactivate", "update", "duplicate"}),
        (Status.FAILED, {"submit", "change", "duplicate", "delete"}),
        (Status.DEACTIVATED, {"reactivate", "duplicate"}),
    ],
)
@pytest.mark.parametrize("verb", lifecycle.TRANSITIONS)
def test_each_verb_works_in_its_states_only(
    workspace: Workspace, status: str, allowed: set[str], verb: str
) -> None:
    made = make(workspace, provider="sandbox", settings={})
    if status == Status.PROCESSING:
        made.versions.create(number=1, created_at=NOW)
    ChannelConfiguration.objects.update(status=status)
    given = {"values": values(provider="sandbox", settings={})} if verb in ("change", "update") else {}
    act = lifecycle.deactivate if verb == "deactivate" else getattr(configurations, verb)
    if verb in allowed:
        act(made, **given, actor=SYSTEM, now=NOW)
        return
    entries = AuditEntry.objects.count()
    with pytest.raises(IllegalTransition) as refused:
        act(made, **given, actor=SYSTEM, now=NOW)
    assert refused.value.extra["state"] == status
    assert set(refused.value.extra["possible"]) == allowed
    assert ChannelConfiguration.objects.get().status == status
    assert AuditEntry.objects.count() == entries


def test_a_test_whose_process_died_can_be_repeated(workspace: Workspace) -> None:
    made = make(workspace, provider="sandbox", settings={})
    left = made.versions.create(number=1, created_at=NOW)
    ChannelConfiguration.objects.update(status=Status.PROCESSING)
    configurations.submit(made, actor=SYSTEM, now=NOW + timedelta(minutes=6))
    assert ChannelConfiguration.objects.get().status == Status.ACTIVE
    left.refresh_from_db()
    assert (left.state, left.dialogue[0]["said"]) == ("failed", "The check was cut off.")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"sender_email": "a@x.tw\r\nBcc: e@x.tw"}, "sender_email"),
        ({"sender_email": "a@x.tw, b@x.tw"}, "sender_email"),
        ({"sender_email": ""}, "sender_email"),
        ({"sender_name": "Bank <e@x.tw>"}, "sender_name"),
        ({"sender_name": "a\nBcc: e@x.tw"}, "sender_name"),
        ({"reply_to": "a@x.tw <b@x.tw>"}, "reply_to"),
        ({"provider": "pigeon"}, "provider"),
        ({"name": "2nd"}, "name"),
        ({"name": "  -Main"}, "name"),
        ({"name": " "}, "name"),
    ],
)
def test_bad_values_are_refused_and_nothing_is_saved(
    workspace: Workspace, changes: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Invalid) as refused:
        make(workspace, **changes)
    assert [problem.pointer for problem in refused.value.problems] == [pointer]
    assert not ChannelConfiguration.objects.exists()


def test_a_name_begins_with_a_letter_of_any_alphabet_and_an_older_one_may_stay(workspace: Workspace) -> None:
    assert make(workspace, name="蕨丘 2").name == "蕨丘 2"
    older = make(workspace)
    ChannelConfiguration.objects.filter(pk=older.pk).update(name="2nd")
    older.refresh_from_db()
    configurations.change(older, values=values(name="2nd", sender_name="New"), actor=SYSTEM, now=NOW)
    older.refresh_from_db()
    assert older.sender_name == "New"


def test_a_name_is_given_once_and_the_refused_secret_is_not_kept(workspace: Workspace) -> None:
    make(workspace)
    with pytest.raises(Invalid) as refused:
        make(workspace, secret="x")
    assert refused.value.code == "name_taken"
    assert not Credential.objects.exists()


def test_the_gate_hides_from_strangers_and_names_the_missing_right(workspace: Workspace) -> None:
    made = make(workspace)
    stranger = person(
        roles.create_workspace(name="There", slug="there", actor=SYSTEM, now=NOW), "administrator"
    )
    with pytest.raises(NotFound):
        access.configuration_for(stranger, made.pk)
    manager = person(workspace, "manager")
    assert access.configuration_for(manager, made.pk) == made
    for attempt in (
        lambda: access.configuration_for(manager, made.pk, access.MANAGE),
        lambda: configurations.submit(made, actor=manager, now=NOW),
        lambda: configurations.test(made, actor=manager),
        lambda: configurations.create(workspace=workspace, values=values(name="x"), actor=manager, now=NOW),
    ):
        with pytest.raises(PermissionMissing):
            attempt()
    assert ChannelConfiguration.objects.get().status == Status.DRAFT


# ---- pages ----------------------------------------------------------------------------------------
FORM = {
    "name": "Main",
    "kind": "marketing",
    "sender_name": "Fernhill",
    "sender_email": "hello@fernhill.example",
    "reply_to": "",
    "provider-host": "127.0.0.1",
    "provider-tls": "none",
    "provider-username": "",
    "provider-password": "",
}


def test_an_administrator_makes_tests_and_activates_a_configuration_in_the_browser(
    client: Client, workspace: Workspace
) -> None:
    client.force_login(person(workspace, "administrator"))
    assert "SMTP server" in client.get("/channels/new/").content.decode()
    assert client.get("/channels/new/?provider=smtp").status_code == 200
    with FakeSmtp() as server:
        answer = client.post("/channels/new/?provider=smtp", {**FORM, "provider-port": server.port})
        made = ChannelConfiguration.objects.get()
        assert answer.headers["Location"] == f"/channels/{made.pk}/"
        assert "Test and activate" in client.get(f"/channels/{made.pk}/").content.decode()
        assert "250 2.1.0 Ok" in client.post(f"/channels/{made.pk}/test/", follow=True).content.decode()
        made.refresh_from_db()
        assert made.status == Status.DRAFT
        client.post(f"/channels/{made.pk}/submit/")
        assert "is-live" in client.get(f"/channels/{made.pk}/").content.decode()
    made.refresh_from_db()
    assert made.status == Status.ACTIVE
    assert "present version goes on" in client.get(f"/channels/{made.pk}/edit/").content.decode()
    answer = client.post(f"/channels/{made.pk}/edit/", {**FORM, "provider-port": 1}, follow=True)
    assert "The old one goes on carrying messages" in answer.content.decode()
    assert client.post(f"/channels/{made.pk}/deactivate/").status_code == 302
    assert "is-stopped" in client.get("/channels/").content.decode()
    assert "cannot be edited now" in client.get(f"/channels/{made.pk}/edit/").content.decode()
    assert client.post(f"/channels/{made.pk}/edit/", {**FORM, "provider-port": 1}).status_code == 409


def test_a_tests_result_stays_when_the_language_is_switched_until_something_is_changed(
    client: Client, workspace: Workspace
) -> None:
    client.force_login(person(workspace, "administrator"))
    with FakeSmtp() as server:
        made, other = make(workspace, server), make(workspace, server, name="Other")
        here = f"/channels/{made.pk}/test/"
        assert client.post(here).headers["Location"] == here
        connections = server.connections
        assert "Connect to 127.0.0.1" in client.get(here).content.decode()
        switched = client.post("/accounts/preferences/", {"language": "zh-hant", "next": here}, follow=True)
        assert "連線至 127.0.0.1" in switched.content.decode()
        assert server.connections == connections  # it is shown again, not held again
    for page in (f"/channels/{made.pk}/", f"/channels/{other.pk}/test/"):
        assert "連線至" not in client.get(page).content.decode()
    configurations.change(made, values=values(), actor=SYSTEM, now=NOW + timedelta(hours=1))
    assert "連線至" not in client.get(here).content.decode()


def test_a_faulty_form_keeps_what_was_entered_and_saves_nothing(client: Client, workspace: Workspace) -> None:
    client.force_login(person(workspace, "administrator"))
    bad = {
        **FORM,
        "sender_email": "nobody",
        "provider-host": "a b",
        "provider-port": 99999,
        "provider-username": "us",
    }
    answer = client.post("/channels/new/?provider=smtp", {**bad, "provider-password": "marker-7f3a"})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert 'value="a b"' in page
    assert "marker-7f3a" not in page
    assert page.count("finding box err") >= 3
    assert not ChannelConfiguration.objects.exists()
    crossing = {**FORM, "provider-host": "mail.example.com", "provider-port": 25, "provider-username": "us"}
    assert "in the clear" in client.post("/channels/new/?provider=smtp", crossing).content.decode()


def test_a_name_that_is_taken_is_shown_at_its_field(client: Client, workspace: Workspace) -> None:
    client.force_login(person(workspace, "administrator"))
    make(workspace)
    page = client.post("/channels/new/?provider=sandbox", FORM)
    assert page.status_code == 400
    assert "already a channel configuration" in page.content.decode()


@pytest.mark.parametrize("role", ["manager", "viewer"])
def test_others_may_not_change_anything(client: Client, workspace: Workspace, role: str) -> None:
    made = make(workspace)
    client.force_login(person(workspace, role))
    wanted = 404 if role == "viewer" else 403
    for method, address in [
        ("get", f"/channels/{made.pk}/edit/"),
        ("post", f"/channels/{made.pk}/edit/"),
        ("post", f"/channels/{made.pk}/duplicate/"),
        ("post", f"/channels/{made.pk}/delete/"),
        ("post", f"/channels/{made.pk}/test/"),
        ("post", f"/channels/{made.pk}/submit/"),
        ("post", f"/channels/{made.pk}/deactivate/"),
    ]:
        assert getattr(client, method)(address).status_code == wanted, address
    assert client.get("/channels/new/").status_code == 403
    assert client.get(f"/channels/{made.pk}/").status_code == (404 if role == "viewer" else 200)
    assert ChannelConfiguration.objects.get().status == Status.DRAFT


def test_odd_addresses_are_not_found_or_not_allowed(client: Client, workspace: Workspace) -> None:
    client.force_login(person(workspace, "administrator"))
    made = make(workspace)
    assert client.get("/channels/999/").status_code == 404
    assert client.post(f"/channels/{made.pk}/explode/").status_code == 404
    assert client.get(f"/channels/{made.pk}/submit/").status_code == 405
    assert client.get("/channels/new/?provider=pigeon").status_code == 400
    assert client.get("/channels/99999999999999999999/").status_code == 404
