"""Faults on a run, and the proof from what the provider kept: nobody lost, no stranger, and no more copies
than the bound.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import psutil
from django.db import connection
from django.db.utils import DatabaseError
from django.utils import timezone
from kombu import Connection

from campaigns.delivery.bound import WINDOW
from campaigns.models import Attempt, Message, Run
from campaigns.reports.metrics import ledger
from config.env import ROOT
from tests import builders
from tests.fakes.house import House
from tests.settings import REAL_BROKER_URL

# Named in campaigns/delivery; at which passing a worker dies there, at random.
PLACES = {"page": (1, 2), "claimed": (1, 2), "before_record": (2, 9), "recorded": (1, 9), "released": (1, 1)}
AT_POINT, IN_FAN_OUT = "failpoint:", "failpoint:page"
LEASE = 4  # seconds, as House gives it


@dataclass(frozen=True)
class Injected:
    """One fault of a run. `after` is how many messages the oracle had kept once it was done."""

    fault: str
    kills: int
    after: int

    @property
    def bound(self) -> int:
        return self.kills * WINDOW


@dataclass(frozen=True)
class Row:
    """What one fault brought, or several on the same run, joined by +. `bound` is the copies that the design
    allows for all of them; `uncertain` is how many the run's own ledger allows, which says of every message
    that a dead worker may have handed over; `untold` are copies it does not account for. `each` is
    (fault, duplicates, bound) for one after the other.
    """

    fault: str
    faults: int
    lost: int
    strangers: int
    duplicates: int
    bound: int
    uncertain: int
    untold: int
    balanced: bool
    seconds: float
    each: tuple[tuple[str, int, int], ...]

    @property
    def is_good(self) -> bool:
        is_whole = self.balanced and not (self.lost or self.strangers or self.untold)
        return is_whole and self.duplicates <= self.uncertain <= self.bound


class Drill:
    """A house with a clock and two workers, and an oracle for a mail server."""

    def __init__(self, house: House, folder: Path, people: int, seed: int = 1) -> None:
        self.house, self.folder, self.people, self.random = house, folder, people, Random(seed)
        self.where = builders.workspace("drill")
        self.manager = builders.person(self.where, "manager")
        self.approver = builders.person(self.where, "approver")
        builders.profiles(self.where, people)
        self.patience = 180 + people / 50  # seconds: a busy machine sends fifty a second
        self.names = self.runs = 0
        self.dies_at = ""

    def start(self, root: Path = ROOT) -> None:
        """Everything anew, with the code in `root`."""
        for name in list(self.house.parts):
            self.house.kill(name)
        self.house.root = root
        self.house.clock()
        self.workers = [self._worker(), self._worker()]

    def _worker(self, **environment: str) -> str:
        self.names += 1
        name = f"worker{self.names}"
        self.house.worker(name, **environment)
        return name

    # ---- one run ----------------------------------------------------------------------------------
    def inject(self, *faults: str) -> Row:
        """Each at a random moment of its own part of the run, none so late that the run could end before it.
        What lies in the fan-out comes first.
        """
        faults = tuple(sorted(faults, key=lambda fault: fault != IN_FAN_OUT))
        self.runs += 1
        log = self.folder / f"{self.runs}.log"
        command = [sys.executable, "-m", "tests.drill.oracle", str(log), "0.002"]
        began, done = time.monotonic(), list[Injected]()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as oracle:
            try:
                assert oracle.stdout
                run = self._begin(int(oracle.stdout.readline()), faults[0])
                for number, fault in enumerate(faults):
                    share = 0.85 * (number + self.random.uniform(0.1, 0.7)) / len(faults)
                    kills = self._do(fault, log, share)
                    done.append(Injected(fault, kills, _size(log)))
                    self._mend()
                self._finish(run)
            finally:
                oracle.kill()
        return self._judge(done, run, log, time.monotonic() - began)

    def _begin(self, port: int, fault: str) -> Run:
        """Starts the run; where it is to die at a point of its beginning, with the worker that does."""
        if fault.startswith(AT_POINT):
            self._only(fault)
        configuration = builders.smtp(self.where, port, name=f"Oracle {self.runs}")
        made = builders.draft(self.where, self.manager, configuration=configuration)
        builders.lifecycle.apply(made, "activate", actor=self.approver, now=timezone.now())
        return Run.objects.get(campaign=made)

    def _do(self, fault: str, log: Path, share: float) -> int:
        """Waits until so much of the run has arrived, does it, and says how many workers died or slept."""
        if fault.startswith(AT_POINT) and self.dies_at == fault:
            return self._failpoint()
        self._wait(lambda: _size(log) >= share * self.people)
        if fault.startswith(AT_POINT):
            return self._only(fault) + self._failpoint()
        return int(getattr(self, f"_{fault}")() or 0)

    def _finish(self, run: Run) -> None:
        self._mend()
        self._wait(lambda: Run.objects.filter(pk=run.pk, finished_at__isnull=False).exists(), mends=True)
        self._mend()

    def _judge(self, done: Sequence[Injected], run: Run, log: Path, seconds: float) -> Row:
        arrived = [line.split()[0] for line in log.read_text().splitlines()]
        kept, copies = Counter(arrived), copies_of_each(arrived, done)
        wanted = {f"p{number}@example.com" for number in range(self.people)}
        run.refresh_from_db()
        book, uncertain = ledger(run), _uncertain(run)
        return Row(
            "+".join(one.fault for one in done),
            len(done),
            lost=len(wanted - set(kept)),
            strangers=len(set(kept) - wanted),
            duplicates=sum(kept.values()) - len(kept),
            bound=sum(one.bound for one in done),
            uncertain=uncertain.total(),
            untold=(kept - Counter(kept.keys()) - uncertain).total(),
            balanced=run.state == "completed" and book.balances and book.accepted == self.people,
            seconds=round(seconds, 1),
            each=tuple((one.fault, twice, one.bound) for one, twice in zip(done, copies, strict=True)),
        )

    # ---- faults -----------------------------------------------------------------------------------
    def _group(self) -> int:
        """A worker's main process and its child."""
        self.house.kill(self.workers.pop())
        return 1

    def _child(self) -> int:
        children = psutil.Process(self._pid()).children()
        for child in children:
            child.send_signal(signal.SIGKILL)
        return len(children)

    def _main(self) -> int:
        os.kill(self._pid(), signal.SIGKILL)
        return 1

    def _everything(self) -> int:
        count = len(self.workers)
        for name in [*self.workers, "clock"]:
            self.house.kill(name)
        self.workers = []
        self.house.clock()
        return count

    def _zombie(self) -> int:
        """Stopped for two leases, and woken."""
        processes = [psutil.Process(self._pid()), *psutil.Process(self._pid()).children()]
        for one in processes:
            one.suspend()
        time.sleep(2 * LEASE)
        for one in processes:
            one.resume()
        return 1

    def _broker(self) -> int:
        with Connection(REAL_BROKER_URL) as broker:
            channel: Any = broker.default_channel
            if hasattr(channel, "client"):
                channel.client.flushdb()
            else:
                channel.queue_purge(f"{self.house.prefix}.bulk")
        return 0

    def _backends(self) -> int:
        """Every connection of the workers is cut by the server."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return len(self.workers)

    def _postgres(self) -> int:
        """kill -9 of one server process: PostgreSQL ends all of them and recovers from its log."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pid = cursor.fetchone()[0]
        connection.close()
        os.kill(pid, signal.SIGKILL)
        return len(self.workers)

    def _upgrade(self) -> int:
        """Workers of the present version come beside those that run; once one of them sends, the first are
        told to stop, as systemd tells them. Nobody dies, so nothing may be doubled.
        """
        old, self.house.root = self.workers, ROOT
        self.workers = [self._worker(), self._worker()]
        logs = [self.house.logs / f"{name}.log" for name in self.workers]
        self._wait(lambda: any("tasks.deliver_batch[" in log.read_text() for log in logs))
        for name in old:
            self.house.parts[name].terminate()
        for name in old:
            self.house.parts.pop(name).wait(90)
        self.house.kill("clock")
        self.house.clock()
        return 0

    # ---- the house --------------------------------------------------------------------------------
    def _pid(self) -> int:
        return self.house.parts[self.workers[-1]].pid

    def size_of_clock(self) -> int:
        """The memory it holds, in bytes."""
        return int(psutil.Process(self.house.parts["clock"].pid).memory_info().rss)

    def _only(self, fault: str) -> int:
        """One worker, that dies at the place named; how many were killed for it."""
        place, killed = fault.removeprefix(AT_POINT), len(self.workers)
        while self.workers:
            self.house.kill(self.workers.pop())
        self.workers.append(self._worker(FAILPOINT=f"{place}:{self.random.randint(*PLACES[place])}"))
        self._wait(lambda: bool(psutil.Process(self._pid()).children()))
        self.dies_at = fault
        return killed

    def _failpoint(self) -> int:
        """Celery starts a child anew with the same place to die at; a supervisor ends that worker."""
        children = psutil.Process(self._pid()).children()
        self._wait(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))
        self.house.kill(self.workers.pop())
        self.dies_at = ""
        return 2

    def _mend(self) -> None:
        """A supervisor: whoever died is started again, whole."""
        for name in [*self.workers]:
            if self.house.parts[name].poll() is not None:
                self.house.kill(name)
                self.workers.remove(name)
        while len(self.workers) < 2:
            self.workers.append(self._worker())
        if "clock" not in self.house.parts or self.house.parts["clock"].poll() is not None:
            self.house.parts.pop("clock", None)
            self.house.clock()

    def _wait(self, until: Callable[[], bool], *, mends: bool = False) -> None:
        ends = time.monotonic() + self.patience
        while True:
            try:
                if until():
                    return
            except DatabaseError:
                connection.close()
            assert time.monotonic() < ends, "it took too long"
            if mends:
                self._mend()
            time.sleep(0.1)


