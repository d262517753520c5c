"""What imports hold of a person who is erased: rows on their way in, refused cells, and finished files."""

from __future__ import annotations

from django.db.models import F

from audiences.imports import staging
from audiences.models import Import, ImportChunk, ImportProblem

OVER = (Import.State.COMPLETED, Import.State.CANCELLED, Import.State.FAILED)
WAITING = """
DELETE FROM {table} WHERE email = ANY(%(addresses)s) OR phone = ANY(%(addresses)s)
   OR identities -> 'line_id' ?| %(addresses)s OR identities -> 'push_token' ?| %(addresses)s
   OR identities -> 'webpush' ?| %(addresses)s
RETURNING number
"""


def forget(workspace_id: int, addresses: list[str]) -> None:
    """In the caller's transaction. An import that goes on leaves the person out."""
    jobs = Import.objects.filter(workspace=workspace_id)
    for job in jobs.exclude(state__in=OVER).select_for_update():
        if staging.exists(job.pk):
            gone = staging.run(WAITING, job.pk, {"addresses": addresses})
            Import.objects.filter(pk=job.pk).update(staged_count=F("staged_count") - len(gone))
    ImportProblem.objects.filter(job__in=jobs, value__in=[one[:80] for one in addresses]).delete()
    done = jobs.filter(state__in=OVER, is_emptied=False)
    ImportChunk.objects.filter(job__in=done).delete()
    done.update(is_emptied=True, sample=[])
