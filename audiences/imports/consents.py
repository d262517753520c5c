"""What the rows of a page say about consent, recorded by the verb that all consent goes through.

An opt-out in the file always applies. "Yes" is taken from people who never said anything; it comes back from
a "no" only with evidence that is newer than the "no": the wording and the day of a new agreement.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from audiences import consent
from audiences.imports import staging
from audiences.imports.mapping import Plan, Target
from audiences.models import Import, ImportProblem
from audiences.query import Query

SAID = """
SELECT s.number AS place, p.id AS profile_id, %s::text AS channel, %s::bigint AS topic_id,
       CASE substr(s.consents, %s, 1) WHEN 'y' THEN 'yes' ELSE 'no' END AS state, %s::text AS source,
       CASE substr(s.consents, %s, 1) WHEN 'y' THEN %s::text ELSE '' END AS wording,
       CASE substr(s.consents, %s, 1) WHEN 'y' THEN %s::timestamptz ELSE %s::timestamptz END AS at
FROM <table> s JOIN audiences_profile p ON p.workspace_id = %s AND p.<match> = s.<match>
WHERE s.number > %s AND s.number <= %s AND substr(s.consents, %s, 1) IN ('y', 'n')
"""


def write_consents(job: Import, plan: Plan, page: dict[str, Any]) -> None:
    """Every "yes" that was not taken is told as a problem; its row came in."""
    for place, target in enumerate(plan.of("consent"), start=1):
        verdicts = consent.record(_said(job, plan, target, place, page), actor=job.actor_name)
        kept = [row for row, verdict in verdicts.items() if verdict == consent.Verdict.EVIDENCE_MISSING]
        told = {"column": target.name, "value": "yes", "code": "consent_kept", "is_rejected": False}
        ImportProblem.objects.bulk_create(ImportProblem(job=job, row=row, **told) for row in kept)


def _said(job: Import, plan: Plan, target: Target, place: int, page: dict[str, Any]) -> Query:
    sql = SAID.replace("<table>", staging.name(job.pk)).replace("<match>", plan.match)
    wording, yes_at = (plan.wording, agreed_at(plan)) if plan.again else ("", None)
    said = (target.channel, target.topic_id, place, f"import {job.pk}", place, wording, place)
    where = (yes_at or job.created_at, page["now"], page["workspace"], page["after"], page["last"], place)
    return Query(sql, (*said, *where))


def agreed_at(plan: Plan) -> datetime | None:
    """The end of the day on which they agreed, by the workspace's clock, as the file tells no hour."""
    if plan.agreed_at is None:
        return None
    return datetime.combine(plan.agreed_at, time(23, 59, 59), ZoneInfo(plan.zone)).astimezone(UTC)
