"""A file's pieces become rows: decoded and parsed as they stream by, never the whole file at once."""

from __future__ import annotations

import codecs
import csv
import io
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import IO, Any

from defusedxml.common import DefusedXmlException
from django.utils.translation import gettext as _

from audiences.imports.sniff import refusal
from audiences.models import Import, ImportChunk

PIECE = 1024 * 1024
MAX_COLUMNS = 200
MAX_XLSX = 100 * 1024 * 1024
MAX_UNPACKED = 1024 * 1024 * 1024
MAX_SHARED = 48 * 1024 * 1024  # openpyxl keeps a workbook's shared texts in memory
MAX_SHEET_ROWS = 1_048_576  # Excel's own limit
SAMPLE_ROWS = 200
Rows = Iterator[list[str]]


class Source:
    """The file's pieces from the database, one at a time; `read` is how many bytes were taken.

    `before` is called before the database is asked; `fetch` asks ahead of need, so that reading goes on while
    another thread has the connection.
    """

    def __init__(self, job: Import, before: Callable[[], None] = lambda: None) -> None:
        self.job, self.before, self.read, self.asked = job, before, 0, 0
        self.waiting: deque[bytes] = deque()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            if not self.waiting:
                self.before()
                self.fetch(1)
            if not self.waiting:
                return
            raw = self.waiting.popleft()
            self.read += len(raw)
            yield raw

    def fetch(self, count: int) -> None:
        """Has `count` pieces waiting, as far as there are any."""
        wanted = count - len(self.waiting)
        if wanted > 0:
            pieces = ImportChunk.objects.filter(job=self.job, number__gte=self.asked).order_by("number")
            found = [bytes(piece) for piece in pieces.values_list("bytes", flat=True)[:wanted]]
            self.asked += len(found)
            self.waiting.extend(found)


def rows_of(job: Import, source: Source) -> Rows:
    """Every row of the job's file, the header first. Raises Invalid where the file cannot be read on."""
    if job.kind == Import.Kind.XLSX:
        with tempfile.TemporaryFile() as file:
            for piece in source:
                file.write(piece)
            yield from xlsx_rows(file)
    else:
        yield from parsed(lines(source, job.encoding), job.delimiter)


def parsed(text: Iterable[str], delimiter: str) -> Rows:
    return csv.reader(text, delimiter=delimiter, strict=True)


def lines(pieces: Iterable[bytes], encoding: str, *, is_whole: bool = True) -> Iterator[str]:
    """The decoded lines with their ends. A character that cannot be read becomes U+FFFD."""
    decoder, rest = codecs.getincrementaldecoder(encoding)("replace"), ""
    try:
        for piece in pieces:
            text = rest + decoder.decode(piece)
            cut = text.rfind("\n") + 1 or text.rfind("\r", 0, -1) + 1
            if not cut and len(text) > 2 * PIECE:
                raise refusal("row_too_long", _("A row is longer than two million characters."))
            yield from io.StringIO(text[:cut], newline="")
            rest = text[cut:]
        rest += decoder.decode(b"", True) if is_whole else ""
    except UnicodeError as error:
        detail = _("The file's characters cannot be read. Choose another encoding.")
        raise refusal("csv_encoding", detail) from error
    if rest and is_whole:
        yield from io.StringIO(rest, newline="")


@dataclass(frozen=True)
class Batch:
    """Some rows. `numbers` count from 1, the header's; empty rows are left out but counted."""

    numbers: list[int]
    rows: list[list[str]]


def batches(rows: Rows, size: int) -> Iterator[Batch]:
    """The rows after the header. Raises Invalid `csv_unclosed_quote` or `cell_too_long`,
    naming the row where it begins.
    """
    number = 1
    while True:
        taken: list[list[str]] = []
        try:
            for row in rows:
                taken.append(row)
                if len(taken) == size:
                    break
        except csv.Error as error:
            raise _broken(number + len(taken) + 1, error) from error
        if not taken:
            return
        numbers = list(range(number + 1, number + 1 + len(taken)))
        number += len(taken)
        if not all(map(any, taken)):
            kept = [(n, row) for n, row in zip(numbers, taken, strict=True) if any(map(str.strip, row))]
            numbers, taken = [n for n, _row in kept], [row for _n, row in kept]
        yield Batch(numbers, taken)


