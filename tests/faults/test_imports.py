"""A worker killed at every stage of an import, and two imports at once: it ends as on a quiet day."""

from __future__ import annotations

import importlib
import io
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.access import SYSTEM
from accounts.models import Workspace
from audiences import attributes, consent
from audiences.imports import jobs, merge, staging, work
from audiences.imports import stage as stage_of_it
from audiences.models import Audience, AudienceMember, Consent, ConsentEntry, Import, ImportChunk, Profile
from config.env import ROOT
from tests import builders
from tests.fakes.dying import dies
from tests.fakes.house import House, needs_broker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
PEOPLE = 1200
STAGES = {
    "before the first page is staged": "audiences.imports.staging.copy:0",
    "in the middle of staging": "audiences.imports.staging.copy:3",
    "when the last page is staged": "audiences.imports.stage._refuse_doubles:0",
    "when the merge begins": "audiences.imports.merge._write_people:0",
    "in the middle of a page": "audiences.imports.merge.write_consents:2",
    "in the middle of the merge": "audiences.imports.merge._page:3",
    "when it completes": "audiences.imports.mapping.remember:0",
}


def content(count: int = PEOPLE, start: int = 0) -> bytes:
    rows = [
        f"p{n}@example.com,+8869{n:08d},Name {n},{n % 90},{('yes', 'no', '')[n % 3]}"
        for n in range(start, start + count)
    ]
    return "\n".join(["email,phone,name,age,subscribed", *rows, "wrong,,x,1,", rows[0]]).encode()


def waiting(where: Workspace, raw: bytes, name: str = "p.csv") -> Import:
    """Uploaded, with an audience, its check begun."""
    now = timezone.now()
    job = jobs.upload(where, file=io.BytesIO(raw), name=name, size=len(raw), actor=SYSTEM, now=now)
    upload, _new = Audience.objects.get_or_create(workspace=where, name="Upload", kind="upload")
    return jobs.check(job, how=job.mapping, audience=upload, actor=SYSTEM, now=now)


def outcome(job: Import) -> dict[str, Any]:
    job.refresh_from_db()
    numbers = ("state", "row_count", "staged_count", "rejected_count", "merged", "created_count")
    people = Profile.objects.filter(workspace=job.workspace_id).order_by("email")
    consents = Consent.objects.order_by("profile__email").values_list("profile__email", "channel", "state")
    return {
        "job": {name: getattr(job, name) for name in (*numbers, "changed_count", "unchanged_count")},
        "people": list(people.values_list("email", "phone", "attributes")),
        "consents": list(consents),
        "history": ConsentEntry.objects.count(),
        "members": AudienceMember.objects.count(),
        "problems": sorted(job.problems.values_list("row", "column", "code", "extra")),
        "staging": staging.exists(job.pk),
    }


def quiet(people: int = PEOPLE) -> dict[str, Any]:
    """What it looks like when nobody disturbs it; computed with numbers, not with the importer."""
    good = range(people)
    said = [(f"p{n}@example.com", "email", ("yes", "no")[n % 3]) for n in good if n % 3 < 2]
    return {
        "job": {
            "state": "completed",
            "row_count": people + 2,
            "staged_count": people,
            "rejected_count": 2,
            "merged": people,
            "created_count": people,
            "changed_count": 0,
            "unchanged_count": 0,
        },
        "people": sorted(
            (f"p{n}@example.com", f"+8869{n:08d}", {"name": f"Name {n}", "age": n % 90}) for n in good
        ),
        "consents": sorted(said),
        "history": len(said),
        "members": people,
        "problems": [(people + 2, "email", "bad_email", ""), (people + 3, "email", "row_duplicate", "2")],
        "staging": False,
    }


