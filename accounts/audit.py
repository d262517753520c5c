"""The audit log: every state change, chained by hashes so that a change to the log shows.

The rows of a workspace form one chain under an advisory lock; row n holds the hash of row n-1. A trigger
refuses update, delete and truncate; `verify` finds what was done with the trigger switched off. A chain alone
cannot see that its tail was cut: compare its head with one noted elsewhere (`verify_audit --expect`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.apps import apps
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import Model, QuerySet
from django.utils import translation

from accounts import access
from accounts.access import Actor, behind_labels
from accounts.models import AuditEntry, Workspace
from accounts.orders import key_of

LOCK_SPACE = 0x0A0D  # first key of the two-key advisory lock; the second is the workspace
CHAINED = (
    *("workspace_id", "sequence", "actor", "actor_key", "verb"),
    *("object_type", "object_key", "object_label", "details", "previous_hash"),
)


def record(
    *, actor: Actor, verb: str, obj: Model, workspace: Workspace | None, now: datetime, **details: Any
) -> AuditEntry:
    """Appends one entry in the caller's transaction. `details` must be plain values."""
    key = workspace.pk if workspace else 0
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, key])
        last = AuditEntry.objects.filter(workspace=workspace).order_by("-sequence").first()
        entry = AuditEntry(
            workspace=workspace,
            sequence=last.sequence + 1 if last else 1,
            actor=str(actor)[:200],
            actor_key=key_of(actor),
            verb=verb,
            object_type=obj._meta.label_lower,
            object_key=str(obj.pk),
            object_label=_named(obj)[:200],
            details=_plain(details),
            at=now,
            previous_hash=last.hash if last else "",
        )
        entry.hash = entry_hash(entry)
        entry.save(force_insert=True)
    return entry


def _named(obj: Model) -> str:
    """In one language, whoever acts: the log is the same for everybody."""
    with translation.override("en"):
        return str(obj)


def _plain(details: dict[str, Any]) -> Any:
    """As they will be read back. Fractions become text: jsonb writes 1e20 differently, which would break the
    hash."""
    text = json.dumps(details, cls=DjangoJSONEncoder)
    return json.loads(text, parse_float=str, parse_constant=str)


def entry_hash(entry: AuditEntry) -> str:
    """SHA-256 in hex over every field but the hash itself, as canonical JSON."""
    values = {name: getattr(entry, name) for name in CHAINED}
    values["at"] = entry.at.astimezone(UTC).isoformat()
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def history_of(obj: Model) -> QuerySet[AuditEntry]:
    """What happened to one object, the newest first."""
    rows = AuditEntry.objects.filter(object_type=obj._meta.label_lower, object_key=str(obj.pk))
    return rows.order_by("-pk")


def hidden_from(actor: Actor, entries: Iterable[AuditEntry]) -> set[int]:
    """Entries about objects whose labels the actor lacks: that something happened is told, not to what."""
    by_type: dict[str, list[AuditEntry]] = {}
    for entry in entries:
        by_type.setdefault(entry.object_type, []).append(entry)
    hidden: set[int] = set()
    for label, found in by_type.items():
        try:
            model = apps.get_model(label)
        except LookupError:  # a kind of object that exists no more
            continue
        keys = {int(entry.object_key) for entry in found if entry.object_key.isdigit()}
        behind = {str(pk) for pk in behind_labels(actor, model, keys)}
        hidden |= {entry.pk for entry in found if entry.object_key in behind}
    return hidden


def readable_by(actor: Actor, rows: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    """Without the entries about objects whose labels the actor lacks, so that no search finds them either."""
    for model in access.labelled_models():
        if behind := behind_labels(actor, model):
            keys = [str(pk) for pk in behind]
            rows = rows.exclude(object_type=model._meta.label_lower, object_key__in=keys)
    return rows


def verify(workspace: Workspace | None) -> list[str]:
    """Every fault in one chain, in words; an empty list means that it holds."""
    return verify_chain(workspace.pk if workspace else None)


def chains() -> list[int | None]:
    """The workspaces that have a log, also those that exist no more; None is the log of the installation."""
    return list(AuditEntry.objects.order_by("workspace_id").values_list("workspace_id", flat=True).distinct())


def chain(workspace_id: int | None) -> QuerySet[AuditEntry]:
    if workspace_id is None:
        return AuditEntry.objects.filter(workspace=None).order_by("sequence")
    return AuditEntry.objects.filter(workspace_id=workspace_id).order_by("sequence")


def verify_chain(workspace_id: int | None) -> list[str]:
    faults, previous, expected = [], "", 1
    for entry in chain(workspace_id).iterator():
        if entry.sequence != expected:
            faults.append(f"entry {expected} is missing before entry {entry.sequence}")
        if entry.previous_hash != previous:
            faults.append(f"entry {entry.sequence} does not follow the entry before it")
        if entry.hash != entry_hash(entry):
            faults.append(f"entry {entry.sequence} was changed")
        previous, expected = entry.hash, entry.sequence + 1
    return faults
