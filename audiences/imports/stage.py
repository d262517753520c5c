"""Reads the whole file, page by page, into the job's staging table, and tells what a merge would do.

Nothing of the workspace changes yet. Killed anywhere, it begins again from the first row: the outcome is the
same, and a million rows take seconds.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from audiences.imports import staging
from audiences.imports.claims import Claim
from audiences.imports.mapping import MATCHES, Plan, plan_of
from audiences.imports.reader import Source, batches, header_of, rows_of
from audiences.imports.sheet import PROBLEM_COLUMNS, Page, Sheet
from audiences.imports.sniff import refusal
from audiences.imports.writer import Writer
from audiences.models import AttributeDefinition, Import, ImportProblem
from common.errors import Invalid, Problem

PAGE = 2000
FLUSH = 3 * 1024 * 1024  # bytes kept before they go to the database
AHEAD = 4  # pieces of the file at hand while that is written
MOST_CHOICES = 500
WORK_MEM = "SET LOCAL work_mem = '64MB'"


@dataclass
class _Buffer:
    lines: list[bytes] = field(default_factory=list)
    problems: list[bytes] = field(default_factory=list)
    read: int = 0
    staged: int = 0
    rejected: int = 0
    size: int = 0

    def add(self, page: Page) -> None:
        self.lines.append(page.lines)
        self.problems.append(page.problems)
        self.size += len(page.lines) + len(page.problems)
        self.read, self.staged = self.read + page.read, self.staged + page.staged
        self.rejected += page.rejected

    def take(self) -> tuple[list[bytes], list[bytes]]:
        """The lines and the problems, which are then no longer kept here."""
        taken = self.lines, self.problems
        self.lines, self.problems, self.size = [], [], 0
        return taken


def stage(claim: Claim) -> None:
    """Leaves the job ready, or merging again where the merge had begun. Raises Invalid for a bad file."""
    job, plan = claim.job, plan_of(claim.job)
    is_again = job.cursor > 0  # the merge had begun: its reports stay
    with claim.hold(phase_at=timezone.now(), phase_from=0, read_bytes=0, row_count=0):
        staging.create(job.pk)
        if not is_again:
            ImportProblem.objects.filter(job=job).delete()
    with _no_collecting(), Writer() as writer:
        source, buffer = Source(job, before=writer.wait), _Buffer()
        rows = rows_of(job, source)
        sheet = Sheet(job.pk, plan, len(header_of(rows)))
        for batch in batches(rows, PAGE):
            buffer.add(sheet.page(batch))
            if buffer.size > FLUSH:
                writer.wait()
                source.fetch(AHEAD)
                writer.write(_flush(claim, sheet, buffer, source, is_again))
        writer.wait()
        _flush(claim, sheet, buffer, source, is_again)()
    _finish(claim, plan, buffer, is_again)


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Millions of cells make no cycles, and looking for some would take a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _flush(claim: Claim, sheet: Sheet, buffer: _Buffer, source: Source, is_again: bool) -> Callable[[], None]:
    """What writes all that is buffered now; the buffer can be filled again at once."""
    progress = {"read_bytes": source.read, "row_count": buffer.read}
    lines, problems = buffer.take()

    def write() -> None:
        with claim.hold(**progress):
            staging.copy(staging.name(claim.job.pk), sheet.columns, lines)
            if any(problems) and not is_again:
                staging.copy("audiences_importproblem", PROBLEM_COLUMNS, problems)

    return write


def _finish(claim: Claim, plan: Plan, buffer: _Buffer, is_again: bool) -> None:
    job = claim.job
    if not buffer.read:
        raise refusal("csv_no_rows", _("There is no row below the header."))
    with claim.hold():
        staging.run(WORK_MEM, job.pk)
        staging.finish(job.pk)
        doubled = _refuse_doubles(job, plan)
        for name in MATCHES:
            if name != plan.match and plan.of(name):
                _leave_out_second(job, plan, name)
                _leave_out_taken(job, plan, name)
        staged = buffer.staged - doubled
        values: dict[str, Any] = {
            "staged_count": staged,
            "mapping": _with_choices(job, plan),
            "forecast": forecast(job, plan),
            "state": Import.State.MERGING if job.is_confirmed else Import.State.READY,
            "lease_until": None,
        }
        if not is_again:
            values["rejected_count"] = buffer.rejected + doubled
        Import.objects.filter(pk=job.pk).update(**values)


DOUBLES = """
WITH doubled AS (SELECT {key} AS value, min(number) AS first FROM {table} GROUP BY {key} HAVING count(*) > 1),
gone AS (DELETE FROM {table} s USING doubled d WHERE s.{key} = d.value AND s.number > d.first
         RETURNING s.number, d.value, d.first),
told AS (INSERT INTO audiences_importproblem (job_id, "row", "column", value, code, extra, is_rejected)
         SELECT %(job)s, number, %(column)s, left(value, 80), 'row_duplicate', first::text, TRUE FROM gone
         WHERE %(tell)s)
