"""State × verb × door: whatever door a verb comes through, it works in its own states and nowhere else; and
what a campaign sends is written in a draft only. The tables below are the expectation, written by hand: a
state, a verb or a door that is new has no row in them and fails here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import CommandError, call_command, get_commands
from django.db import transaction
from django.test import Client

from accounts import roles
from accounts.models import AuditEntry, User, Workspace
from campaigns import bulk, versions
from campaigns.lifecycle import CLOCK, PRESSABLE, TRANSITIONS
from campaigns.models import Campaign, Status
from tests import builders
from tests.api import Caller
from tests.campaigns.test_lifecycle import OF_A_CAMPAIGN, OF_A_DRAFT, STATES, campaign_in, is_possible

pytestmark = pytest.mark.django_db
# A new version's states are asked over a live campaign only; test_lifecycle.py asks the rest by the verb.
ASKED = [(status, writing) for status, writing in STATES if not writing or status == "live"]
OF_THE_CLOCK = {"start", "complete", "fail"}
PRESSED = {
    *("request_approval", "cancel_request", "request_changes", "approve", "edit", "activate", "modify"),
    *("discard", "pause", "resume", "stop", "archive", "unarchive", "delete", "duplicate"),
}
# Which verbs each door offers. A credential is nobody, so it approves nothing; the admin site only shows, and
# is asked by itself.
OFFERED: dict[str, set[str]] = {
    "page": PRESSED,
    "api": PRESSED - {"approve"},
    "many": {"request_approval", "approve", "pause", "resume", "stop", "archive", "duplicate", "delete"},
}
WITH_BULK_ONLY = {"tag", "move"}  # no verbs of the lifecycle
# Every module that moves, removes or copies a campaign, or writes what it sends, and the door it is.
DOORS = {
    "campaigns/views/review.py": "page",
    "campaigns/api/campaigns.py": "api",
    "campaigns/bulk.py": "many",
    "campaigns/delivery/clock.py": "the clock",
    "campaigns/delivery/holding.py": "the clock",
    "campaigns/delivery/completion.py": "the clock",
    "campaigns/views/lists.py": "page",
    "campaigns/views/editor.py": "page",
    "campaigns/views/contents.py": "page",
    "campaigns/views/beginnings.py": "page",
    "campaigns/templates.py": "page",
    "campaigns/api/changes.py": "api",
    "campaigns/api/contents.py": "api",
    "campaigns/api/code_import.py": "code",
}
WRITING = {
    "lifecycle": {"apply", "delete", "duplicate"},
    "drafts": {"create", "save", "editing"},
    "actions": {"add", "remove", "move_up", "configure", "write", "copy_to_all"},
}
# What an operator types; each that can touch a campaign's state or content is asked below.
COMMANDS = {
    "campaign_import": "code",
    "campaign_export": "reads",
    "deliver": "the clock",
    "judge_machines": "counts",
    "read_bounce": "receipts",
    "rebuild_counts": "counts",
}


def test_every_state_verb_and_door_has_its_row() -> None:
    assert {status for status, _writing in STATES} == set(Status.values)
    assert {*OF_A_DRAFT, *OF_A_CAMPAIGN, "modify", "discard"} == set(TRANSITIONS)
    assert {verb for verb, row in TRANSITIONS.items() if row.permission == CLOCK} == OF_THE_CLOCK
    assert set(PRESSABLE) == PRESSED
    assert set(bulk.LABELS) == OFFERED["many"] | WITH_BULK_ONLY
    assert {name for name, app in get_commands().items() if app == "campaigns"} == set(COMMANDS)
    found = {str(path.relative_to(settings.ROOT)) for path in _sources() if _writes(path)}
    assert found == set(DOORS), "say in DOORS which door it is, and ask it below"


def _sources() -> Iterator[Path]:
    for app in ("accounts", "audiences", "channels", "campaigns", "config"):
        yield from (settings.ROOT / app).rglob("*.py")


def _writes(path: Path) -> bool:
    """Whether it calls one of the verbs of campaigns by its module's name."""
    tree = ast.parse(path.read_text())
    named = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "campaigns"
        for alias in node.names
    }
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in named
        and node.attr in WRITING.get(node.value.id, ())
        for node in ast.walk(tree)
    )


# ---- the verbs --------------------------------------------------------------------------------------

Press = Callable[[Campaign, str], Any]


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 2)
    return made


@pytest.fixture
def person(where: Workspace) -> User:
    made = builders.person(where, "administrator")
    roles.open_or_close_the_admin_site(made)
    return made


def doors(where: Workspace, person: User) -> Iterator[tuple[str, Press]]:
    client, call = Client(raise_request_exception=False), Caller(where, "administrator")
    client.force_login(person)
    yield "page", lambda one, verb: client.post(f"/campaigns/{one.pk}/act/{verb}/", {"comment": "why"})

    def by_api(one: Campaign, verb: str) -> Any:
        if verb == "delete":
            return call.delete(f"/api/campaigns/{one.pk}/")
        return call.post(f"/api/campaigns/{one.pk}/actions/{verb}/", {"comment": "why"})

    yield "api", by_api
    yield "many", lambda one, verb: client.post("/campaigns/many/", {"verb": verb, "pick": [one.pk]})


def works(door: str, verb: str, status: str, new_version: str) -> bool:
    if verb not in OFFERED[door] or verb in OF_THE_CLOCK:
        return False
    if verb == "duplicate":
        return True
    return status == "draft" if verb == "delete" else is_possible(verb, status, new_version)


