"""How many people a rule or a composition finds, asked again and again while somebody builds it.

A count may take LIMIT seconds of the database; then a sample, else the planner, is asked instead, and the
answer says so. A newer count with the same token ends the older one's query in the database. Sizes and a few
people are read within what is left of the time.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import Any

from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext as _
from psycopg.errors import QueryCanceled

from accounts.models import Workspace
from audiences import evaluate, membership
from audiences.models import AttributeDefinition, Audience, Profile
from audiences.query import Query
from audiences.reachability import WORDS, in_use
from audiences.rules.compile import compile_rule
from audiences.timelimit import limited
from common.errors import Conflict

LIMIT = 2.0  # seconds a count may take
SLOW = 1.0  # seconds after which the plan is shown
# People looked at for an estimate, and the share of LIMIT that may take; then fewer people, with more time.
SAMPLED = ((20_000, 0.25), (500, 0.5))
FEWEST = 200  # people a sample must have met to say anything
SHOWN = 5
LOCK_SPACE = 0x11C0  # first key of the two-key advisory lock; the second is the token's
BAD_READ = "Seq Scan on audiences_profile"


@dataclass
class Count:
    """`people` is None when not even an estimate could be made; `margin` of one holds 95 times in 100.

    `reachable` (people by channel) and `sample` are None when there was no time left for them.
    """

    people: int | None
    workspace_people: int
    margin: int | None = None
    is_estimate: bool = False
    seconds: float = 0.0
    reachable: dict[str, int] | None = None
    sample: list[Profile] | None = None
    plan: str = ""
    unindexed: list[AttributeDefinition] = field(default_factory=list)

    @property
    def reached(self) -> list[tuple[str, int]]:
        """Each channel as it is called in a sentence, and how many it reaches."""
        return [(str(WORDS[channel]), people) for channel, people in (self.reachable or {}).items()]

    @property
    def is_slow(self) -> bool:
        return self.is_estimate or self.seconds > SLOW

    @property
    def is_everybody(self) -> bool:
        return self.people is not None and self.people >= self.workspace_people > 0

    @property
    def share(self) -> float:
        """Percent of the workspace's people."""
        return min(100.0, 100 * (self.people or 0) / (self.workspace_people or 1))

    @property
    def reads_everybody(self) -> bool:
        return BAD_READ in self.plan

    @property
    def low(self) -> int:
        return max(0, (self.people or 0) - (self.margin or 0))

    @property
    def high(self) -> int:
        return min(self.workspace_people, (self.people or 0) + (self.margin or 0))


class Superseded(Conflict):
    """A newer count of the same builder ended this one."""


class _TimeOut(Exception):
    pass


def count(
    rule: Any,
    workspace: Workspace,
    *,
    token: str,
    limit: float = LIMIT,
    sizes: bool = True,
    with_people: bool = False,
) -> Count:
    """Raises Invalid for a wrong rule, and Superseded when a newer count with the same token began."""
    asked = _Asked(_definition(Audience.Kind.RULE, rule=rule), compile_rule(rule, workspace), workspace)
    return _count(asked, token=token, limit=limit, sizes=sizes, with_people=with_people)


def count_composition(
    tree: Any, workspace: Workspace, *, token: str, limit: float = LIMIT, with_people: bool = False
) -> Count:
    """The same of a composition that was checked."""
    definition = _definition(Audience.Kind.COMPOSITION, composition=tree)
    asked = _Asked(definition, membership.members(definition, workspace), workspace)
    return _count(asked, token=token, limit=limit, sizes=True, with_people=with_people)


@dataclass(frozen=True)
class _Asked:
    """Who is counted: the definition, and the same as a condition over `p`."""

    definition: dict[str, Any]
    condition: Query
    workspace: Workspace

    @property
    def members(self) -> Query:
        people = Query("FROM audiences_profile p WHERE p.workspace_id = %s AND ", (self.workspace.pk,))
        return people + self.condition


def _definition(kind: str, **defined: Any) -> dict[str, Any]:
    return {"id": None, "kind": kind, "name": "", **defined}


def _count(asked: _Asked, *, token: str, limit: float, sizes: bool, with_people: bool) -> Count:
    workspace = asked.workspace
    with _alone(token):
        try:
            with _Clock(limit).running():
                everybody = Profile.objects.filter(workspace=workspace).count()
        except _TimeOut:
            return Count(None, 0, is_estimate=True)
        clock = _Clock(limit)
        try:
            with clock.running():
                found = Count(int(_row(Query("SELECT count(*) ") + asked.members)[0]), everybody)
        except _TimeOut:
            found = _estimate(asked.members, workspace, asked.condition, everybody, limit)
        found.seconds = clock.elapsed
        if sizes and not found.is_estimate:
            _add_sizes(found, asked.definition, workspace, clock, with_people)
        if found.is_slow:
            found.plan = _plan(Query("SELECT count(*) ") + asked.members)
            found.unindexed = _unindexed(asked.definition, workspace)
    return found


def finds_everybody(rule: Any, workspace: Workspace) -> bool:
    """Whether saving the rule needs a second confirmation. Raises Invalid for a wrong rule."""
    return rule in (None, {}) or count(rule, workspace, token=secrets.token_hex(8), sizes=False).is_everybody


def _add_sizes(
    found: Count, definition: dict[str, Any], workspace: Workspace, clock: _Clock, with_people: bool
) -> None:
    try:
        if with_people:
            with clock.running():
                found.sample = evaluate.sample(definition, workspace.pk, SHOWN)
        with clock.running():
            reach = evaluate.reaches(
                definition, workspace_id=workspace.pk, channels=in_use(workspace), category="marketing"
            )
            found.reachable = {channel: people.get("", 0) for channel, people in reach.items()}
    except _TimeOut:
        return


