"""Roles → a role → Users → Add → Save, through the admin site as a browser would; and what it refuses."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts import audit, credentials, roles
from accounts.access import SYSTEM, may, people_who_may
from accounts.auditwords import kind_in_words, verb_in_words
from accounts.models import AccessLabel, ApiCredential, AuditEntry, Role, User, Workspace
from audiences.models import Audience

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LISTS = ("role", "user", "workspace", "apicredential", "auditentry")


@pytest.fixture
def workspace() -> Workspace:
    return roles.create_workspace(name="Fernhill", slug="fernhill", actor=SYSTEM, now=NOW)


def role_of(workspace: Workspace, builtin: str) -> Role:
    return Role.objects.get(workspace=workspace, builtin=builtin)


def person(email: str, role: Role | None = None, **fields: Any) -> User:
    user = User.objects.create_user(email, "a long password", name=email.partition("@")[0].title(), **fields)
    if role:
        roles.grant(role, who=email, actor=SYSTEM, now=NOW)
        user.refresh_from_db()
    return user


@pytest.fixture
def priya(workspace: Workspace, client: Client) -> User:
    """An administrator, signed in."""
    user = person("priya@fernhill.example", role_of(workspace, "administrator"))
    client.force_login(user)
    return user


def address(name: str, *args: Any) -> str:
    return reverse(f"admin:accounts_{name}", args=args)


def rows(*filled: str, holding: Any = ()) -> dict[str, str]:
    """What the browser sends for the role's "Users" part."""
    prefix = "User_groups"
    data = {
        f"{prefix}-TOTAL_FORMS": str(len(holding) + len(filled)),
        f"{prefix}-INITIAL_FORMS": str(len(holding)),
    }
    for number, row in enumerate(holding):
        data |= {f"{prefix}-{number}-id": str(row.pk), f"{prefix}-{number}-group": str(row.group_id)}
    for number, who in enumerate(filled, start=len(holding)):
        data[f"{prefix}-{number}-who"] = who
    return data


def holding(role: Role) -> list[Any]:
    return list(User.groups.through.objects.filter(group=role.pk).order_by("user__name"))


def test_an_administrator_gives_a_role_to_an_address_nobody_has_yet(
    client: Client, workspace: Workspace, priya: User, django_capture_on_commit_callbacks: Any
) -> None:
    role = role_of(workspace, "manager")
    page = client.get(address("role_change", role.pk))
    assert page.status_code == 200
    assert "Name or email" in page.content.decode()
    assert '<datalist id="people">' in page.content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(address("role_change", role.pk), rows("Lin@fernhill.example"))
    assert answer.status_code == 302
    assert [message.to for message in mail.outbox] == [["lin@fernhill.example"]]
    user = User.objects.get(email="lin@fernhill.example")
    assert may(user, "campaigns.manage_campaign", workspace)
    assert not user.has_usable_password()
    entry = AuditEntry.objects.get(verb="grant role", actor_key=f"user:{priya.pk}")
    assert entry.details == {"user": "lin@fernhill.example"}
    assert audit.verify(workspace) == []


