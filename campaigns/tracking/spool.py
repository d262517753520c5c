"""What readers do while the database is away: kept on disk, put in once it is back, each once.

Receives what `events.py` could not record, and answers when it is on the disk. Lines are appended to one file
that every web process and worker sees, as they see the asset library; whoever puts them in takes it aside
first. An event is named by its message, kind, link and moment (to the microsecond), and one that is there is
left out: a worker killed at any time records nothing twice, nor does a connection that died between its
commit and the answer. Who leaves (`leaving.py`) is let go before anything else is put in, and finds room on
the disk when clicks and opens have filled theirs.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import DataError, connection, transaction

from campaigns.models import Event
from campaigns.tracking import leaving
from campaigns.tracking.tokens import MessageKey

log = structlog.get_logger(__name__)

MOST = 64 << 20  # bytes on disk, about 250,000 events; what comes behind them is lost, and logged
MOST_LEAVING = MOST + (16 << 20)  # for those who leave: about 80,000 more; then they hear that it failed
LEAVES = str(Event.Kind.UNSUBSCRIBE)
PAGE = 5000
OPEN_FILE, TAKEN = "open.jsonl", "taken-*.jsonl"
LOCK = 7_044_211_883  # of the database: one puts in at a time, or two would both find an event missing

# A click bears no proof of its link's number while nobody can look it up: that is done here.
PUT_IN = """
INSERT INTO campaigns_event (run_id, action, ref, kind, at, link, user_agent, signals, machine, judged)
SELECT DISTINCT k.run_id, k.action, k.ref, k.kind, k.at, k.link, k.user_agent, k.signals, k.machine, 0
FROM jsonb_to_recordset(%s) AS k (run_id bigint, action smallint, ref bigint, kind text, at timestamptz,
                                  link smallint, user_agent text, signals smallint, machine text)
JOIN campaigns_run r ON r.id = k.run_id
WHERE (k.link IS NULL OR k.signals & 4 <> 0 OR EXISTS (
        SELECT 1 FROM campaigns_link l
        WHERE l.version_id = r.version_id AND l.action = k.action AND l.number = k.link))
  AND NOT EXISTS (
        SELECT 1 FROM campaigns_message m JOIN audiences_profile p ON p.id = m.profile_id AND p.is_untracked
        WHERE m.run_id = k.run_id AND m.ref = k.ref AND m.action = k.action)
  AND NOT EXISTS (
        SELECT 1 FROM campaigns_event e
        WHERE e.run_id = k.run_id AND e.kind = k.kind AND e.action = k.action AND e.ref = k.ref
          AND e.at = k.at AND e.link IS NOT DISTINCT FROM k.link)
"""


def keep(event: dict[str, Any]) -> bool:
    """Whether it is on the disk: not when there is no room left, and a reader is led on all the same.

    By the names of the columns; who leaves has a `source` too, and neither link nor signals.
    """
    most = MOST_LEAVING if event["kind"] == LEAVES else MOST
    at: datetime = event["at"]
    line = f"\n{json.dumps({**event, 'at': at.isoformat()})}\n".encode()  # behind what a power cut left half
    try:
        folder = settings.EVENT_SPOOL
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sum(_size(one) for one in folder.iterdir()) + len(line) > most:
            log.error("event lost: the spool is full", folder=str(folder), bytes=most)
            return False
        with _held(folder / OPEN_FILE) as file:
            os.write(file, line)
            os.fsync(file)
    except OSError as error:
        log.error("event lost: the spool cannot be written", error=str(error))
        return False
    return True


def put_in() -> int:
    """Records what was kept; returns how many events. Raises what a database that is away raises."""
    folder: Path = settings.EVENT_SPOOL
    if not folder.is_dir():
        return 0
    if (folder / OPEN_FILE).exists():
        with _held(folder / OPEN_FILE):
            (folder / OPEN_FILE).rename(folder / TAKEN.replace("*", uuid.uuid4().hex))
    return sum(_record(one) for one in sorted(folder.glob(TAKEN)))


def _record(path: Path) -> int:
    try:
        _let_go(path)
        with path.open("rb") as file, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            count, lines = 0, (one for one in map(_read, file) if one and one.get("kind") != LEAVES)
            while page := list(islice(lines, PAGE)):
                cursor.execute(PUT_IN, [json.dumps(page)])
                count += cursor.rowcount
    except FileNotFoundError:  # another worker was faster
        return 0
    except DataError as error:  # nothing that we write: kept for somebody to look at
        log.error("kept events refused", file=path.name, error=str(error))
        path.rename(path.with_suffix(".refused"))
        return 0
    path.unlink(missing_ok=True)
    log.info("kept events recorded", events=count)
    return count


def _let_go(path: Path) -> None:
    """Each in a transaction of their own: neither a fault of another line nor a second reading harms them."""
    with path.open("rb") as file:
        for one in filter(None, map(_read, file)):
            if one.get("kind") == LEAVES:
                key = MessageKey(one["run_id"], one["action"], one["ref"])
                at = datetime.fromisoformat(one["at"])
                leaving.withdraw(key, at=at, agent=one["user_agent"], source=one["source"])


def _read(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:  # empty, or the half of a line
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # put in a moment ago
        return 0


@contextmanager
def _held(path: Path) -> Iterator[int]:
    """The file for us alone; opened again if it was taken aside while we waited for it."""
    while True:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                is_there = path.stat().st_ino == os.fstat(file).st_ino
            except FileNotFoundError:
                is_there = False
            if is_there:
                yield file
                return
        finally:
            os.close(file)
