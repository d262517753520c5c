"""The indexes that rules need: one set per attribute, built beside the running system and kept by the sweep.

An index covers the workspace's people only, and its expression is that of `rules/operators.py`.
States: none → wanted → building → ready or failed. What a kill leaves behind is dropped and built again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import structlog
from django.db import DatabaseError, connection, transaction

from accounts import audit
from accounts.access import Actor, require
from accounts.models import Workspace
from audiences.access import MANAGE
from audiences.models import AttributeDefinition
from audiences.query import Query
from audiences.rules import operators, references
from audiences.rules.fields import AS_TEXT, BOOLEAN, CHOICE, DATE, DATE_TIME, LIST, NUMBER, TEXT, Field

log = structlog.get_logger(__name__)

State = AttributeDefinition.Index
LARGE = 50_000  # people of a workspace from which on a used attribute gets its index by itself
LOCK_SPACE = 0x0A1D  # first key of the two-key advisory lock of a builder; the second is the attribute
NAME = re.compile(r"attribute_(\d+)_(value|start)")


# ---- verbs -------------------------------------------------------------------------------------------------


@transaction.atomic
def want(definition: AttributeDefinition, *, actor: Actor, now: datetime) -> AttributeDefinition:
    """Asks for the attribute's index; one that is there or under way stays. A worker builds it."""
    locked = _locked(definition, actor)
    if locked.index_state in (State.NONE, State.FAILED):
        _move(locked, State.WANTED, "want_index", actor, now)
    return locked


@transaction.atomic
def drop(definition: AttributeDefinition, *, actor: Actor, now: datetime) -> AttributeDefinition:
    """Gives the index up; a worker removes it."""
    locked = _locked(definition, actor)
    if locked.index_state != State.NONE:
        _move(locked, State.NONE, "drop_index", actor, now)
    return locked


def want_used(workspace: Workspace, tree: Any) -> None:
    """Asks for an index of every attribute that a rule or a composition uses, where there are many people."""
    keys = set(references.fields_used(tree))
    rows = AttributeDefinition.objects.filter(workspace=workspace, key__in=keys, index_state=State.NONE)
    if keys and rows.exists() and _is_large(workspace.pk):
        rows.update(index_state=State.WANTED)


def _locked(definition: AttributeDefinition, actor: Actor) -> AttributeDefinition:
    rows = AttributeDefinition.objects.select_for_update(of=("self",)).select_related("workspace")
    locked = rows.get(pk=definition.pk)
    require(actor, MANAGE, locked.workspace)
    return locked


def _move(definition: AttributeDefinition, state: str, verb: str, actor: Actor, now: datetime) -> None:
    definition.index_state = state
    definition.save(update_fields=["index_state"])
    audit.record(
        actor=actor,
        verb=verb,
        obj=definition,
        workspace=definition.workspace,
        now=now,
        key=definition.key,
    )


def _is_large(workspace_id: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT 1 FROM audiences_profile WHERE workspace_id = %s LIMIT %s) t",
            [workspace_id, LARGE + 1],
        )
        return int(cursor.fetchone()[0]) > LARGE


# ---- building, outside every transaction -------------------------------------------------------------------


def keep() -> None:
    """Builds what is wanted, finishes what a killed worker began, and removes what nobody wants any more."""
    waiting = AttributeDefinition.objects.filter(index_state__in=[State.WANTED, State.BUILDING])
    for pk in waiting.order_by("pk").values_list("pk", flat=True):
        build(pk)
    wanted = AttributeDefinition.objects.exclude(index_state__in=[State.NONE, State.FAILED])
    kept = set(wanted.values_list("pk", flat=True))
    for name in _present():
        found = NAME.fullmatch(name)
        if found and int(found[1]) not in kept:
            with _building(int(found[1])) as is_ours:
                if is_ours:
                    _drop(name)


def build(pk: int) -> None:
    """Builds the indexes of an attribute that waits for them. A second builder goes away at once."""
    with _building(pk) as is_ours:
        definition = AttributeDefinition.objects.filter(pk=pk).first()
        if not is_ours or definition is None or definition.index_state not in (State.WANTED, State.BUILDING):
            return
        rows = AttributeDefinition.objects.filter(pk=pk, type=definition.type)
        rows.filter(index_state=State.WANTED).update(index_state=State.BUILDING)
        try:
            for name, sql in statements(definition):
                _drop(name)
                with connection.cursor() as cursor:
                    cursor.execute(sql.sql, sql.params)
            with connection.cursor() as cursor:  # the planner knows an expression's values from here on
                cursor.execute("ANALYZE audiences_profile")
        except DatabaseError as error:
            log.warning("index failed", attribute=pk, error=type(error).__name__)
            rows.filter(index_state=State.BUILDING).update(index_state=State.FAILED)
            return
        rows.filter(index_state=State.BUILDING).update(index_state=State.READY)


def statements(definition: AttributeDefinition) -> list[tuple[str, Query]]:
    """The name of each index and the SQL that makes it."""
    kind = AS_TEXT.get(definition.type, definition.type)
    operand = operators.of_field(Field(definition.key, kind, definition.key, None))
    made = [("value", BY_TYPE[kind](operand))]
    if kind == TEXT:
        start = operators.lowered(operand)
        made.append(("start", Query(f"USING btree ({start.sql} text_pattern_ops)", start.params)))
    return [
        (name, _statement(name, on, definition.workspace_id))
        for name, on in ((f"attribute_{definition.pk}_{part}", on) for part, on in made)
    ]


def _statement(name: str, on: Query, workspace_id: int) -> Query:
    # An index knows its table by no other name.
    on = Query(on.sql.replace("p.attributes", "attributes"), on.params)
    made = Query(f"CREATE INDEX CONCURRENTLY {name} ON audiences_profile ") + on
    return made + Query(" WHERE workspace_id = %s", (workspace_id,))


def _btree(expression: Query) -> Query:
    return Query(f"USING btree (({expression.sql}))", expression.params)


def _json(operand: operators.Operand) -> Query:
    assert operand.json
    return operand.json


BY_TYPE: dict[str, Any] = {
    TEXT: lambda operand: _btree(operators.whole_text(operand)),
    CHOICE: lambda operand: _btree(operators.whole_text(operand)),
    NUMBER: lambda operand: _btree(_json(operand)),
    BOOLEAN: lambda operand: _btree(_json(operand)),
    DATE: lambda operand: _btree(operators.plain_text(operand)),
    DATE_TIME: lambda operand: _btree(operators.plain_text(operand)),
    LIST: lambda operand: Query(f"USING gin ({_json(operand).sql})", _json(operand).params),
}


@contextmanager
def _building(pk: int) -> Iterator[bool]:
    """Whether this connection may work on the attribute's indexes; for the others until it is done, not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_SPACE, pk % 2**31])
        is_ours = bool(cursor.fetchone()[0])
    try:
        yield is_ours
    finally:
        if is_ours:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_SPACE, pk % 2**31])


def _present() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE i.indrelid = 'audiences_profile'::regclass"
        )
        return [str(row[0]) for row in cursor.fetchall()]


def _drop(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
