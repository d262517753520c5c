"""A worker of the pipeline's benchmark: does what a Celery worker does until nothing is due, then tells."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import django


def peak_mb() -> float:
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    django.setup()
    from campaigns.delivery import send
    from campaigns.models import Batch
    from config.celery import app, settle_in

    app.loader.import_default_modules()  # a worker's memory has all tasks in it
    settle_in()
    Batch.objects.exists()
    print("ready", flush=True)
    began, used = time.monotonic(), time.process_time()
    while Batch.objects.filter(state__in=["ready", "claimed"]).exists():
        if not send.work(0, Batch.Lane.BULK):
            time.sleep(0.01)
    told = {"began": began, "ended": time.monotonic(), "cpu": time.process_time() - used, "rss": peak_mb()}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
