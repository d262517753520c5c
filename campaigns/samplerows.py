"""Sample people for previews, from a CSV file: values for one showing each. Nobody is imported.

A column is called by a field, with or without `profile.` before it, or by `audience.` or `context.`
and a name.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Any

from django.utils.translation import gettext as _

from audiences.imports.sniff import sniff
from common.errors import Invalid, Problem
from common.text import is_storable

MOST_ROWS, MOST_COLUMNS, MOST_BYTES = 30, 200, 100_000
ROOTS = ("profile", "audience", "context")
FIELD = re.compile(
    r"(?:(?:profile|audience|context)\.)?[a-z]\w{0,62}(?:\.[a-z]\w{0,62}){0,3}\Z", re.ASCII | re.I
)


def rows_of(octets: bytes) -> list[dict[str, Any]]:
    """Each row as `samples.read` gives one. Raises Invalid with what is wrong and where."""
    if len(octets) > MOST_BYTES:
        raise _bad(_("Sample rows have at most 100 kB together."))
    names, *rows = _lines(octets)
    names = [name.strip() for name in names]
    paths = [_path(name) for name in names]
    wrong = [name for name, path in zip(names, paths, strict=True) if not path or _clashes(path, paths)]
    if wrong or len(names) > MOST_COLUMNS:
        detail = _("The first row names a field in each column, each once. Not “%(name)s”.")
        raise _bad(detail % {"name": (wrong or names)[-1][:80]})
    if not 1 <= len(rows) <= MOST_ROWS:
        raise _bad(_("Give one to %(most)s rows below the names.") % {"most": MOST_ROWS})
    return [_row(paths, cells, number) for number, cells in enumerate(rows, start=2)]


def _lines(octets: bytes) -> list[list[str]]:
    guess = sniff(octets, len(octets))
    if guess.kind != "csv":
        raise _bad(_("This is not a CSV file."))
    try:
        text = io.StringIO(octets.decode(guess.encoding).removeprefix("\ufeff"))
        return [row for row in csv.reader(text, delimiter=guess.delimiter, strict=True) if any(row)]
    except (UnicodeError, csv.Error) as error:
        raise _bad(_("This is no CSV file: %(why)s.") % {"why": str(error)[:120]}) from error


def _path(name: str) -> tuple[str, ...]:
    """Empty where it names no field."""
    if not FIELD.match(name):
        return ()
    parts = name.split(".")
    return tuple(parts) if parts[0] in ROOTS and len(parts) > 1 else ("profile", *parts)


def _clashes(path: tuple[str, ...], paths: list[tuple[str, ...]]) -> bool:
    """Whether it stands twice, or is a part of another one's way."""
    return sum(other[: len(path)] == path for other in paths) > 1


def _row(paths: list[tuple[str, ...]], cells: list[str], number: int) -> dict[str, Any]:
    if len(cells) != len(paths) or not is_storable(cells):
        detail = _("Row %(number)s has more or fewer cells than the first row, or control characters.")
        raise _bad(detail % {"number": number})
    found: dict[str, Any] = {}
    for (*branches, leaf), cell in zip(paths, cells, strict=True):
        inner = found
        for branch in branches:
            inner = inner.setdefault(branch, {})
        inner[leaf] = cell
    return found


def _bad(detail: str) -> Invalid:
    return Invalid(Problem("bad_sample_rows", detail, "file"))