@pytest.mark.sampled(16)
@pytest.mark.parametrize(("status", "new_version"), ASKED)
def test_a_verb_works_in_its_own_states_by_every_door(
    where: Workspace, person: User, status: str, new_version: str
) -> None:
    campaign = campaign_in(where, status, new_version)
    before, wrong = _state(campaign), []
    for door, press in doors(where, person):
        for verb in (*TRANSITIONS, "delete", "duplicate"):
            undo = transaction.savepoint()
            press(campaign, verb)
            done = AuditEntry.objects.filter(verb=verb).count()
            expected = works(door, verb, status, new_version)
            is_same = _state(campaign) == before and Campaign.objects.count() == 1
            if done != int(expected) or (is_same == expected and verb != "approve"):
                wrong.append((door, verb, done))
            transaction.savepoint_rollback(undo)
    assert wrong == []


@pytest.mark.sampled(6)
@pytest.mark.parametrize(("status", "new_version"), ASKED)
def test_the_admin_site_moves_nothing_in_any_state(
    where: Workspace, person: User, status: str, new_version: str
) -> None:
    campaign = campaign_in(where, status, new_version)
    before, told = _state(campaign), AuditEntry.objects.count()
    client = Client(raise_request_exception=False)
    client.force_login(person)
    base, one = "/admin/campaigns/campaign/", f"/admin/campaigns/campaign/{campaign.pk}/"
    assert 'name="action"' not in client.get(base).content.decode()  # so no verb is an action there
    picked = {"action": "delete_selected", "_selected_action": [campaign.pk], "post": "yes"}
    client.post(base, picked)
    assert client.post(f"{one}delete/", {"post": "yes"}).status_code == 403
    other = Status.DRAFT if status != "draft" else Status.LIVE
    assert client.post(f"{one}change/", {"status": other, "draft_status": "approved"}).status_code == 403
    assert (_state(campaign), AuditEntry.objects.count()) == (before, told)


def _state(campaign: Campaign) -> Any:
    names = ("status", "draft_status", "revision", "version", "submitted_by", "approved_by", "changed_at")
    return Campaign.objects.filter(pk=campaign.pk).values_list(*names).first()


# ---- what it sends ----------------------------------------------------------------------------------


def writers(where: Workspace, person: User, file: Path) -> Iterator[tuple[str, Callable[[Campaign], Any]]]:
    """Each door through which a campaign's content can be written."""
    client, call = Client(raise_request_exception=False), Caller(where, "administrator")
    client.force_login(person)
    by_script = {"X-Autosave": "1"}
    named = {"name": "Changed", "on_uncertain": "resend"}
    content = {"subject": "Changed", "html": "<p>Changed</p>"}

    def code(one: Campaign) -> bytes:
        text = call.get(f"/api/campaigns/{one.pk}/code/").content
        told = yaml.safe_load(text)
        told["campaign"]["name"] = "Changed"
        return yaml.safe_dump(told).encode()

    def by_command(one: Campaign) -> None:
        file.write_bytes(code(one))
        told: dict[str, Any] = {"workspace": where.slug, "campaign": one.pk, "stdout": StringIO()}
        try:
            call_command("campaign_import", str(file), who=person.email, **told)
        except CommandError as error:
            assert "cannot be edited now" in str(error)

    def form(one: Campaign, **fields: str) -> dict[str, Any]:
        return {"revision": one.revision, **fields}

    base, door = "/campaigns/{0.pk}/edit/", "/api/campaigns/{0.pk}/"
    yield "page", lambda one: client.post(f"{base.format(one)}properties/", form(one, **named))
    yield (
        "autosave",
        lambda one: client.post(f"{base.format(one)}properties/", form(one, **named), headers=by_script),
    )
    yield "content page", lambda one: client.post(f"{base.format(one)}content/", form(one, **content))
    yield "api", lambda one: call.patch(door.format(one), {"name": "Changed"})
    yield "content api", lambda one: call.patch(f"{door.format(one)}contents/0/content/", content)
    yield (
        "code",
        lambda one: call("PUT", f"{door.format(one)}code/", code(one), content_type="application/yaml"),
    )
    yield "command", by_command
    yield (
        "admin",
        lambda one: client.post(f"/admin/campaigns/campaign/{one.pk}/change/", form(one, **named)),
    )


@pytest.mark.sampled(16)
@pytest.mark.parametrize(("status", "new_version"), ASKED)
def test_what_it_sends_is_written_in_a_draft_only_by_every_door(
    where: Workspace, person: User, status: str, new_version: str, tmp_path: Path
) -> None:
    campaign = campaign_in(where, status, new_version)
    before, saves, wrong = _content(campaign), _saves(campaign), []
    for door, write in writers(where, person, tmp_path / "campaign.yaml"):
        undo = transaction.savepoint()
        write(campaign)
        may = (new_version or status) == "draft" and door != "admin"
        if (_content(campaign) != before) != may or (_saves(campaign) > saves) != may:
            wrong.append(door)
        transaction.savepoint_rollback(undo)
    assert wrong == []


def _content(campaign: Campaign) -> Any:
    row = Campaign.objects.get(pk=campaign.pk)
    return row.name, row.revision, versions.fingerprint(versions.definition(row))


def _saves(campaign: Campaign) -> int:
    return AuditEntry.objects.filter(verb="save", object_key=str(campaign.pk)).count()
