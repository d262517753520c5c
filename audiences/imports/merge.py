"""Merges the staged rows into the workspace's people: pages of rows, each one transaction with its cursor.

Killed anywhere, it goes on after the last page; the same file again changes nothing. Two imports into one
workspace take turns by page, under the lock of all who write people in bulk.
"""

from __future__ import annotations

import time
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from accounts.access import SYSTEM, Actor
from audiences.imports import mapping, staging
from audiences.imports.claims import Claim
from audiences.imports.consents import write_consents
from audiences.imports.mapping import MATCHES, Plan, plan_of
from audiences.imports.stage import differs, leave_out_taken
from audiences.locks import lock_people
from audiences.models import Audience, AudienceMember, Import

# Rows of a page: few at first, then as many as take about a second, so that the progress shown moves.
FEWEST, PAGE, SECONDS = 2_000, 20_000, 1.0

PEOPLE = """
WITH written AS (
    INSERT INTO audiences_profile AS p
        (workspace_id, {names}, locale, time_zone, attributes, is_test, created_at, changed_at)
    SELECT %(workspace)s, {names}, COALESCE(s.locale, ''), COALESCE(s.time_zone, ''),
           COALESCE(s.attributes, '{}'), COALESCE(s.is_test, FALSE), %(now)s, %(now)s
    FROM {table} s WHERE s.number > %(after)s AND s.number <= %(last)s
    ON CONFLICT (workspace_id, {match}) {action}
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new),
       (SELECT count(*) FROM {table} s WHERE s.number > %(after)s AND s.number <= %(last)s)
FROM written
"""

FILL = """
UPDATE {table} s SET is_test = p.is_test FROM audiences_profile p
WHERE p.workspace_id = %(workspace)s AND p.{match} = s.{match} AND s.is_test IS NULL
  AND s.number > %(after)s AND s.number <= %(last)s
"""

MEMBERS = """
INSERT INTO audiences_audiencemember (audience_id, profile_id)
SELECT %(audience)s, p.id FROM {table} s
JOIN audiences_profile p ON p.workspace_id = %(workspace)s AND p.{match} = s.{match}
WHERE s.number > %(after)s AND s.number <= %(last)s
ON CONFLICT DO NOTHING
"""

KEEPING = """
INSERT INTO audiences_audiencemember AS m (audience_id, profile_id, fields)
SELECT %(audience)s, p.id, COALESCE(s.membership, '{}') FROM {table} s
JOIN audiences_profile p ON p.workspace_id = %(workspace)s AND p.{match} = s.{match}
WHERE s.number > %(after)s AND s.number <= %(last)s
ON CONFLICT (audience_id, profile_id) DO UPDATE SET fields = m.fields || EXCLUDED.fields
WHERE m.fields || EXCLUDED.fields <> m.fields
"""

# A cell's identity is a text or a list of texts; '$[*]' takes either.
IDENTITIES = """
INSERT INTO audiences_identity (workspace_id, profile_id, namespace, value, created_at)
SELECT %(workspace)s, p.id, %(namespace)s, held.name #>> '{}', %(now)s FROM {table} s
JOIN audiences_profile p ON p.workspace_id = %(workspace)s AND p.{match} = s.{match}
CROSS JOIN jsonb_path_query(s.identities -> %(namespace)s, '$[*]') AS held(name)
WHERE s.number > %(after)s AND s.number <= %(last)s AND s.identities ? %(namespace)s
ORDER BY s.number
ON CONFLICT (workspace_id, namespace, md5(value)) DO NOTHING
"""

FOREIGN = """
INSERT INTO audiences_importproblem (job_id, "row", "column", value, code, extra, is_rejected)
SELECT %(job)s, s.number, %(column)s, left(i.value, 80), 'identity_taken', '', FALSE FROM {table} s
JOIN audiences_profile p ON p.workspace_id = %(workspace)s AND p.{match} = s.{match}
CROSS JOIN jsonb_path_query(s.identities -> %(namespace)s, '$[*]') AS held(name)
JOIN audiences_identity i ON i.workspace_id = %(workspace)s AND i.namespace = %(namespace)s
     AND md5(i.value) = md5(held.name #>> '{}') AND i.profile_id <> p.id
WHERE s.number > %(after)s AND s.number <= %(last)s
"""


def merge(claim: Claim, *, until: float) -> bool:
    """Works until done, or until the monotonic clock says `until`; then returns False: ring again."""
    job = claim.job
    if staging.count(job.pk) != job.staged_count:  # PostgreSQL went down and came back with an empty table
        with claim.hold():
            Import.objects.filter(pk=job.pk).update(state=Import.State.STAGING, lease_until=None)
        return False
    plan, last = plan_of(job), staging.last_row(job.pk)
    with claim.hold(phase_at=timezone.now(), phase_from=job.merged):
        pass
    size, begun = min(FEWEST, PAGE), time.monotonic()
    while job.cursor < last:
        if begun > until:
            return False
        _page(claim, plan, size)
        ended = time.monotonic()
        size, begun = next_size(size, ended - begun), ended
    _complete(claim)
    return True


