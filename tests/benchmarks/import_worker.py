"""What a worker does with one import, in a process of its own: prints seconds, CPU seconds and peak memory.

The import is checked, confirmed as the page would, and merged, all from the file in the database.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import django


def peak_mb() -> float:
    """Of this process alone; what getrusage tells begins with the memory of the parent."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def main(job_id: int) -> None:
    django.setup()
    from django.utils import timezone

    from accounts.access import SYSTEM
    from audiences.imports import jobs, work
    from audiences.models import Import
    from config.celery import app

    app.loader.import_default_modules()  # a worker's memory has all tasks in it
    job = Import.objects.get(pk=job_id)
    marks = [(time.monotonic(), time.process_time())]
    while work.advance(job_id):
        pass
    marks.append((time.monotonic(), time.process_time()))
    jobs.start(job, actor=SYSTEM, now=timezone.now())
    while work.advance(job_id):
        pass
    marks.append((time.monotonic(), time.process_time()))
    job.refresh_from_db()
    told = {
        "state": job.state,
        "created": job.created_count,
        "rejected": job.rejected_count,
        "stage": marks[1][0] - marks[0][0],
        "merge": marks[2][0] - marks[1][0],
        "cpu": marks[2][1] - marks[0][1],
        "peak_mb": peak_mb(),
    }
    sys.stdout.write(json.dumps(told))


main(int(sys.argv[1]))
