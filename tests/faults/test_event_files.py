"""A worker killed at every stage of a file of events: each event is there once, each fault is told once."""

from __future__ import annotations

import io
import signal
from typing import Any

import pytest
from django.utils import timezone

from accounts.access import SYSTEM
from accounts.models import Workspace
from audiences import eventfiles
from audiences.imports import work
from audiences.models import Import, Profile, ProfileEvent
from tests import builders
from tests.faults.test_imports import process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ROWS, PEOPLE = 2000, 300
STAGES = {
    "before the first row is read": "audiences.imports.eventrows:layout_of:0",
    "in the middle of reading": "audiences.imports.claims:Claim.hold:3",
    "when all rows are read": "audiences.imports.claims:Claim.hold:6",
    "when recording begins": "audiences.imports.eventrows:layout_of:1",
    "before the events of a page": "audiences.events:record:2",
    "when a page is recorded and not counted": "audiences.imports.eventsteps:_counted:2",
    "between two pages": "audiences.imports.eventsteps:_page:3",
    "when it completes": "audiences.imports.merge:complete:0",
}
DOOMED = """
import functools, importlib, os, signal, sys
import django
django.setup()
from audiences.imports import eventsteps, work
eventsteps.PAGE = 500
module, path, calls = sys.argv[2].split(":")
*holders, name = path.split(".")
found = functools.reduce(getattr, holders, importlib.import_module(module))
real, left = getattr(found, name), [int(calls)]

def doomed(*args, **kwargs):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return real(*args, **kwargs)

setattr(found, name, doomed)
while work.advance(int(sys.argv[1])):
    pass
"""


def waiting(where: Workspace) -> Import:
    """Two hundred rows are the same event twice, one names nobody."""
    day = f"{timezone.now():%Y-%m-%d}"
    rows = [f"p{n % PEOPLE}@example.com,bought,{day}T00:00:00Z,{n % (ROWS - 200)}" for n in range(ROWS)]
    raw = "\n".join(["email,name,time,total", *rows, f"nobody,bought,{day}T00:00:00Z,1"]).encode()
    return eventfiles.bring_in(
        where,
        file=io.BytesIO(raw),
        name="e.csv",
        size=len(raw),
        create_profiles=True,
        actor=SYSTEM,
        now=timezone.now(),
    )


def outcome(job: Import) -> dict[str, Any]:
    job.refresh_from_db()
    events = ProfileEvent.objects.values_list("profile__email", "properties__total")
    return {
        "job": (job.state, job.row_count, job.merged),
        "fates": (job.created_count, job.unchanged_count, job.rejected_count),
        "people": Profile.objects.count(),
        "events": sorted(events),
        "problems": list(job.problems.values_list("row", "column", "code")),
    }


def quiet() -> dict[str, Any]:
    """Computed with numbers, not with the importer: who and what together make an event."""
    events = {(f"p{n % PEOPLE}@example.com", n % (ROWS - 200)) for n in range(ROWS)}
    return {
        "job": ("completed", ROWS + 1, ROWS + 1),
        "fates": (len(events), ROWS - len(events), 1),
        "people": PEOPLE,
        "events": sorted(events),
        "problems": [(ROWS + 2, "email", "bad_email")],
    }


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_killed_at_any_stage_of_a_file_of_events_records_each_once(stage: str) -> None:
    job = waiting(builders.workspace())
    doomed = process(DOOMED, str(job.pk), STAGES[stage])
    assert doomed.wait(60) == -signal.SIGKILL
    job.refresh_from_db()
    assert job.is_working
    if job.lease_until is not None:  # between the two steps it is nobody's
        assert not work.advance(job.pk)
    Import.objects.update(lease_until=timezone.now())
    while work.advance(job.pk):
        pass
    assert outcome(job) == quiet()
