"""Takes in a file of events: kept whole, read and recorded by a worker as an import is, with the same verbs.

Its columns: `audiences/imports/eventrows.py`; the worker's steps: `audiences/imports/eventsteps.py`.
"""

from __future__ import annotations

from datetime import datetime
from typing import IO

from django.db import transaction

from accounts.access import Actor
from accounts.models import Workspace
from audiences.imports import eventrows, jobs
from audiences.models import Import


@transaction.atomic
def bring_in(
    workspace: Workspace,
    *,
    file: IO[bytes],
    name: str,
    size: int,
    create_profiles: bool,
    actor: Actor,
    now: datetime,
) -> Import:
    """An import that begins at once; nobody is asked again. `size` is in bytes.

    Unknown people are refused or made. A time without a zone is meant in the workspace's zone. Raises Invalid
    for a file that cannot be right or lacks a column; what is wrong further down fails the import.
    """
    job = jobs.received(workspace, file=file, name=name, size=size, actor=actor, now=now)
    eventrows.layout_of(job.header, workspace)
    job.content, job.mapping = Import.Content.EVENTS, {"createProfiles": create_profiles}
    job.state, job.is_confirmed, job.phase_at = Import.State.STAGING, True, now
    jobs.keep(job, file, actor=actor, now=now)
    return job