# ---- estimates ------------------------------------------------------------------------------------


def _estimate(members: Query, workspace: Workspace, condition: Query, everybody: int, limit: float) -> Count:
    """From random parts of the table; from the planner's statistics when that takes too long as well."""
    for most, part in SAMPLED:
        try:
            with _Clock(limit * part).running():
                met, matching = _row(_sampled(most, workspace, condition))
            if met >= FEWEST:
                return scaled(matching, met, everybody)
        except _TimeOut:
            continue
    try:
        with _Clock(limit / 2).running():
            return Count(min(_planned_rows(members), everybody), everybody, is_estimate=True)
    except _TimeOut:
        return Count(None, everybody, is_estimate=True)


def _sampled(most: int, workspace: Workspace, condition: Query) -> Query:
    """How many of the workspace stand in some random pages of the table, and how many of them match."""
    percent = min(25.0, 100 * most / max(_table_rows(), 1))
    return Query(
        f"SELECT count(*), count(*) FILTER (WHERE {condition.sql}) FROM audiences_profile p "
        "TABLESAMPLE SYSTEM (%s) WHERE p.workspace_id = %s",
        (*condition.params, percent, workspace.pk),
    )


def scaled(matching: int, met: int, everybody: int) -> Count:
    """A sample's share carried over to everybody, with the margin of a random draw (Wilson's interval)."""
    share, z = matching / met, 1.96
    middle = (share + z * z / (2 * met)) / (1 + z * z / met)
    half = z * sqrt(share * (1 - share) / met + z * z / (4 * met * met)) / (1 + z * z / met)
    margin = ceil(everybody * (half + abs(middle - share)))
    return Count(round(everybody * share), everybody, margin=margin, is_estimate=True)


def _table_rows() -> int:
    return int(
        _row(Query("SELECT reltuples::bigint FROM pg_class WHERE oid = 'audiences_profile'::regclass"))[0]
    )


def _planned_rows(members: Query) -> int:
    plan = _row(Query("EXPLAIN (FORMAT JSON) SELECT p.id ") + members)[0]
    return int(plan[0]["Plan"]["Plan Rows"])


def _plan(query: Query) -> str:
    try:
        with _Clock(SLOW).running(), connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {query.sql}", query.params)
            return "\n".join(row[0] for row in cursor.fetchall())
    except _TimeOut:
        return ""


def _unindexed(definition: Any, workspace: Workspace) -> list[AttributeDefinition]:
    keys = set(_attribute_keys(definition))
    rows = AttributeDefinition.objects.filter(workspace=workspace, key__in=keys)
    return list(rows.exclude(index_state=AttributeDefinition.Index.READY))


def _attribute_keys(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name in ("field", "attribute", "by"):
            if isinstance(node.get(name), str):
                yield node[name]
        for value in node.values():
            yield from _attribute_keys(value)
    elif isinstance(node, list):
        for one in node:
            yield from _attribute_keys(one)


# ---- one count per token, each within its time ----------------------------------------------------


def _row(query: Query) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(query.sql, query.params)
        found: tuple[Any, ...] = cursor.fetchone()
        return found


def _set_name(name: str) -> str:
    """Names what the connection does, for whoever may end it. Returns the name before."""
    before: str = _row(Query("SELECT current_setting('application_name')"))[0]
    _row(Query("SELECT set_config('application_name', %s, FALSE)", (name,)))
    return before


class _Clock:
    """The time that is left, one question after the other."""

    def __init__(self, limit: float) -> None:
        self.limit, self.elapsed = limit, 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Raises _TimeOut when the database needs longer for one statement than is left."""
        left, start = self.limit - self.elapsed, time.monotonic()
        if left <= 0:
            raise _TimeOut
        try:
            with limited(ceil(left * 1000)):
                yield
        except OperationalError as error:
            if _is_cancelled(error) and time.monotonic() - start >= left:
                raise _TimeOut from error
            raise
        finally:
            self.elapsed += time.monotonic() - start


def _is_cancelled(error: OperationalError) -> bool:
    return isinstance(error.__cause__, QueryCanceled)


@contextmanager
def _alone(token: str) -> Iterator[None]:
    """Ends what runs under the token, then runs under it, in one transaction."""
    name, key = _names(token)
    before = _enter(name, key)
    try:
        with transaction.atomic():
            yield
    except OperationalError as error:
        if _is_cancelled(error):
            raise Superseded(_("A newer count took its place.")) from error
        raise
    finally:
        _leave(before, key)


def _enter(name: str, key: int) -> str:
    """The session's name is what others find it by; returns the one it had."""
    with transaction.atomic():
        _row(Query("SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_SPACE, key)))
        others = "FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_cancel_backend(pid) {others} AND pid <> pg_backend_pid()", [name])
        return _set_name(name)


def _leave(before: str, key: int) -> None:
    """Gives the name back, then waits for whoever read it and may still be about to end "our" query.

    They hold the lock from reading until ending; so the end may come here, but never later.
    """
    for _again in range(5):
        try:
            with transaction.atomic():
                _set_name(before)
                _row(Query("SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_SPACE, key)))
            return
        except OperationalError as error:
            if not _is_cancelled(error):
                raise


def _names(token: str) -> tuple[str, int]:
    """The session's name while it counts (at most 63 bytes) and the second key of the lock."""
    digest = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
    return f"carillon count {digest[:32]}", int(digest[:7], 16)
