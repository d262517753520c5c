"""Files of direct mail: closed when their run ends, written by the clock, tried again until delivered.

waiting → being written → delivered, or failed once the tries are used up; somebody may then try again. While
a file is written its `due_at` is a lease: a worker that dies is followed by another, which writes the same
file under the same name.
"""

from __future__ import annotations

import asyncio
import json
import posixpath
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import SYSTEM, Actor, require
from channels import mailtargets
from channels.access import MANAGE
from channels.models import ChannelConfiguration, MailFile, MailRow
from common.csvfiles import lines
from common.errors import CarillonError, NotFound
from common.place import place
from common.wording import kept

log = structlog.get_logger(__name__)

SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|", "ampersand": "&"}
LEASE, LONGEST_WAIT = timedelta(minutes=15), timedelta(hours=1)
MOST_TRIES, AT_ONCE, KEPT, SHOWN = 12, 20, timedelta(days=90), 20
State = MailFile.State
# Identical rows are removed; without a column to sort by they stand as they came.
DISTINCT = """
SELECT cells FROM channels_mailrow WHERE file_id = %s
GROUP BY cells ORDER BY (CASE WHEN %s >= 0 THEN cells ->> %s END), min(id)
"""


class NotFailed(CarillonError):
    status = 409
    code = "file_not_failed"


def close(run: int, *, now: datetime) -> None:
    """The run hands over nothing more: its files may be written."""
    mine = MailFile.objects.filter(group__startswith=f"{run}.", closed_at=None)
    mine.update(closed_at=now, due_at=now)


def write_due(clock: Callable[[], datetime]) -> None:
    for _turn in range(AT_ONCE):
        if (file := _claimed(clock())) is None:
            return
        _deliver(file, clock)


@transaction.atomic
def retry(configuration: ChannelConfiguration, pk: int, *, actor: Actor, now: datetime) -> MailFile:
    """Of a failed file. Raises NotFound and NotFailed."""
    require(actor, MANAGE, configuration)
    file = MailFile.objects.select_for_update().filter(configuration=configuration, pk=pk).first()
    if file is None:
        raise NotFound(_("There is no such file."))
    if file.state != State.FAILED:
        raise NotFailed(_("Only a file that failed can be tried again."))
    file.state, file.tries, file.due_at = State.WAITING, 0, now
    file.save(update_fields=["state", "tries", "due_at"])
    _record("retry_file", file, actor, now)
    return file


def shown(configuration: ChannelConfiguration) -> list[MailFile]:
    """The latest, for a page."""
    return list(configuration.mail_files.all()[:SHOWN])


def prune(now: datetime) -> None:
    MailFile.objects.filter(state=State.DELIVERED, delivered_at__lt=now - KEPT).delete()


# ---- one file -----------------------------------------------------------------------------------
@transaction.atomic
def _claimed(now: datetime) -> MailFile | None:
    rows = MailFile.objects.select_for_update(skip_locked=True, of=("self",))
    rows = rows.filter(state__in=[State.WAITING, State.WRITING], due_at__lte=now)
    rows = rows.filter(configuration__workspace__sends_from=place())  # while the main switch is on
    file = rows.select_related("configuration__credential").order_by("due_at").first()
    if file is None:
        return None
    file.state, file.due_at, file.tries = State.WRITING, now + LEASE, file.tries + 1
    if not file.path:
        file.path = _free_path(file, now)
    file.save(update_fields=["state", "due_at", "tries", "path"])
    return file


def _deliver(file: MailFile, clock: Callable[[], datetime]) -> None:
    try:
        with tempfile.TemporaryDirectory(prefix="carillon-") as folder:
            source = Path(folder) / "file"
            rows = _write(file, source)
            asyncio.run(_put(file, source))
            _delivered(file, rows, source.stat().st_size, clock())
    except mailtargets.Undelivered as error:
        _failed(file, error.args[0], clock())
    except OSError as error:
        _failed(file, str(error), clock())


async def _put(file: MailFile, source: Path) -> None:
    async with mailtargets.opened(file.configuration) as target:
        await target.put(source, file.path)


def _write(file: MailFile, source: Path) -> int:
    count = 0

    def table() -> Iterator[list[str]]:
        nonlocal count
        layout = file.layout
        yield from ([line] for line in layout["header"].splitlines())
        yield layout["labels"]
        for cells in _rows(file):
            count += 1
            yield cells
        yield from ([line] for line in layout["footer"].splitlines())

    separator = SEPARATORS[file.configuration.settings["separator"]]
    with source.open("w", encoding="utf-8", newline="") as out:
        out.writelines(lines(table(), separator))
    return count


def _rows(file: MailFile) -> Iterator[Any]:
    labels, sort_by = file.layout["labels"], file.layout["sort_by"]
    place = labels.index(sort_by) if sort_by in labels else -1
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DECLARE mail_rows NO SCROLL CURSOR FOR {DISTINCT}", [file.pk, place, place])
        while True:
            cursor.execute("FETCH 2000 FROM mail_rows")
            found = cursor.fetchall()
            for (cells,) in found:
                yield (
                    cells if isinstance(cells, list) else json.loads(cells)
                )  # the driver leaves JSON as it is
            if not found:
                break
        cursor.execute("CLOSE mail_rows")


@transaction.atomic
def _delivered(file: MailFile, rows: int, size: int, now: datetime) -> None:
    mine = _mine(file)
    values = {"rows": rows, "size": size, "delivered_at": now, "due_at": None, "reason": "", "told": None}
    if mine.update(state=State.DELIVERED, **values):
        MailRow.objects.filter(file=file).update(cells=[])  # the keys stay: nobody is written to twice
        _record("deliver_file", file, SYSTEM, now, rows=rows)


@transaction.atomic
def _failed(file: MailFile, why: str, now: datetime) -> None:
    reason, told = str(why)[:500], kept(why)
    log.warning("mail file not delivered", file=file.pk, tries=file.tries, reason=reason)
    if file.tries < MOST_TRIES:
        wait = min(timedelta(seconds=30 * 2 ** (file.tries - 1)), LONGEST_WAIT)
        _mine(file).update(state=State.WAITING, reason=reason, told=told, due_at=now + wait)
    elif _mine(file).update(state=State.FAILED, reason=reason, told=told, due_at=None):
        _record("fail_file", file, SYSTEM, now, reason=reason)


def _mine(file: MailFile) -> Any:
    """The row, unless another worker took it over meanwhile."""
    return MailFile.objects.filter(pk=file.pk, state=State.WRITING, tries=file.tries)


def _free_path(file: MailFile, now: datetime) -> str:
    """Never the name of another file, which would be lost."""
    stem, ending = posixpath.splitext(file.layout["filename"].strip("/"))
    if file.layout["timestamp"]:
        stem += now.strftime("-%Y%m%dT%H%M%SZ")
    path = mailtargets.path_in(file.configuration, stem + ending)
    taken = MailFile.objects.filter(configuration=file.configuration_id, path=path).exists()
    return mailtargets.path_in(file.configuration, f"{stem}-{file.pk}{ending}") if taken else path


def _record(verb: str, file: MailFile, actor: Actor, now: datetime, **details: Any) -> None:
    row = file.configuration
    audit.record(actor=actor, verb=verb, obj=row, workspace=row.workspace, now=now, file=file.path, **details)
