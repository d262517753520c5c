"""Merges staged rows into profiles and into the audience, page by page, each page one transaction.

Killed anywhere, it goes on from the page it had reached; run twice, it changes nothing more. Consent and
suppression are not touched: an import never brings somebody back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction

from audiences.evaluate import recount
from audiences.models import AttributeDefinition, Import

PAGE = 5000
STALLED = timedelta(seconds=30)

PROFILES = """
WITH page AS (
    SELECT * FROM audiences_stagedrow WHERE job_id = %(job)s AND number > %(after)s
    ORDER BY number LIMIT %(page)s
), written AS (
    INSERT INTO audiences_profile AS p
        (workspace_id, email, locale, time_zone, attributes, is_test, created_at, changed_at)
    SELECT %(workspace)s, email, locale, time_zone, attributes, FALSE, %(now)s, %(now)s FROM page
    ON CONFLICT (workspace_id, email) DO UPDATE SET
        locale = COALESCE(NULLIF(EXCLUDED.locale, ''), p.locale),
        time_zone = COALESCE(NULLIF(EXCLUDED.time_zone, ''), p.time_zone),
        attributes = p.attributes || EXCLUDED.attributes,
        changed_at = EXCLUDED.changed_at
    RETURNING id, email, (xmax = 0) AS is_new
), members AS (
    INSERT INTO audiences_audiencemember (audience_id, profile_id)
    SELECT %(audience)s, id FROM written ON CONFLICT DO NOTHING
)
SELECT (SELECT count(*) FROM written WHERE is_new), (SELECT count(*) FROM written WHERE NOT is_new),
       (SELECT max(number) FROM page)
"""

# A phone that another profile has already stays with that profile.
PHONES = """
UPDATE audiences_profile p SET phone = s.phone
FROM (SELECT DISTINCT ON (phone) phone, email FROM audiences_stagedrow
      WHERE job_id = %(job)s AND number > %(after)s AND number <= %(last)s AND phone IS NOT NULL
      ORDER BY phone, number) s
WHERE p.workspace_id = %(workspace)s AND p.email = s.email
  AND NOT EXISTS (SELECT 1 FROM audiences_profile o
                  WHERE o.workspace_id = p.workspace_id AND o.phone = s.phone)
"""


def merge(job_id: int, *, now: datetime) -> None:
    """Runs the import to its end. A second worker on the same job waits for the page, then finds no more."""
    _define_attributes(job_id)
    while _merge_page(job_id, now):
        pass


def _define_attributes(job_id: int) -> None:
    job = Import.objects.get(pk=job_id)
    AttributeDefinition.objects.bulk_create(
        [
            AttributeDefinition(workspace_id=job.workspace_id, key=key)
            for key in job.columns
            if key not in ("email", "phone", "locale", "time_zone")
        ],
        ignore_conflicts=True,
    )


@transaction.atomic
def _merge_page(job_id: int, now: datetime) -> bool:
    """One page; False when the import is done. `merged` is the number of the last row taken."""
    job = Import.objects.select_for_update().get(pk=job_id)
    if job.state in (Import.State.COMPLETED, Import.State.FAILED):
        return False
    values = {
        "job": job.pk,
        "after": job.cursor,
        "page": PAGE,
        "workspace": job.workspace_id,
        "audience": job.audience_id,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(PROFILES, values)
        created, changed, last = cursor.fetchone()
        if last is not None:
            cursor.execute(PHONES, {**values, "last": last})
    if last is None:
        return _complete(job, now)
    job.state = Import.State.MERGING
    job.cursor = last
    job.merged += created + changed
    job.created_count += created
    job.changed_count += changed
    job.save()
    return True


def _complete(job: Import, now: datetime) -> bool:
    job.state, job.finished_at = Import.State.COMPLETED, now
    job.save()
    job.rows.all().delete()
    if job.audience:
        recount(job.audience, now)
    return False


def unfinished(now: datetime) -> list[int]:
    """Imports whose bell was lost or whose worker died; the sweep rings for them."""
    open_jobs = Import.objects.filter(
        state__in=[Import.State.STAGED, Import.State.MERGING], created_at__lt=now - STALLED
    )
    return list(open_jobs.values_list("pk", flat=True))
