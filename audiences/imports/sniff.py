"""What a file is: its encoding, its delimiter and its header. A file that cannot be right is refused here,
before anything is stored.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from charset_normalizer import from_bytes
from django.utils.translation import gettext as _

from common.errors import Invalid, Problem

MAX_BYTES = 50 * 1024 * 1024
MAX_COLUMNS = 200
DELIMITERS = ",;\t|"
SIGNATURES = {b"PK\x03\x04": "ZIP / Excel", b"%PDF": "PDF", b"\x1f\x8b": "gzip", b"\xd0\xcf\x11\xe0": "Excel"}
BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
OURS = {"id", "workspace_id", "workspace", "is_test", "created_at", "changed_at", "attributes"}
ALIASES = {
    "e-mail": "email",
    "mail": "email",
    "email_address": "email",
    "language": "locale",
    "mobile": "phone",
}
PROFILE_COLUMNS = ("email", "phone", "locale", "time_zone")


@dataclass(frozen=True)
class Sheet:
    """A file that can be read. `columns` is in the file's order; "" marks a column that is not imported."""

    text: str
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    ignored: tuple[str, ...]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Each row after the header with its number in the file, the header being 1.

        Raises Invalid `csv_unclosed_quote`, naming the row where it begins.
        """
        reader = csv.reader(io.StringIO(self.text, newline=""), delimiter=self.delimiter, strict=True)
        number = 0
        try:
            for number, row in enumerate(reader, start=1):
                if number > 1 and any(cell.strip() for cell in row):
                    yield number, row
        except csv.Error as error:
            detail = _("From row %(row)s on, a quotation mark is not closed or stands in a wrong place.")
            raise _refusal("csv_unclosed_quote", detail % {"row": number + 1}) from error


def _refusal(code: str, detail: str) -> Invalid:
    return Invalid(Problem(code, detail, "file"))


def sniff(raw: bytes) -> Sheet:
    """Raises Invalid with a code of the hostile-input list (csv_empty, file_type, csv_encoding, …)."""
    if len(raw) > MAX_BYTES:
        raise _refusal("file_too_large", _("The file is larger than 50 MB. Split it."))
    for signature, kind in SIGNATURES.items():
        if raw.startswith(signature):
            detail = _("This is a %(kind)s file. Save it as CSV and choose that file.") % {"kind": kind}
            raise _refusal("file_type", detail)
    text, encoding = decode(raw)
    if not text.strip():
        raise _refusal("csv_empty", _("The file has no content."))
    first = text.lstrip("\ufeff").split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    return _with_header(text.lstrip("\ufeff"), encoding, delimiter)


def decode(raw: bytes) -> tuple[str, str]:
    """A byte order mark decides; else UTF-8 if it fits; else a guess, Big5 first as files here mostly are."""
    candidates = [encoding for bom, encoding in BOMS.items() if raw.startswith(bom)] or ["utf-8", "big5hkscs"]
    for encoding in candidates:
        try:
            return raw.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    guess = from_bytes(raw[:100_000]).best()
    try:
        return raw.decode(guess.encoding if guess else "utf-8"), guess.encoding if guess else "utf-8"
    except UnicodeDecodeError as error:
        detail = _("The file's characters cannot be read. Save it as UTF-8 and choose it again.")
        raise _refusal("csv_encoding", detail) from error


def _with_header(text: str, encoding: str, delimiter: str) -> Sheet:
    try:
        header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration) as error:
        raise _refusal("csv_unclosed_quote", _("A quotation mark in the first row is not closed.")) from error
    if len(header) > MAX_COLUMNS:
        detail = _("The file has %(count)s columns; at most %(most)s can be imported.")
        raise _refusal("csv_too_many_columns", detail % {"count": len(header), "most": MAX_COLUMNS})
    columns, ignored = [], []
    for cell in header:
        name = cell.strip().lower().replace(" ", "_")
        name = ALIASES.get(name, name)
        if KEY.fullmatch(name) and name not in OURS:
            columns.append(name)
        else:
            columns.append("")
            ignored.append(cell.strip()[:80])
    doubled = sorted({name for name in columns if name and columns.count(name) > 1})
    if doubled:
        detail = _("The column “%(name)s” stands there twice. Remove one.") % {"name": doubled[0]}
        raise _refusal("csv_duplicate_header", detail)
    if "email" not in columns:
        found = ", ".join(cell.strip()[:40] for cell in header[:10])
        detail = _("No column is named email. Found: %(found)s. The first row must name the columns.")
        raise _refusal("csv_no_email_column", detail % {"found": found})
    return Sheet(text, encoding, delimiter, tuple(columns), tuple(ignored))