def _broken(row: int, error: csv.Error) -> Exception:
    if "field limit" in str(error):
        detail = _("In row %(row)s a cell is longer than 131,072 characters, or a quotation mark stays open.")
        return refusal("cell_too_long", detail % {"row": row})
    detail = _("From row %(row)s on, a quotation mark is not closed or stands in a wrong place.")
    return refusal("csv_unclosed_quote", detail % {"row": row})


def header_of(rows: Rows) -> list[str]:
    """The columns' names. Raises Invalid `csv_too_many_columns`, `csv_duplicate_header`, `csv_empty`,
    `row_too_long` or `cell_too_long`.
    """
    try:
        first = next(rows, None)
    except csv.Error as error:
        raise _broken(1, error) from error
    if first is None:  # the beginning of a file that is looked at holds no end of it
        detail = _("The first row does not end within 256 kB. It must name the columns, at most %(most)s.")
        raise refusal("row_too_long", detail % {"most": MAX_COLUMNS})
    if not any(map(str.strip, first)):
        raise refusal("csv_empty", _("The first row is empty; it must name the columns."))
    names = [" ".join(name.replace("\ufeff", "").split())[:80] for name in first]
    while names and not names[-1]:
        names.pop()
    if len(names) > MAX_COLUMNS:
        detail = _("The file has %(count)s columns; at most %(most)s can be imported.")
        raise refusal("csv_too_many_columns", detail % {"count": len(names), "most": MAX_COLUMNS})
    lowered = [name.lower() for name in names if name]
    doubled = sorted({name for name in lowered if lowered.count(name) > 1})
    if doubled:
        detail = _("The column “%(name)s” stands there twice. Remove one.") % {"name": doubled[0]}
        raise refusal("csv_duplicate_header", detail)
    if any("\0" in name for name in names):
        raise refusal("row_control_char", _("A column's name holds a control character (row 1)."))
    return names


def sample_of(rows: Rows) -> list[list[str]]:
    """The first rows, their cells cut short. A broken row ends it: reading the whole file will say where."""
    found: list[list[str]] = []
    try:
        for row in rows:
            found.append([cell[:200].replace("\0", "\ufffd") for cell in row])
            if len(found) == SAMPLE_ROWS:
                break
    except csv.Error:
        pass
    return found


# ---- Excel ------------------------------------------------------------------------------------


def xlsx_rows(file: IO[bytes]) -> Rows:
    """The first sheet's rows as text. Raises Invalid for what is no workbook, or would not fit in memory."""
    from openpyxl import load_workbook  # only where it is needed: with numpy beside it, it weighs 30 MB

    try:
        _check_sizes(file)
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        sheet: Any = book.worksheets[0]
        sheet.reset_dimensions()  # what the file says of its own size may be a lie
        for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
            if number > MAX_SHEET_ROWS or len(row) > 10 * MAX_COLUMNS:
                raise refusal("xlsx_too_large", _("The sheet has more rows or columns than Excel can hold."))
            yield [_text(value) for value in row]
    except (zipfile.BadZipFile, KeyError, IndexError, ValueError, TypeError, AttributeError, SyntaxError,
            EOFError, OSError, OverflowError) as error:  # fmt: skip
        # openpyxl raises whatever a broken part of the workbook leads it into.
        if isinstance(error, DefusedXmlException) or isinstance(error.__cause__, DefusedXmlException):
            raise refusal("xlsx_unsafe", _("The workbook holds XML entities and was not opened.")) from error
        raise refusal("xlsx_broken", _("The workbook cannot be read. Save it again, or as CSV.")) from error


def _check_sizes(file: IO[bytes]) -> None:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    with zipfile.ZipFile(file) as packed:
        parts = packed.infolist()
    unpacked = sum(part.file_size for part in parts)
    shared = sum(part.file_size for part in parts if not part.filename.startswith("xl/worksheets/"))
    is_bomb = any(part.file_size > max(PIECE, 200 * part.compress_size) for part in parts)
    if is_bomb or size > MAX_XLSX or len(parts) > 5000 or unpacked > MAX_UNPACKED or shared > MAX_SHARED:
        raise refusal("xlsx_too_large", _("The workbook is too large when unpacked. Save it as CSV."))
    file.seek(0)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    return value.isoformat() if isinstance(value, date | time) else str(value)
