"""A row of a file of events: what its columns mean, the event it tells, and where a fault of it stands.

One column names the person: `profile` (our number) or a namespace such as email. `name` and `time` say what
happened and when; `key` is the sender's own id of it; `properties` is a JSON object, and each further column
is one property. A row without a key gets one from its content, so that the same file again changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Workspace
from audiences import events
from audiences.events import Happened
from audiences.imports import cells, columns, problems
from audiences.imports.sniff import refusal
from audiences.models import Import, ImportProblem
from audiences.namespaces import LONGEST, namespaces_of
from common.errors import Invalid, Problem
from common.text import whole_number

PROFILE, NAME, TIME, KEY, PROPERTIES = "profile", "name", "time", "key", "properties"
OURS = (NAME, TIME, KEY, PROPERTIES)
NUMBER = re.compile(cells.NUMBER)
TRUTHS = {"true": True, "TRUE": True, "false": False, "FALSE": False}  # as JSON and as Excel write them
LIMITS = {
    "bad_key": events.MOST_KEY,
    "bad_properties": events.MOST_PROPERTIES,
    "too_large": events.MOST_BYTES,
}


@dataclass(frozen=True)
class Layout:
    """The columns' names, the known ones in small letters, and which of them names the person."""

    names: list[str]
    person: str
    read_time: Callable[[str], str]


def layout_of(header: list[str], workspace: Workspace) -> Layout:
    """Raises Invalid for columns that do not say who, what and when."""
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
    return Layout(names, naming[0], cells.date_time_cleaner("ymd", workspace.time_zone))


# ---- one row ----------------------------------------------------------------------------------


def happened(layout: Layout, row: list[str]) -> Happened | Invalid:
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
    number = whole_number(text)
    return text if number is None else number


def _moment(layout: Layout, cell: str) -> str:
    """ISO 8601 stays as it is; what a spreadsheet writes, such as 2026/3/2 9:05, becomes it."""
    if "/" not in cell:
        return cell
    try:
        return layout.read_time(cell).strip('"')
    except cells.Refused:
        return cell


def _properties(layout: Layout, given: dict[str, str]) -> dict[str, Any]:
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
    if cell in TRUTHS:
        return TRUTHS[cell]
    return json.loads(cell) if NUMBER.fullmatch(cell) else cell


def _own_key(layout: Layout, given: dict[str, str], properties: dict[str, Any]) -> str:
    said = [layout.person, given[layout.person], given.get(NAME), given.get(TIME), properties]
    return "row:" + hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


# ---- its faults -------------------------------------------------------------------------------


def refused(
    job: Import, layout: Layout, number: int, row: list[str], outcome: events.Outcome
) -> Iterator[ImportProblem]:
    """Each fault of the row. Of a cell that may be personal only the beginning is kept."""
    for problem in outcome.problems:
        column = column_of(layout, problem.pointer)
        place = layout.names.index(column) if column in layout.names else len(row)
        cell = problems.shown(row[place]) if place < len(row) else ""
        is_open = column in (NAME, TIME) or not cell
        limit = (
            LONGEST.get(layout.person, 500) if problem.code == "bad_identity" else LIMITS.get(problem.code)
        )
        yield ImportProblem(
            job=job,
            row=number,
            column=column[:80],
            value=cell if is_open else f"{cell[:2]}•••",
            code=problem.code[:40],
            extra=str(limit or ""),
        )


def column_of(layout: Layout, pointer: str) -> str:
    """The column that a place in an event came from."""
    first, _slash, inner = pointer.removeprefix("/").partition("/")
    if first in ("identity", "profileId"):
        return layout.person
    if first == PROPERTIES and inner:
        name = inner.replace("~1", "/").replace("~0", "~")
        return name if name in layout.names else PROPERTIES
    return TIME if first == "at" else first if pointer.startswith("/") else pointer