def next_size(size: int, seconds: float) -> int:
    """At most twice as many rows as the page that took so long."""
    fitting = size * SECONDS / max(seconds, 0.001)
    return min(PAGE, round(max(FEWEST, min(2 * size, fitting))))


def _page(claim: Claim, plan: Plan, size: int) -> None:
    job = claim.job
    page = {"job": job.pk, "workspace": job.workspace_id, "audience": job.audience_id, "now": timezone.now()}
    page |= {"after": job.cursor, "last": job.cursor + size}
    with claim.hold():
        lock_people(job.workspace_id)
        if plan.of("is_test"):  # an empty cell leaves a test person one
            _run(FILL, plan, page)
        new, changed, rows = _write_people(job, plan, page)
        for target in plan.of("identity"):
            values = {**page, "namespace": target.key, "column": target.name}
            _run(IDENTITIES, plan, values)
            _run(FOREIGN, plan, values)
        write_consents(job, plan, page)
        if job.audience_id:
            _run(KEEPING if plan.of("membership") else MEMBERS, plan, page)
        done = {
            "cursor": page["last"],
            "merged": job.merged + rows,
            "created_count": job.created_count + new,
            "changed_count": job.changed_count + changed,
            "unchanged_count": job.unchanged_count + rows - new - changed,
        }
        Import.objects.filter(pk=job.pk).update(**done)
    for name, value in done.items():
        setattr(job, name, value)


def _run(sql: str, plan: Plan, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    return staging.run(sql.replace("{match}", plan.match), values["job"], values)


def _write_people(job: Import, plan: Plan, page: dict[str, Any]) -> tuple[int, int, int]:
    """New, changed and all people of the page. Somebody else's identity is found by the constraint alone."""
    sql = PEOPLE.replace("{action}", _action(plan)).replace("{names}", ", ".join(_names(plan)))
    others = [name for name in MATCHES if name != plan.match and plan.of(name)]
    try:
        with transaction.atomic(savepoint=bool(others)):
            return _counts(_run(sql, plan, page))
    except IntegrityError:
        if not others:
            raise
    for name in others:
        leave_out_taken(job, plan, name, after=page["after"], last=page["last"], tell=True)
    return _counts(_run(sql, plan, page))


def _counts(rows: list[tuple[Any, ...]]) -> tuple[int, int, int]:
    new, changed, every = rows[0]
    return int(new), int(changed), int(every)


def _names(plan: Plan) -> list[str]:
    return [name for name in MATCHES if plan.of(name)]


def _action(plan: Plan) -> str:
    """What happens to a person who is known: only what the row says, and nothing when it says nothing new."""
    names = [name for name in _names(plan) if name != plan.match]
    names += [target.to for target in plan.targets if target.to in ("locale", "time_zone")]
    sets = [f"{name} = COALESCE(NULLIF(EXCLUDED.{name}, ''), p.{name})" for name in names]
    if plan.of("is_test"):
        sets.append("is_test = EXCLUDED.is_test")
    if plan.of("attribute"):
        sets.append("attributes = p.attributes || EXCLUDED.attributes")
    if not sets:
        return "DO NOTHING"
    return f"DO UPDATE SET {', '.join(sets)}, changed_at = EXCLUDED.changed_at WHERE {_is_news(plan)}"


def _is_news(plan: Plan) -> str:
    # In an upsert a blank text stands for "says nothing", as NULL does in the staging table.
    news = differs(plan, "EXCLUDED")
    for name in ("locale", "time_zone"):
        news = news.replace(f"EXCLUDED.{name} IS NOT NULL", f"EXCLUDED.{name} <> ''")
    return news


def _complete(claim: Claim) -> None:
    job, now = claim.job, timezone.now()
    with transaction.atomic():
        complete(claim)
        staging.drop(job.pk)
        mapping.remember(job, now)
        if job.audience_id:  # the clock evaluates it thoroughly, with its reach
            members = AudienceMember.objects.filter(audience=job.audience_id).count()
            Audience.objects.filter(pk=job.audience_id).update(
                counted=members, counted_at=now, next_evaluation_at=now
            )


def complete(claim: Claim) -> None:
    """Everything is in: the job's last state, and the note of what it did."""
    job, now = claim.job, timezone.now()
    with claim.hold():
        Import.objects.filter(pk=job.pk).update(
            state=Import.State.COMPLETED, finished_at=now, lease_until=None
        )
        actor: Actor = job.created_by or SYSTEM
        audit.record(
            actor=actor,
            verb="complete_import",
            obj=job.workspace,
            workspace=job.workspace,
            now=now,
            job=job.pk,
            new=job.created_count,
            changed=job.changed_count,
            unchanged=job.unchanged_count,
            rejected=job.rejected_count,
        )
