"""What the broker costs: CPU, in µs, of publishing a task that does nothing and of a worker's taking it.

`python -m tests.benchmarks.queueing` prints it, against the broker that BROKER_URL names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

QUEUE, TASKS = "bench.empty", 300


def main() -> None:
    command = [sys.executable, "-m", "celery", "-A", "tests.benchmarks.empty_task", "worker"]
    command += ["-Q", QUEUE, "-c", "1", "-n", "bench@%h", "-l", "CRITICAL", "--without-mingle"]
    with tempfile.TemporaryDirectory() as folder:
        done = Path(folder) / "done"
        done.touch()
        worker = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _publish(done, 20)  # both have connected and loaded everything then
            before = _cpu(worker.pid)
            published = time.process_time()
            _publish(done, TASKS)
            used = time.process_time() - published + _cpu(worker.pid) - before
        finally:
            worker.terminate()
            worker.wait()
    print(used / TASKS * 1e6)


def _publish(done: Path, count: int) -> None:
    from tests.benchmarks.empty_task import take

    wanted = done.stat().st_size + count
    for _task in range(count):
        take.apply_async([str(done)], queue=QUEUE)
    until = time.monotonic() + 120
    while done.stat().st_size < wanted:
        if time.monotonic() > until:
            raise SystemExit("the worker does not take its tasks")
        time.sleep(0.1)


def _cpu(pid: int) -> float:
    """Seconds of a worker and its children."""
    worker = psutil.Process(pid)
    return sum(sum(one.cpu_times()[:2]) for one in (worker, *worker.children(recursive=True)))


def us_per_task(broker: str) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.queueing"]
    told = subprocess.run(
        command, env={**os.environ, "BROKER_URL": broker}, stdout=subprocess.PIPE, text=True, check=True
    )
    return float(told.stdout)


if __name__ == "__main__":
    main()