def doomed(job: Import, stage: str) -> Callable[[], None]:
    """A worker that kills itself, as kill -9 would, when a function is called for the nth time."""
    path, _colon, calls = STAGES[stage].partition(":")
    module, _dot, name = path.rpartition(".")

    def work_until_then() -> None:
        stage_of_it.PAGE, stage_of_it.FLUSH, merge.PAGE = 100, 200, 140
        found, left = importlib.import_module(module), [int(calls)]
        real = getattr(found, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return real(*args, **kwargs)

        setattr(found, name, counted)
        while work.advance(job.pk):
            pass

    return work_until_then


def process(code: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    house = House(Path("/nonexistent"))  # for its environment: this test's own database
    environment = {**house.environment, "BROKER_URL": "memory://"}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment, **options)


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_killed_at_any_stage_leaves_an_import_that_ends_as_if_undisturbed(stage: str) -> None:
    where = builders.workspace()
    job = waiting(where, content())
    is_merging = "merge" in STAGES[stage] or "mapping" in STAGES[stage]
    if is_merging:
        work.advance(job.pk)
        jobs.start(job, actor=SYSTEM, now=timezone.now())
    dies(doomed(job, stage))
    job.refresh_from_db()
    assert job.is_working and job.lease_until is not None
    assert not work.advance(job.pk)  # the dead one's lease still holds
    Import.objects.update(lease_until=timezone.now())
    while work.advance(job.pk):
        pass
    job.refresh_from_db()
    if job.state == Import.State.READY:
        jobs.start(job, actor=SYSTEM, now=timezone.now())
        while work.advance(job.pk):
            pass
    assert outcome(job) == quiet()


@needs_broker
def test_real_workers_killed_again_and_again_finish_by_the_sweep(tmp_path: Path) -> None:
    where = builders.workspace()
    job = waiting(where, content(6000))
    Import.objects.filter(pk=job.pk).update(is_confirmed=True)
    attributes.define(where, key="age", type="number", actor=SYSTEM, now=timezone.now())
    with House(tmp_path) as house:
        house.clock()
        for turn in range(3):
            house.worker(f"w{turn}")
            house.wait(lambda: Import.objects.filter(lease_until__isnull=False).exists() or over(job), 60)
            if turn < 2:
                time.sleep(0.05 * turn)
                house.kill(f"w{turn}")
        house.wait(lambda: over(job), 90)
    assert outcome(job)["people"] == quiet(6000)["people"]
    assert outcome(job)["history"] == quiet(6000)["history"]


def over(job: Import) -> bool:
    return Import.objects.filter(pk=job.pk, state__in=["completed", "failed"]).exists()


def test_an_upload_cut_off_in_the_middle_leaves_nothing() -> None:
    where = builders.workspace()
    raw = content(6000)

    class Cut(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 70_000:
                raise ConnectionResetError
            return super().read(min(size or -1, 30_000) if size and size > 0 else size)

    with pytest.raises(ConnectionResetError):
        jobs.upload(where, file=Cut(raw), name="p.csv", size=len(raw), actor=SYSTEM, now=timezone.now())
    assert (Import.objects.count(), ImportChunk.objects.count()) == (0, 0)


WORKER = """
import sys
import django
django.setup()
from audiences.imports import merge, work
merge.PAGE = 120
while work.advance(int(sys.argv[1])):
    pass
"""


def test_two_imports_of_overlapping_files_at_once_neither_wait_for_ever_nor_double() -> None:
    where = builders.workspace()
    first, second = waiting(where, content(1200)), waiting(where, content(1200, start=600))
    for job in (first, second):
        work.advance(job.pk)
    jobs.start(first, actor=SYSTEM, now=timezone.now())
    jobs.start(second, actor=SYSTEM, now=timezone.now())
    running = [process(WORKER, str(job.pk)) for job in (first, second)]
    for one in running:
        assert one.wait(90) == 0
    one, other = outcome(first)["job"], outcome(second)["job"]
    assert (one["state"], other["state"]) == ("completed", "completed")
    assert Profile.objects.count() == 1800
    assert one["created_count"] + other["created_count"] == 1800
    assert one["unchanged_count"] + other["unchanged_count"] == 600
    assert Consent.objects.count() == ConsentEntry.objects.count() == 1200


def test_one_import_in_two_workers_at_once_is_one_import() -> None:
    where = builders.workspace()
    job = waiting(where, content())
    running = [process(WORKER, str(job.pk)) for _ in range(2)]
    assert [one.wait(90) for one in running] == [0, 0]
    jobs.start(job, actor=SYSTEM, now=timezone.now())
    running = [process(WORKER, str(job.pk)) for _ in range(2)]
    assert [one.wait(90) for one in running] == [0, 0]
    assert outcome(job) == quiet()


def test_an_opt_out_while_the_import_runs_stands() -> None:
    where = builders.workspace()
    job = waiting(where, content(100))
    work.advance(job.pk)
    jobs.start(job, actor=SYSTEM, now=timezone.now())
    person = Profile.objects.create(workspace=where, email="p0@example.com")
    consent.withdraw(profile_id=person.pk, channel="email", source="link", now=timezone.now())
    work.advance(job.pk)
    assert Consent.objects.get(profile=person).state == "no"


class Made(io.RawIOBase):
    """A file that is made while it is read, so that only its reader holds any of it."""

    ROW = b"p%09d@example.com,+88691234567,Name,30,yes\n"
    WIDTH = len(ROW % 0)
    HEADER = b"email,phone,name,age,subscribed,".ljust(WIDTH - 1, b"x") + b"\n"

    def __init__(self, rows: int) -> None:
        self.length, self.at = self.WIDTH * rows, 0

    def seek(self, at: int, whence: int = 0) -> int:
        self.at = at
        return at

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.length - self.at)
        begin, end = self.at // self.WIDTH, (self.at + size) // self.WIDTH + 1
        lines = b"".join(self.ROW % number if number else self.HEADER for number in range(begin, end))
        self.at += size
        return lines[self.at - size - begin * self.WIDTH :][:size]


def test_a_large_upload_is_never_held_whole() -> None:
    """What is held at most is the same for a file four times as large."""
    where, most = builders.workspace(), list[int]()
    for rows in (50_000, 200_000):
        file = Made(rows)
        tracemalloc.start()
        try:
            jobs.upload(where, file=file, name="p.csv", size=file.length, actor=SYSTEM, now=timezone.now())
            most.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert most[1] < most[0] * 1.2, most
    assert sum(len(one.bytes) for one in ImportChunk.objects.all()) == 250_000 * Made.WIDTH


FRUGAL = (
    WORKER
    + """
import re
# Not getrusage: its peak begins with that of whoever started the process.
print(int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]) // 1024)
"""
)


def test_a_worker_holds_a_page_of_a_file_and_not_the_file() -> None:
    """At most 300 MB, and no more for ten times the people. `make bench-imports` reads a million."""
    where, most = builders.workspace(), list[int]()
    for people in (2_000, 20_000):
        job = waiting(where, content(people))
        for _part in ("staged", "merged"):
            with process(FRUGAL, str(job.pk), stdout=subprocess.PIPE) as worker:
                assert worker.stdout
                most.append(int(worker.stdout.read().split()[-1]))
            job.refresh_from_db()
            if job.state == Import.State.READY:
                jobs.start(job, actor=SYSTEM, now=timezone.now())
        assert outcome(job)["job"]["state"] == "completed"
    assert max(most) < 300 and max(most[2:]) - max(most[:2]) < 20


LIGHT = (
    WORKER
    + """
heavy = sorted({"openpyxl", "numpy", "lxml", "PIL"} & set(sys.modules))
assert not heavy, heavy
"""
)


def test_a_worker_that_reads_text_never_loads_what_only_excel_needs() -> None:
    job = waiting(builders.workspace(), content(50))
    assert process(LIGHT, str(job.pk)).wait(90) == 0
    job.refresh_from_db()
    assert job.state == Import.State.READY
    staging.drop(job.pk)
