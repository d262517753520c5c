"""The audit log refuses to be changed, and shows it when it was."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from accounts import audit, roles
from accounts.access import SYSTEM
from accounts.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def workspace() -> Workspace:
    workspace = roles.create_workspace(name="Fernhill", slug="fernhill", actor=SYSTEM, now=NOW)
    for verb in ("first", "second", "third"):
        audit.record(actor=SYSTEM, verb=verb, obj=workspace, workspace=workspace, now=NOW, name="林怡君")
    return workspace


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_auditentry SET verb = 'x'",
        "DELETE FROM accounts_auditentry",
        "TRUNCATE accounts_auditentry",
    ],
)
def test_the_database_refuses_every_change(workspace: Workspace, statement: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditEntry.objects.filter(workspace=workspace).count() == 4


def tamper(statement: str) -> None:
    """What somebody with the superuser's password could do: switch the trigger off first."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_an_untouched_log_holds(workspace: Workspace) -> None:
    assert audit.verify(workspace) == []
    call_command("verify_audit")


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE accounts_auditentry SET verb = 'x' WHERE sequence = 2", "entry 2 was changed"),
        ("DELETE FROM accounts_auditentry WHERE sequence = 2", "entry 2 is missing before entry 3"),
        (
            "UPDATE accounts_auditentry SET sequence = 99 WHERE sequence = 3;"
            "UPDATE accounts_auditentry SET sequence = 3 WHERE sequence = 4;"
            "UPDATE accounts_auditentry SET sequence = 4 WHERE sequence = 99",
            "entry 3 was changed",
        ),
        ("UPDATE accounts_auditentry SET details = '{}' WHERE sequence = 3", "entry 3 was changed"),
        (
            "UPDATE accounts_auditentry SET at = at + interval '1 second' WHERE sequence = 4",
            "entry 4 was changed",
        ),
    ],
)
def test_what_was_done_past_the_trigger_is_found(workspace: Workspace, statement: str, fault: str) -> None:
    tamper(statement)
    assert fault in audit.verify(workspace)
    with pytest.raises(CommandError, match=fault):
        call_command("verify_audit")


def test_each_workspace_has_its_own_chain_and_one_that_is_gone_is_still_checked(workspace: Workspace) -> None:
    other = roles.create_workspace(name="Other", slug="other", actor=SYSTEM, now=NOW)
    assert list(audit.chain(other.pk).values_list("sequence", flat=True)) == [1]
    tamper("UPDATE accounts_auditentry SET verb = 'x', workspace_id = 4711 WHERE sequence = 2")
    with pytest.raises(CommandError, match="#4711: entry 2 was changed"):
        call_command("verify_audit")


def test_whatever_details_are_recorded_the_chain_holds(workspace: Workspace) -> None:
    details = {"big": 1e20, "small": 1e-9, "none": None, "at": NOW, "list": [1, "é", {"b": 1, "a": 0.1}]}
    entry = audit.record(actor=SYSTEM, verb="odd", obj=workspace, workspace=workspace, now=NOW, **details)
    entry.refresh_from_db()
    assert audit.entry_hash(entry) == entry.hash
    assert audit.verify(workspace) == []


@pytest.mark.parametrize("noted", ["", "x", "fernhill:4", "fernhill:x:abc", "fernhill:-1:abc"])
def test_a_head_noted_wrongly_is_refused_in_words(workspace: Workspace, noted: str) -> None:
    with pytest.raises(CommandError, match="is not WORKSPACE:SEQUENCE:HASH"):
        call_command("verify_audit", expect=[noted])


def test_a_cut_tail_is_found_with_a_head_noted_elsewhere(workspace: Workspace) -> None:
    head = AuditEntry.objects.get(workspace=workspace, sequence=4)
    tamper("DELETE FROM accounts_auditentry WHERE sequence = 4")
    call_command("verify_audit")
    with pytest.raises(CommandError, match="entry 4 is missing"):
        call_command("verify_audit", expect=[f"fernhill:4:{head.hash}"])
