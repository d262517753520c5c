"""A CSV file of events: one row per event, read as it streams by and recorded a page at a time.

One column names the person: `profile` (our number) or a namespace such as email. `name` and `time` say what
happened and when; `key` is the sender's own id of it; `properties` is a JSON object, and each further column
is one property. A row without a key gets one from its content, so that the same file again changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

from django.utils.translation import gettext as _

from accounts.access import Actor, require
from accounts.models import Workspace
from audiences import events
from audiences.access import MANAGE
from audiences.attributes import zone_of
from audiences.events import Happened
from audiences.imports import cells, columns, problems
from audiences.imports.reader import PIECE, Batch, Rows, batches, header_of, lines, parsed
from audiences.imports.sniff import HEAD, Guess, refusal, sniff
from audiences.models import Import
from audiences.namespaces import namespaces_of
from common.errors import Invalid, Problem

MOST_ROWS, MOST_BYTES, MOST_TOLD, PAGE = 100_000, 50 * 1024 * 1024, 1000, events.MOST_EVENTS
PROFILE, NAME, TIME, KEY, PROPERTIES = "profile", "name", "time", "key", "properties"
OURS = (NAME, TIME, KEY, PROPERTIES)
NUMBER = re.compile(cells.NUMBER)
# Their own details quote the address, which a page of refusals is not to show.
WITHOUT_ADDRESS = ("bad_email", "bad_phone", "bad_line_id", "bad_push_token")


@dataclass(frozen=True)
class Refused:
    """One fault of one row; the header is row 1. Of what may be personal, `value` is only the beginning."""

    row: int
    column: str
    value: str
    reason: str


@dataclass
class Told:
    """How many rows met which fate, and the first 1,000 faults."""

    recorded: int = 0
    repeated: int = 0
    rejected: int = 0
    faults: list[Refused] = field(default_factory=list)


@dataclass(frozen=True)
class _Layout:
    """The columns' names, the known ones in small letters, and which of them names the person."""

    names: list[str]
    person: str
    read_time: Callable[[str], str]


def bring_in(
    workspace: Workspace, file: IO[bytes], *, size: int, create_profiles: bool, actor: Actor, now: datetime
) -> Told:
    """Records every row that is right. `size` is in bytes; unknown people are refused or made.

    A time without a zone is meant in the workspace's zone. Raises Invalid, before anything is recorded, for a
    file that cannot be read to its end, has more than 100,000 rows, or lacks a column. Every page is recorded
    for itself: after a break in the middle, the same file again does the rest.
    """
    require(actor, MANAGE, workspace)
    guess = _guess(file, size)
    layout = _layout(header_of(_rows(file, guess)), workspace)
    if sum(len(batch.rows) for batch in _batches(file, guess)) > MOST_ROWS:
        detail = _("The file has more than %(most)s rows. Split it.") % {"most": MOST_ROWS}
        raise refusal("too_many_rows", detail)
    told, zone = Told(), zone_of(workspace)
    for batch in _batches(file, guess):
        found = events.record(
            workspace,
            [_happened(layout, row) for row in batch.rows],
            create_profiles=create_profiles,
            zone=zone,
            actor=actor,
            now=now,
        )
        _tell(told, layout, batch, found)
    return told