def _size(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def _uncertain(run: Run) -> Counter[str]:
    """How often the ledger says of a person that their message may have left with a dead worker."""
    attempts = Attempt.objects.filter(run=run, outcome="uncertain").values_list("action", "ref")
    address = {
        (action, ref): who
        for action, ref, who in Message.objects.filter(run=run).values_list("action", "ref", "address")
    }
    return Counter(address[message] for message in attempts)


def copies_of_each(arrived: Sequence[str], done: Sequence[Injected]) -> list[int]:
    """A copy counts for the first fault after the one before it: that one was under way then."""
    found, last = [0] * len(done), dict[str, int]()
    for at, who in enumerate(arrived):
        if who in last:
            later = (number for number, one in enumerate(done) if last[who] < one.after)
            found[next(later, len(done) - 1)] += 1
        last[who] = at
    return found


def as_json(number: int, row: Row) -> list[dict[str, Any]]:
    """One for each fault. What is lost or a stranger, and whether it balances, is known of the run."""
    return [
        {
            "run": number,
            "fault": fault,
            "lost": row.lost,
            "strangers": row.strangers,
            "duplicates": duplicates,
            "bound": bound,
            "run_duplicates": row.duplicates,
            "run_bound": row.bound,
            "run_uncertain": row.uncertain,
            "untold": row.untold,
            "balanced": row.balanced,
            "seconds": row.seconds,
        }
        for fault, duplicates, bound in row.each
    ]
