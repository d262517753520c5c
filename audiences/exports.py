"""People as the rows of a CSV file: everybody, or one audience, with the columns somebody chose.

Rows come over a server-side cursor, a page at a time: memory stays flat whatever the number of people. What
is written reads back to the same people through our own import.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.access import Actor, require
from accounts.models import Workspace
from audiences import evaluate
from audiences.access import MANAGE
from audiences.attributes import definitions_of
from audiences.models import Audience
from audiences.namespaces import COLUMNS, namespaces_of
from audiences.query import Query
from audiences.typed import written
from common.errors import Invalid, Problem

PAGE = 2000
Row = dict[str, Any]
SQL = """
SELECT p.id, p.email, p.phone, p.external_id, p.locale, p.time_zone, p.is_test, p.attributes,
       p.created_at, p.changed_at,
       (SELECT c.state FROM audiences_consent c
        WHERE c.profile_id = p.id AND c.channel = 'email' AND c.topic_id IS NULL) AS email_consent,
       (SELECT jsonb_object_agg(i.namespace, i.names) FROM (
            SELECT namespace, jsonb_agg(value ORDER BY value) AS names FROM audiences_identity
            WHERE profile_id = p.id GROUP BY namespace) i) AS names
FROM audiences_profile p WHERE p.workspace_id = %s
"""
FIXED: dict[str, Any] = {
    "locale": gettext_lazy("Language"),
    "time_zone": gettext_lazy("Time zone"),
    "is_test": gettext_lazy("Test profile"),
    "email_consent": gettext_lazy("Consent to email"),
    "created_at": gettext_lazy("Created"),
    "changed_at": gettext_lazy("Changed"),
}


@dataclass(frozen=True)
class Column:
    """`key` heads the column in the file, so that an import knows it again."""

    key: str
    label: Any
    group: str  # identities, person or attributes
    read: Callable[[Row], Any]


def columns_of(workspace: Workspace) -> dict[str, Column]:
    """Every column that may be exported, by its key, in the order of the file."""
    found = {
        one.key: Column(one.key, one.label, "identities", _identity(one.key))
        for one in namespaces_of(workspace).values()
    }
    found |= {key: Column(key, label, "person", _fixed(key)) for key, label in FIXED.items()}
    for key, definition in definitions_of(workspace).items():
        found.setdefault(key, Column(key, str(definition), "attributes", _attribute(key)))
    return found


def _identity(key: str) -> Callable[[Row], Any]:
    if key in COLUMNS:
        return _fixed(key)
    return lambda row: _names(row["names"].get(key, []))


def _names(names: list[str]) -> str:
    """Several stand as a JSON list, since a name may hold whatever would separate them."""
    if len(names) > 1 or any(name.startswith("[") for name in names):
        return json.dumps(names, ensure_ascii=False)
    return "".join(names)


def _fixed(key: str) -> Callable[[Row], Any]:
    return lambda row: row[key]


def _attribute(key: str) -> Callable[[Row], Any]:
    return lambda row: _cell(row["attributes"].get(key))


def _cell(value: Any) -> Any:
    return written(value) if isinstance(value, list) else value


def people(
    workspace: Workspace, *, audience: Audience | None = None, columns: Sequence[str] = (), actor: Actor
) -> Generator[list[Any], None, None]:
    """The header, then one row per person by number; all columns unless some are chosen.

    Rights and columns are checked before the first row is asked for; how many rows were read is noted in the
    audit log when the reading ends, also when it is broken off. Raises Invalid `unknown_column`.
    """
    require(actor, MANAGE, workspace)
    known = columns_of(workspace)
    chosen = _chosen(known, columns)
    query = Query(SQL, (workspace.pk,))
    if audience is not None:
        members = evaluate.targets(
            evaluate.definition(audience),
            workspace_id=workspace.pk,
            channel="email",
            category="transactional",
        )
        query += Query("AND p.id IN (SELECT profile_id FROM (") + members + Query(") t) ")
    return _rows(query + Query("ORDER BY p.id"), chosen, workspace, audience, actor)


def _chosen(known: Mapping[str, Column], columns: Sequence[str]) -> list[Column]:
    if unknown := sorted(set(columns) - set(known)):
        detail = _("There is no column “%(name)s”.") % {"name": unknown[0][:80]}
        raise Invalid(Problem("unknown_column", detail, "columns"))
    return [column for key, column in known.items() if not columns or key in columns]


def _rows(
    query: Query, columns: list[Column], workspace: Workspace, audience: Audience | None, actor: Actor
) -> Generator[list[Any], None, None]:
    count = 0
    try:
        yield [column.key for column in columns]
        with transaction.atomic(), connection.chunked_cursor() as cursor:
            cursor.execute(query.sql, query.params)
            while page := cursor.fetchmany(PAGE):
                names = [column.name for column in cursor.description]
                for values in page:
                    row = dict(zip(names, values, strict=True))
                    row["attributes"] = json.loads(row["attributes"])
                    row["names"] = json.loads(row["names"] or "{}")
                    count += 1
                    yield [column.read(row) for column in columns]
    finally:
        audit.record(
            actor=actor,
            verb="export_profiles",
            obj=audience or workspace,
            workspace=workspace,
            now=timezone.now(),
            people=count,
            columns=[column.key for column in columns],
        )