def _guess(file: IO[bytes], size: int) -> Guess:
    if size > MOST_BYTES:
        detail = _("The file is larger than %(most)s MB. Split it.") % {"most": MOST_BYTES // 2**20}
        raise refusal("file_too_large", detail)
    file.seek(0)
    guess = sniff(file.read(HEAD), size)
    if guess.kind == Import.Kind.XLSX:
        raise refusal("file_type", _("This is an Excel workbook. Save it as “CSV UTF-8” and choose that."))
    return guess


def _rows(file: IO[bytes], guess: Guess) -> Rows:
    file.seek(0)
    pieces = iter(lambda: file.read(PIECE), b"")
    return parsed(lines(pieces, guess.encoding), guess.delimiter)


def _batches(file: IO[bytes], guess: Guess) -> Iterator[Batch]:
    rows = _rows(file, guess)
    next(rows)
    return batches(rows, PAGE)


def _layout(header: list[str], workspace: Workspace) -> _Layout:
    people = {PROFILE, *namespaces_of(workspace)} - set(OURS)
    names = [low if (low := name.lower()) in people or low in OURS else name for name in header]
    naming = [name for name in names if name in people]
    if len(naming) != 1:
        detail = _(
            "One column must name the person: profile, email, phone, external_id or another namespace."
        )
        if naming:
            detail = _("Only one column can name the person; here are: %(names)s.") % {
                "names": ", ".join(naming)
            }
        raise refusal("person_column", detail)
    if missing := [name for name in (NAME, TIME) if name not in names]:
        raise refusal("missing_column", _("The column “%(name)s” is missing.") % {"name": missing[0]})
    return _Layout(names, naming[0], cells.date_time_cleaner("ymd", workspace.time_zone))


# ---- one row ----------------------------------------------------------------------------------


def _happened(layout: _Layout, row: list[str]) -> Happened | Invalid:
    """Faults of single cells point to their column by its name."""
    tidied = columns.tidy(row)
    given = dict(zip(layout.names, tidied.cells, strict=False))
    found = [
        _fault(fault.code, layout.names[place] if place < len(layout.names) else "")
        for place, fault in tidied.faults.items()
    ]
    if any(tidied.cells[len(layout.names) :]):
        found.append(_fault("row_too_many_cells", ""))
    if not given.get(layout.person):
        found.append(_fault("row_no_identity", layout.person))
    try:
        properties = _properties(layout, given)
    except Invalid as error:
        found += error.problems
    if found:
        return Invalid(found)
    who = given[layout.person]
    return Happened(
        name=given.get(NAME, ""),
        at=_moment(layout, given.get(TIME, "")),
        profile_id=_number(who) if layout.person == PROFILE else None,
        identity=None if layout.person == PROFILE else (layout.person, who),
        properties=properties,
        key=given.get(KEY) or _own_key(layout, given, properties),
    )


def _fault(code: str, column: str) -> Problem:
    return Problem(code, problems.sentence(code), column)


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else text


def _moment(layout: _Layout, cell: str) -> str:
    """ISO 8601 stays as it is; what a spreadsheet writes, such as 2026/3/2 9:05, becomes it."""
    if "/" not in cell:
        return cell
    try:
        return layout.read_time(cell).strip('"')
    except cells.Refused:
        return cell


def _properties(layout: _Layout, given: dict[str, str]) -> dict[str, Any]:
    """Cells that are empty are left out. Raises Invalid for a `properties` that is no JSON object."""
    found: Any = {}
    if written := given.get(PROPERTIES):
        try:
            found = json.loads(written)
        except (ValueError, RecursionError):
            found = None
    if not isinstance(found, dict):
        raise Invalid(Problem("bad_json", _("This is not a JSON object."), PROPERTIES))
    others = {name: cell for name, cell in given.items() if name not in ("", layout.person, *OURS)}
    return found | {name: _plain(cell) for name, cell in others.items() if cell}


def _plain(cell: str) -> Any:
    """A number or a truth value where it is written as JSON writes it, else a text; 0912 stays one."""
    if cell in ("true", "false"):
        return cell == "true"
    return json.loads(cell) if NUMBER.fullmatch(cell) else cell


def _own_key(layout: _Layout, given: dict[str, str], properties: dict[str, Any]) -> str:
    said = [layout.person, given[layout.person], given.get(NAME), given.get(TIME), properties]
    return "row:" + hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


# ---- what became of it ------------------------------------------------------------------------


def _tell(told: Told, layout: _Layout, batch: Batch, found: list[events.Outcome]) -> None:
    for number, row, one in zip(batch.numbers, batch.rows, found, strict=True):
        setattr(told, one.status, getattr(told, one.status) + 1)
        for problem in one.problems[: MOST_TOLD - len(told.faults)]:
            column = _column(layout, problem.pointer)
            place = layout.names.index(column) if column in layout.names else len(row)
            cell = problems.shown(row[place]) if place < len(row) else ""
            is_open = column in (NAME, TIME) or not cell
            reason = problems.sentence(problem.code) if problem.code in WITHOUT_ADDRESS else problem.detail
            told.faults.append(Refused(number, column, cell if is_open else f"{cell[:2]}•••", reason))


def _column(layout: _Layout, pointer: str) -> str:
    """The column that a place in an event came from."""
    first, _slash, inner = pointer.removeprefix("/").partition("/")
    if first in ("identity", "profileId"):
        return layout.person
    if first == PROPERTIES and inner:
        name = inner.replace("~1", "/").replace("~0", "~")
        return name if name in layout.names else PROPERTIES
    return TIME if first == "at" else first if pointer.startswith("/") else pointer