SELECT count(*) FROM gone
"""

SECONDS = """
WITH doubled AS (SELECT {key} AS value, min(number) AS first FROM {table} WHERE {key} IS NOT NULL
                 GROUP BY {key} HAVING count(*) > 1),
gone AS (UPDATE {table} s SET {key} = NULL FROM doubled d WHERE s.{key} = d.value AND s.number > d.first
         RETURNING s.number, d.value, d.first)
INSERT INTO audiences_importproblem (job_id, "row", "column", value, code, extra, is_rejected)
SELECT %(job)s, number, %(column)s, left(value, 80), 'identity_twice', first::text, FALSE
FROM gone WHERE %(tell)s
"""

TAKEN = """
WITH gone AS (UPDATE {table} s SET {key} = NULL FROM audiences_profile p
              WHERE p.workspace_id = %(workspace)s AND p.{key} = s.{key}
                AND p.{match} IS DISTINCT FROM s.{match}
                AND s.number > %(after)s AND s.number <= %(last)s
              RETURNING s.number, p.{key} AS value)
INSERT INTO audiences_importproblem (job_id, "row", "column", value, code, extra, is_rejected)
SELECT %(job)s, number, %(column)s, left(value, 80), 'identity_taken', '', FALSE FROM gone WHERE %(tell)s
"""


def _refuse_doubles(job: Import, plan: Plan) -> int:
    """A later row about the same person is refused, naming the earlier one. Returns how many."""
    values = {"job": job.pk, "column": plan.name_of(plan.match), "tell": job.cursor == 0}
    return int(staging.run(DOUBLES.replace("{key}", plan.match), job.pk, values)[0][0])


def _leave_out_second(job: Import, plan: Plan, name: str) -> None:
    values = {"job": job.pk, "column": plan.name_of(name), "tell": job.cursor == 0}
    staging.run(SECONDS.replace("{key}", name), job.pk, values)


def _leave_out_taken(job: Import, plan: Plan, name: str) -> None:
    leave_out_taken(job, plan, name, after=0, last=2**31 - 1, tell=job.cursor == 0)


def leave_out_taken(job: Import, plan: Plan, name: str, *, after: int, last: int, tell: bool) -> None:
    """An identity that belongs to another person stays there, and is reported."""
    values = {"job": job.pk, "workspace": job.workspace_id, "column": plan.name_of(name), "tell": tell}
    sql = TAKEN.replace("{key}", name).replace("{match}", plan.match)
    staging.run(sql, job.pk, {**values, "after": after, "last": last})


FORECAST = """
SELECT count(*) FILTER (WHERE p.id IS NULL),
       count(*) FILTER (WHERE p.id IS NOT NULL AND ({differs})), count(*)
FROM {table} s LEFT JOIN audiences_profile p ON p.workspace_id = %(workspace)s AND p.{match} = s.{match}
"""


def forecast(job: Import, plan: Plan) -> dict[str, int]:
    """What a merge would do now, in people."""
    sql = FORECAST.replace("{differs}", differs(plan, "s")).replace("{match}", plan.match)
    new, changed, every = staging.run(sql, job.pk, {"workspace": job.workspace_id})[0]
    return {"new": new, "changed": changed, "unchanged": every - new - changed}


def differs(plan: Plan, row: str) -> str:
    """SQL: whether the row says something else than the profile `p` holds. An empty cell says nothing."""
    parts = [
        f"({row}.{target.to} IS NOT NULL AND {row}.{target.to} IS DISTINCT FROM p.{target.to})"
        for target in plan.targets
        if target.to in (*MATCHES, "locale", "time_zone", "is_test") and target.to != plan.match
    ]
    if plan.of("attribute"):
        parts.append(f"(p.attributes || {row}.attributes) <> p.attributes")
    return " OR ".join(parts) or "FALSE"


CHOICES = "SELECT DISTINCT attributes ->> %(key)s FROM {table} WHERE attributes ? %(key)s LIMIT %(most)s"


def _with_choices(job: Import, plan: Plan) -> dict[str, Any]:
    """The mapping, with the choices the file holds for each new attribute of that type."""
    found: dict[str, list[str]] = {}
    for target in plan.new_attributes():
        if target.type == AttributeDefinition.Type.CHOICE:
            rows = staging.run(CHOICES, job.pk, {"key": target.key, "most": MOST_CHOICES + 1})
            if len(rows) > MOST_CHOICES:
                detail = _("The column “%(name)s” has more than %(most)s different values; make it a text.")
                values = {"name": target.name, "most": MOST_CHOICES}
                raise Invalid(Problem("too_many_choices", detail % values, "/mapping/columns"))
            found[target.key] = sorted(row[0] for row in rows)
    return {**job.mapping, "choices": found} if found else job.mapping
