"""How tests bring in a file: through the verbs, and the work a worker would do."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

from accounts.access import SYSTEM, Actor
from accounts.models import Workspace
from audiences.imports import jobs, work
from audiences.models import Audience, Import, ImportProblem

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def uploaded(raw: bytes, where: Workspace, *, actor: Actor = SYSTEM, name: str = "people.csv") -> Import:
    return jobs.upload(where, file=io.BytesIO(raw), name=name, size=len(raw), actor=actor, now=NOW)


def worked(job: Import) -> Import:
    while work.advance(job.pk):
        pass
    job.refresh_from_db()
    return job


def checked(
    raw: bytes | str,
    where: Workspace,
    *,
    audience: Audience | None = None,
    columns: dict[str, dict[str, Any]] | None = None,
    name: str = "people.csv",
    **how: Any,
) -> Import:
    """The dry run. `columns` changes what is guessed, by the column's name; `how` the rest of the mapping."""
    job = uploaded(raw.encode() if isinstance(raw, str) else raw, where, name=name)
    given = {one["name"]: one for one in job.mapping["columns"]} | {
        column: {"name": column, **to} for column, to in (columns or {}).items()
    }
    mapping = {**job.mapping, **how, "columns": list(given.values())}
    jobs.check(job, how=mapping, audience=audience, actor=SYSTEM, now=NOW)
    return worked(job)


def put(raw: bytes | str, where: Workspace, **given: Any) -> Import:
    job = checked(raw, where, **given)
    if job.state == Import.State.READY:
        jobs.start(job, actor=SYSTEM, now=NOW)
        worked(job)
    return job


def problems(job: Import) -> list[tuple[int, str, str]]:
    return list(ImportProblem.objects.filter(job=job).values_list("row", "column", "code"))