def test_the_link_in_the_invitation_sets_a_password_once_and_signs_in(
    client: Client, workspace: Workspace, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        roles.grant(role_of(workspace, "viewer"), who="lin@fernhill.example", actor=SYSTEM, now=NOW)
    link = next(line for line in mail.outbox[0].body.splitlines() if line.startswith("http"))
    path = link.removeprefix("http://127.0.0.1:8000")
    form = client.get(path, follow=True)
    assert "Choose a password" in form.content.decode()
    passwords = {"new_password1": "correct horse 42", "new_password2": "correct horse 42"}
    assert client.post(form.request["PATH_INFO"], passwords).headers["Location"] == "/"
    assert client.get("/").status_code == 200
    again = Client().get(path, follow=True).content.decode()
    assert "This link was used already" in again


def test_a_known_person_named_gets_one_mail_in_their_language(
    client: Client, workspace: Workspace, priya: User, django_capture_on_commit_callbacks: Any
) -> None:
    person("ana@fernhill.example", language="zh-hant")
    role = role_of(workspace, "approver")
    with django_capture_on_commit_callbacks(execute=True):
        client.post(address("role_change", role.pk), rows("ANA"))
    (message,) = mail.outbox
    assert message.to == ["ana@fernhill.example"]
    assert "/accounts/welcome/" not in message.body
    assert "http://127.0.0.1:8000/" in message.body
    with django_capture_on_commit_callbacks(execute=True):
        client.post(address("role_change", role.pk), rows("ana@fernhill.example", holding=holding(role)))
    assert len(mail.outbox) == 1
    assert AuditEntry.objects.filter(verb="grant role", details__user="ana@fernhill.example").count() == 1


def test_the_same_new_address_written_twice_is_one_person_and_one_mail(
    client: Client, workspace: Workspace, priya: User, django_capture_on_commit_callbacks: Any
) -> None:
    role = role_of(workspace, "viewer")
    with django_capture_on_commit_callbacks(execute=True):
        client.post(address("role_change", role.pk), rows("lin@fernhill.example", "LIN@fernhill.example"))
    assert len(mail.outbox) == 1
    assert len(holding(role)) == 1


def test_taking_a_role_away_goes_through_the_verb(client: Client, workspace: Workspace, priya: User) -> None:
    role = role_of(workspace, "manager")
    ana = person("ana@fernhill.example", role)
    data = rows(holding=holding(role)) | {"User_groups-0-DELETE": "on"}
    assert client.post(address("role_change", role.pk), data).status_code == 302
    assert not may(ana, "campaigns.view_campaign", workspace)
    assert AuditEntry.objects.filter(verb="revoke role", details={"user": ana.email}).exists()


@pytest.mark.parametrize(
    ("who", "error"),
    [("nobody", "Give an email address"), ("a@", "Give an email address"), ("Twin", "More than one person")],
)
def test_a_wrong_name_is_told_at_its_field_and_nothing_is_saved(
    client: Client, workspace: Workspace, priya: User, who: str, error: str
) -> None:
    person("twin@one.example")
    person("twin@two.example")
    role = role_of(workspace, "viewer")
    answer = client.post(address("role_change", role.pk), rows("good@fernhill.example", who))
    assert answer.status_code == 200
    assert error in answer.content.decode()
    assert not holding(role)
    assert not User.objects.filter(email="good@fernhill.example").exists()
    assert not mail.outbox


def test_a_row_of_another_role_cannot_be_smuggled_in(
    client: Client, workspace: Workspace, priya: User
) -> None:
    manager, viewer = role_of(workspace, "manager"), role_of(workspace, "viewer")
    ana = person("ana@fernhill.example", manager)
    data = rows(holding=holding(manager)) | {"User_groups-0-DELETE": "on"}
    client.post(address("role_change", viewer.pk), data)
    assert may(ana, "campaigns.manage_campaign", workspace)


def test_what_a_role_may_do_cannot_be_changed_by_a_forged_form(
    client: Client, workspace: Workspace, priya: User
) -> None:
    role = role_of(workspace, "viewer")
    before = set(role.permissions.values_list("pk", flat=True))
    client.post(address("role_change", role.pk), rows() | {"title": "King", "permissions": ["1", "2"]})
    role.refresh_from_db()
    assert role.title == "Campaign viewer"
    assert set(role.permissions.values_list("pk", flat=True)) == before


def test_another_workspace_does_not_exist_for_its_neighbours_administrator(
    client: Client, workspace: Workspace, priya: User
) -> None:
    other = roles.create_workspace(name="Otherhill", slug="otherhill", actor=SYSTEM, now=NOW)
    stranger = person("secret@otherhill.example", role_of(other, "manager"))
    credential, _token = credentials.issue(
        workspace=other, role=role_of(other, "manager"), name="Theirs", actor=SYSTEM, now=NOW
    )
    theirs = role_of(other, "viewer")
    for name, pk in (
        ("role", theirs.pk),
        ("workspace", other.pk),
        ("user", stranger.pk),
        ("apicredential", credential.pk),
        ("auditentry", AuditEntry.objects.filter(workspace=other)[0].pk),
    ):
        assert client.get(address(f"{name}_change", pk)).status_code == 302, name
        assert "otherhill" not in client.get(address(f"{name}_changelist")).content.decode().lower()
    client.post(address("role_change", theirs.pk), rows("priya@fernhill.example"))
    assert not may(priya, "campaigns.view_campaign", other)


@pytest.mark.parametrize("builtin", ["approver", "manager", "viewer"])
def test_the_admin_site_is_closed_to_who_may_not_give_roles(
    client: Client, workspace: Workspace, builtin: str
) -> None:
    client.force_login(person(f"{builtin}@fernhill.example", role_of(workspace, builtin)))
    role = role_of(workspace, "administrator")
    answer = client.post(address("role_change", role.pk), rows(f"{builtin}@fernhill.example"))
    assert answer.status_code == 302
    assert "/admin/login/" in answer.headers["Location"]
    assert not holding(role)


def test_it_closes_again_with_the_last_administrator_role(workspace: Workspace, priya: User) -> None:
    assert priya.is_staff
    person("lin@fernhill.example", role_of(workspace, "administrator"))
    roles.revoke(role_of(workspace, "administrator"), user=priya, actor=SYSTEM, now=NOW)
    priya.refresh_from_db()
    assert not priya.is_staff


def test_a_superuser_opens_a_workspace_and_becomes_its_administrator_but_of_no_other(
    client: Client, workspace: Workspace
) -> None:
    root = User.objects.create_superuser("root@fernhill.example", "x", name="Root")
    client.force_login(root)
    form = {"name": "Staging", "slug": "staging", "time_zone": "Asia/Taipei", "approval_required": "on"}
    assert client.post(address("workspace_add"), form).status_code == 302
    made = Workspace.objects.get(slug="staging")
    assert made.approval_required
    assert set(made.roles.values_list("builtin", flat=True)) == set(roles.BUILTIN)
    assert may(root, "accounts.manage_workspace", made)
    assert not mail.outbox
    theirs = role_of(workspace, "administrator")
    client.post(address("role_change", theirs.pk), rows("root@fernhill.example"))
    assert not may(root, "campaigns.view_campaign", workspace)


def test_the_first_superuser_is_led_to_the_first_workspace(client: Client) -> None:
    ana = User.objects.create_user("ana@fernhill.example", "x", name="Ana")
    root = User.objects.create_superuser("root@fernhill.example", "x", name="Root")
    add = reverse("admin:accounts_workspace_add")
    client.force_login(ana)
    assert f'href="{add}"' not in client.get("/").content.decode()
    client.force_login(root)
    assert f'href="{add}"' in client.get("/").content.decode()
    assert "prepopulate.js" in client.get(add).content.decode()


@pytest.mark.parametrize("field", ["slug", "name", "time_zone"])
def test_a_workspace_that_cannot_be_is_refused_at_the_field(
    client: Client, workspace: Workspace, field: str
) -> None:
    client.force_login(User.objects.create_superuser("root@fernhill.example", "x", name="Root"))
    good = {"name": "Staging", "slug": "staging", "time_zone": "UTC"}
    bad = {"slug": "fernhill", "name": "", "time_zone": "Mars/Olympus"}
    answer = client.post(address("workspace_add"), good | {field: bad[field]})
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert Workspace.objects.count() == 1


def test_requiring_approval_is_recorded_with_what_it_was(
    client: Client, workspace: Workspace, priya: User
) -> None:
    form = {"name": "Fernhill", "time_zone": "UTC", "approval_required": "on"}
    assert client.post(address("workspace_change", workspace.pk), form).status_code == 302
    entry = AuditEntry.objects.get(verb="change", workspace=workspace)
    assert entry.details == {"changes": {"approval_required": [False, True]}}


def test_only_a_superuser_changes_a_person_and_it_is_recorded(
    client: Client, workspace: Workspace, priya: User
) -> None:
    ana = person("ana@fernhill.example", role_of(workspace, "manager"))
    form = {"name": "Ana", "time_zone": "UTC", "language": "en"}
    assert client.post(address("user_change", ana.pk), form).status_code == 403
    root = User.objects.create_superuser("root@fernhill.example", "x", name="Root")
    client.force_login(root)
    assert client.post(address("user_change", ana.pk), form).status_code == 302
    ana.refresh_from_db()
    assert not ana.is_active
    assert AuditEntry.objects.get(workspace=None).details["changes"]["is_active"] == [True, False]
    assert not may(ana, "campaigns.view_campaign", workspace)


def test_a_superuser_cannot_lock_themselves_out(client: Client) -> None:
    root = User.objects.create_superuser("root@fernhill.example", "x", name="Root")
    client.force_login(root)
    form = {"name": "Root", "time_zone": "UTC", "language": "en"}
    answer = client.post(address("user_change", root.pk), form)
    assert answer.status_code == 400
    assert "Nobody can lock themselves out" in answer.content.decode()
    root.refresh_from_db()
    assert root.is_active
    assert root.is_superuser


@pytest.mark.parametrize("name", LISTS)
def test_every_list_opens_and_credentials_and_the_log_can_only_be_read(
    client: Client, workspace: Workspace, priya: User, name: str
) -> None:
    credential, token = credentials.issue(
        workspace=workspace, role=role_of(workspace, "manager"), name="Shop", actor=priya, now=NOW
    )
    assert client.get(address(f"{name}_changelist")).status_code == 200
    assert client.get(address(f"{name}_add")).status_code == 403
    if name in ("apicredential", "auditentry"):
        entry = AuditEntry.objects.filter(workspace=workspace)[0]
        row = credential if name == "apicredential" else entry
        page = client.get(address(f"{name}_change", row.pk))
        assert page.status_code == 200
        assert token.partition(".")[2] not in page.content.decode()
        assert client.post(address(f"{name}_change", row.pk), {"name": "x"}).status_code == 403
        assert client.post(address(f"{name}_delete", row.pk), {"post": "yes"}).status_code == 403
    assert ApiCredential.objects.get().name == "Shop"


def test_groups_cannot_be_edited_behind_the_roles_back(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root@fernhill.example", "x", name="Root"))
    assert client.get("/admin/auth/group/").status_code == 404


# ---- the last administrator ----------------------------------------------------------------


def without(role: Role, user: User) -> dict[str, str]:
    """The form with that person's row ticked for removal."""
    (row,) = [one for one in holding(role) if one.user == user]
    return rows(holding=[row]) | {"User_groups-0-DELETE": "on"}


def test_the_last_administrator_stays_one_until_another_follows(
    client: Client, workspace: Workspace, priya: User
) -> None:
    role = role_of(workspace, "administrator")
    refused = client.post(address("role_change", role.pk), without(role, priya))
    assert refused.status_code == 409
    assert "Nobody could manage “Fernhill” any more" in refused.content.decode()
    assert may(priya, "accounts.manage_workspace", workspace) and User.objects.get(pk=priya.pk).is_staff
    assert not AuditEntry.objects.filter(verb="revoke role").exists()
    (row,) = holding(role)
    follows = rows("lin@fernhill.example", holding=[row]) | {"User_groups-0-DELETE": "on"}
    assert client.post(address("role_change", role.pk), follows).status_code == 302
    assert [one.user.email for one in holding(role)] == ["lin@fernhill.example"]


def test_the_operator_switches_a_stolen_account_off_and_names_who_follows(
    client: Client, workspace: Workspace, priya: User, capsys: pytest.CaptureFixture[str]
) -> None:
    role = role_of(workspace, "administrator")
    credentials.issue(workspace=workspace, role=role, name="Backdoor", actor=priya, now=NOW)
    with pytest.raises(CommandError, match=r"Nobody could manage “Fernhill” any more.*--instead"):
        call_command("switch_off", "priya@fernhill.example")
    with pytest.raises(CommandError, match="Nobody here"):
        call_command("switch_off", "stranger@fernhill.example")
    assert client.get("/").status_code == 200
    call_command("switch_off", "PRIYA@fernhill.example", instead="lin@fernhill.example")
    assert client.get("/").status_code == 302
    assert [one.email for one in people_who_may("accounts.manage_workspace", workspace)] == [
        "lin@fernhill.example"
    ]
    entry = AuditEntry.objects.get(verb="change", object_key=str(priya.pk), workspace=None)
    assert (entry.actor, entry.details["changes"]) == ("the clock", {"is_active": [True, False]})
    assert "“Backdoor” of fernhill" in capsys.readouterr().out


def test_a_role_that_does_not_manage_goes_from_its_last_holder(client: Client, workspace: Workspace) -> None:
    role = role_of(workspace, "viewer")
    lin = person("lin@fernhill.example", role)
    roles.revoke(role, user=lin, actor=SYSTEM, now=NOW)
    assert not holding(role)


def test_a_superuser_cannot_switch_off_the_last_administrator(
    client: Client, workspace: Workspace, priya: User
) -> None:
    client.force_login(User.objects.create_superuser("root@fernhill.example", "x", name="Root"))
    form = {"name": "Priya", "time_zone": "UTC", "language": "en"}
    refused = client.post(address("user_change", priya.pk), form)
    assert refused.status_code == 409
    assert "Nobody could manage “Fernhill” any more" in refused.content.decode()
    assert User.objects.get(pk=priya.pk).is_active
    person("lin@fernhill.example", role_of(workspace, "administrator"))
    assert client.post(address("user_change", priya.pk), form).status_code == 302
    assert not User.objects.get(pk=priya.pk).is_active


def test_the_log_in_the_admin_site_speaks_the_readers_language(
    client: Client, workspace: Workspace, priya: User
) -> None:
    entry = AuditEntry.objects.filter(verb="grant role", workspace=workspace).latest("pk")
    shown = client.get(address("auditentry_changelist"), {"object_type": "accounts.role"}).content.decode()
    assert verb_in_words("grant role") in shown and "grant role" not in shown
    User.objects.filter(pk=priya.pk).update(language="zh-hant")
    for page in (address("auditentry_changelist"), address("auditentry_change", entry.pk)):
        told = client.get(page).content.decode()
        with translation.override("zh-hant"):
            assert verb_in_words("grant role") in told and kind_in_words("accounts.role") in told
            role = Role.objects.filter(workspace=workspace, builtin="administrator").get()
            lists = client.get(address("role_changelist")).content.decode()
            form = client.get(address("role_change", role.pk)).content.decode()
            assert role.label != role.title and role.label in lists and role.label in form
    assert "還不在這裡的人會收到邀請" in form and "End two steps" not in form
    log = client.get(address("auditentry_changelist")).text
    heads = " ".join(re.findall(r"<th[^>]*>.*?</th>", log, re.S))
    assert "工作區" in heads and "Workspace" not in heads and "Actor" not in heads


def test_labels_picked_together_go_together_or_not_at_all(
    client: Client, workspace: Workspace, priya: User
) -> None:
    """One of them is still on something, so the other stays as well, and nothing says that it was deleted."""
    labels = [AccessLabel.objects.create(workspace=workspace, name=name) for name in ("free", "used")]
    Audience.objects.create(workspace=workspace, name="Board").labels.add(labels[1])
    picked = {
        "action": "delete_selected",
        "_selected_action": [label.pk for label in labels],
        "post": "yes",
    }
    assert client.post(address("accesslabel_changelist"), picked).status_code == 409
    assert AccessLabel.objects.count() == 2
    assert not LogEntry.objects.exists() and not AuditEntry.objects.filter(verb="delete").exists()
    del picked["_selected_action"][1]  # type: ignore[attr-defined]
    assert client.post(address("accesslabel_changelist"), picked).status_code == 302
    assert AccessLabel.objects.get() == labels[1]
    assert AuditEntry.objects.filter(verb="delete").count() == 1


def test_the_clocks_entries_are_no_rows_to_edit(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root@fernhill.example", "a long password", name="Root"))
    assert "celery" not in client.get("/admin/").text.lower()
    assert client.get("/admin/django_celery_beat/periodictask/add/").status_code == 404
