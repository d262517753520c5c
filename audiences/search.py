"""Finding people by what somebody typed: at once by a whole identity or the start of an email address, else
by a piece of text for as long as that is bearable. Pages go by number, so that a page deep down costs what
the first one costs.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from psycopg.errors import QueryCanceled

from accounts.models import Workspace
from audiences import identities
from audiences.models import Profile
from audiences.namespaces import namespaces_of
from audiences.query import Query
from audiences.timelimit import limited
from common.errors import Invalid, Problem

PATIENCE = 2000  # milliseconds a search may take
MOST_COUNTED = 100_000

# The text of all attributes is a coarse sieve that also lets their keys through; the values decide.
HOLDS = """AND (p.email LIKE %s OR p.phone LIKE %s OR p.external_id ILIKE %s
    OR (p.attributes::text ILIKE %s
        AND EXISTS (SELECT 1 FROM jsonb_each_text(p.attributes) held WHERE held.value ILIKE %s))) """


@dataclass(frozen=True)
class Page:
    """`older` and `newer` are the numbers the next pages go on from; None where there is nothing more.

    `is_start`: these are only the people whose email address begins with the text.
    """

    people: list[Profile]
    older: int | None
    newer: int | None
    is_start: bool = False


def page(
    workspace: Workspace,
    *,
    text: str = "",
    everywhere: bool = False,
    is_test: bool | None = None,
    before: int | None = None,
    after: int | None = None,
    size: int = 50,
) -> Page:
    """The newest first. Where addresses begin with the text, only those people, unless `everywhere` is asked.

    Raises Invalid `too_slow` when a piece of text cannot be looked for in time.
    """
    query = Query("SELECT p.id FROM audiences_profile p WHERE p.workspace_id = %s ", (workspace.pk,))
    if is_test is not None:
        query += Query("AND p.is_test = %s ", (is_test,))
    is_start = False
    if text:
        matching, is_start = _matching(workspace, text, everywhere)
        query += matching
    if before is not None:
        query += Query("AND p.id < %s ", (before,))
    if after is not None:
        query += Query("AND p.id > %s ", (after,))
    order = "ASC" if after is not None else "DESC"
    ids = _in_time(query + Query(f"ORDER BY p.id {order} LIMIT %s", (size + 1,)))
    shown, has_more = ids[:size], len(ids) > size
    if after is not None:
        shown.reverse()
    people = Profile.objects.in_bulk(shown)
    has_older, has_newer = (True, has_more) if after is not None else (has_more, before is not None)
    return Page(
        [people[pk] for pk in shown if pk in people],
        shown[-1] if shown and has_older else None,
        shown[0] if shown and has_newer else None,
        is_start,
    )


def quickly(workspace: Workspace, text: str, *, most: int) -> list[Profile]:
    """Whoever has this identity; where nobody has, those whose email address begins with the text."""
    exact = exactly(workspace, text)
    named = Query("AND p.id = ANY(%s) ", (sorted(exact),)) if exact else _beginning(text)
    query = Query("SELECT p.id FROM audiences_profile p WHERE p.workspace_id = %s ", (workspace.pk,))
    people = Profile.objects.in_bulk(_in_time(query + named + Query("LIMIT %s", (most,))))
    return sorted(people.values(), key=lambda person: -person.pk)


def _matching(workspace: Workspace, text: str, everywhere: bool) -> tuple[Query, bool]:
    """And whether it is about the start of an address."""
    exact = exactly(workspace, text)
    if exact:
        return Query("AND p.id = ANY(%s) ", (sorted(exact),)), False
    starts = _beginning(text)
    if not everywhere and _is_any(workspace, starts):
        return starts, True
    piece = f"%{_literal(text)}%"
    return Query(HOLDS, (piece.lower(), piece, piece, piece.replace('"', '\\\\"'), piece)), False


def _beginning(text: str) -> Query:
    return Query("AND p.email LIKE %s ", (f"{_literal(text).lower()}%",))


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _is_any(workspace: Workspace, condition: Query) -> bool:
    query = Query("SELECT p.id FROM audiences_profile p WHERE p.workspace_id = %s ", (workspace.pk,))
    return bool(_in_time(query + condition + Query("LIMIT 1")))


def exactly(workspace: Workspace, text: str) -> set[int]:
    """The people who have this identity, whatever its namespace; from indexes alone."""
    known, pairs = namespaces_of(workspace), []
    for namespace in known:
        try:
            pairs.append((namespace, identities.clean(workspace, namespace, text, known=known)))
        except Invalid:
            continue
    return set(identities.owners(workspace.pk, pairs).values())


def _in_time(query: Query) -> list[int]:
    try:
        with limited(PATIENCE), connection.cursor() as cursor:
            cursor.execute(query.sql, query.params)
            return [int(row[0]) for row in cursor.fetchall()]
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        detail = _(
            "There are too many people to look through for a piece of text. Write a whole address, phone "
            "number or id, or make an audience by a rule."
        )
        raise Invalid(Problem("too_slow", detail, "search")) from error


def count(workspace: Workspace) -> tuple[int, bool]:
    """How many people the workspace has, and whether there are more than that."""
    rows: QuerySet[Profile] = Profile.objects.filter(workspace=workspace)
    found = rows.order_by()[: MOST_COUNTED + 1].count()
    return min(found, MOST_COUNTED), found > MOST_COUNTED
