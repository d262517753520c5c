"""Guesses what a file is from its beginning: Excel or text, and how the text is written.

A guess is a guess: the wizard shows it with the first rows, and it can be changed.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from charset_normalizer import from_bytes
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiences.models import Import
from common.errors import Invalid, Problem

HEAD = 256 * 1024
MAX_BYTES = 500 * 1024 * 1024
ENCODINGS = {
    "utf-8-sig": gettext_lazy("UTF-8"),
    "big5hkscs": gettext_lazy("Big5 (Traditional Chinese)"),
    "gb18030": gettext_lazy("GB18030 (Simplified Chinese)"),
    "cp932": gettext_lazy("Shift-JIS (Japanese)"),
    "cp1252": gettext_lazy("Windows-1252 (Western European)"),
    "utf-16": gettext_lazy("UTF-16 with byte order mark"),
    "utf-16-le": gettext_lazy("UTF-16, little endian"),
    "utf-16-be": gettext_lazy("UTF-16, big endian"),
}
DELIMITERS = {
    ",": gettext_lazy("comma"),
    ";": gettext_lazy("semicolon"),
    "\t": gettext_lazy("tab"),
    "|": gettext_lazy("vertical bar"),
}
SIGNATURES = {
    b"PK\x03\x04": "ZIP",
    b"PK\x05\x06": "ZIP",
    b"%PDF": "PDF",
    b"\x1f\x8b": "gzip",
    b"\xd0\xcf\x11\xe0": "Excel 97 (.xls)",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
}


@dataclass(frozen=True)
class Guess:
    kind: str
    encoding: str = ""
    delimiter: str = ""


def refusal(code: str, detail: str) -> Invalid:
    return Invalid(Problem(code, detail, "file"))


def sniff(head: bytes, size: int) -> Guess:
    """Raises Invalid `csv_empty`, `file_too_large`, `file_type` or `csv_encoding`."""
    if size > MAX_BYTES:
        raise refusal("file_too_large", _("The file is larger than 500 MB. Split it."))
    head = head[:HEAD]
    if not head.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00"):
        raise refusal("csv_empty", _("The file has no content."))
    if head.startswith(b"PK\x03\x04") and (b"[Content_Types].xml" in head or b"xl/" in head):
        return Guess(Import.Kind.XLSX)
    for signature, kind in SIGNATURES.items():
        if head.startswith(signature):
            detail = _("This is a file of the kind %(kind)s. Save it as CSV or .xlsx and choose that.")
            raise refusal("file_type", detail % {"kind": kind})
    encoding = guess_encoding(head)
    return Guess(Import.Kind.CSV, encoding, guess_delimiter(beginning(head, encoding)))


def beginning(head: bytes, encoding: str) -> str:
    """The decoded head; a character cut at its end is left out, one that cannot be read becomes U+FFFD."""
    try:
        return codecs.getincrementaldecoder(encoding)("replace").decode(head)
    except (UnicodeError, LookupError) as error:
        detail = _("The file's characters cannot be read. Save it as UTF-8 and choose it again.")
        raise refusal("csv_encoding", detail) from error


# ---- encoding ---------------------------------------------------------------------------------


def guess_encoding(head: bytes) -> str:
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if _reads(head, "utf-8") and b"\0" not in head[:1000]:
        return "utf-8-sig"
    if (zeros := _zeros(head)) is not None:
        return zeros
    scores = {name: _sense(head, name) for name in SENSE}
    best = max(scores, key=lambda name: scores[name])  # the first of equals: files here are mostly Big5
    if scores[best] > 0.5:
        return best
    found = from_bytes(head[:50_000]).best()
    guessed = codecs.lookup(found.encoding).name if found else ""
    by_name = {codecs.lookup(name).name: name for name in ENCODINGS} | {"big5": "big5hkscs", "gbk": "gb18030"}
    return by_name.get(guessed, best)


def _reads(head: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)("strict").decode(head)
    except UnicodeError:
        return False
    return True


def _zeros(head: bytes) -> str | None:
    """UTF-16 without its mark, of mostly Latin text, has a zero at every second place."""
    start = head[:2000]
    odd, even = start[1::2].count(0), start[::2].count(0)
    if max(odd, even) > len(start) / 8:
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8-sig" if _reads(head, "utf-8") else None


def _is_common_big5(code: bytes) -> bool:
    return len(code) == 2 and 0xA1 <= code[0] <= 0xC6


def _is_common_gb(code: bytes) -> bool:
    return len(code) == 2 and code[1] >= 0xA1 and (0xB0 <= code[0] <= 0xD7 or 0xA1 <= code[0] <= 0xA3)


def _is_common_jis(code: bytes) -> bool:
    return len(code) == 2 and (0x81 <= code[0] <= 0x83 or 0x88 <= code[0] <= 0x97)


SENSE: dict[str, Callable[[bytes], bool] | None] = {
    "big5hkscs": _is_common_big5,
    "gb18030": _is_common_gb,
    "cp932": _is_common_jis,
    "cp1252": None,
}
_LONE = re.compile(r"(?<![^\x00-\x7f])[^\x00-\x7f](?![^\x00-\x7f])")


def _sense(head: bytes, encoding: str) -> float:
    """The share of foreign letters that are everyday ones when the text is read so; 0 where it cannot be."""
    if not _reads(head, encoding):
        return 0
    text = beginning(head, encoding)
    foreign = [letter for letter in text if letter > "\x7f"][:5000]
    if not foreign:
        return 0
    is_common = SENSE[encoding]
    if is_common is None:  # a Western text has its accents one by one between plain letters
        return 0.95 * len(_LONE.findall(text)[:5000]) / len(foreign)
    return sum(is_common(letter.encode(encoding)) for letter in foreign) / len(foreign)


# ---- delimiter --------------------------------------------------------------------------------


def guess_delimiter(text: str) -> str:
    """The one that cuts most rows into as many cells as the first, and into more than one."""
    lines = text.split("\n")[:50]
    if len(lines) > 1 and len(text) >= HEAD // 4:
        lines.pop()

    def fit(delimiter: str) -> tuple[float, int]:
        try:
            rows = [row for row in islice(csv.reader(lines, delimiter=delimiter), 50) if row]
        except csv.Error:
            return 0, 0
        width = len(rows[0]) if rows else 0
        return (sum(len(row) == width for row in rows) / len(rows), width) if width > 1 else (0, 0)

    return max(DELIMITERS, key=fit)
