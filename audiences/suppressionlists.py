"""The suppression list as a file: read from CSV line by line, and written as one.

The first column holds addresses or domains, or a header names the columns: address, channel, reason.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from django.utils.translation import gettext as _

from audiences.models import Suppression
from audiences.suppression import Entry
from common.csvfiles import lines, plain_cell
from common.errors import Invalid, Problem

MOST_LINES, MOST_BYTES = 100_000, 20 * 1024 * 1024
COLUMNS = ("address", "channel", "reason")


def read(file: BinaryIO, *, channel: str, reason: str) -> Iterator[Entry]:
    """One entry per line that is not blank; `channel` and `reason` stand where the file has none.

    Raises Invalid for what is no CSV file in UTF-8, or one of more than 100,000 lines.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        rows = (row for row in csv.reader(text, strict=True) if any(cell.strip() for cell in row))
        first = next(rows, None)
        if first is None:
            raise _bad(_("The file has no content."))
        names = [cell.strip().casefold().replace("email", "address") for cell in first]
        has_header = "address" in names
        places = {name: names.index(name) for name in COLUMNS if name in names} if has_header else {}
        body = rows if has_header else _again(first, rows)
        for number, row in enumerate(body):
            if number >= MOST_LINES:
                raise _bad(_("The file has more than %(most)s lines. Split it.") % {"most": MOST_LINES})
            yield _entry(row, places or {"address": 0}, channel, reason)
    except (UnicodeDecodeError, csv.Error) as error:
        raise _bad(_("This is not a CSV file in UTF-8. Save it as “CSV UTF-8”.")) from error


def _again(first: list[str], rows: Iterable[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rows


def _entry(row: list[str], places: dict[str, int], channel: str, reason: str) -> Entry:
    def cell(name: str) -> str:
        place = places.get(name)
        return plain_cell(row[place]).strip() if place is not None and place < len(row) else ""

    return Entry(cell("channel") or channel, cell("address"), cell("reason") or reason)


def _bad(detail: str) -> Invalid:
    return Invalid(Problem("bad_file", detail, "file"))


def write(entries: Iterable[Suppression]) -> Iterator[str]:
    """Lines of a CSV file that `read` takes back, and that no spreadsheet runs."""
    header: Iterator[tuple[object, ...]] = iter([(*COLUMNS, "kind", "since")])
    rows = ((one.address, one.channel, one.reason, one.kind, one.at) for one in entries)
    return lines(_chained(header, rows))


def _chained(*parts: Iterable[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
    for part in parts:
        yield from part
