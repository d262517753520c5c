"""Cells of the CSV files we write, and the same cells read back.

A spreadsheet runs a cell that begins like a formula. Such a cell gets an apostrophe in front (OWASP ASVS
1.2.10), which our own import takes away again, so that a phone such as +886912345678 survives the round.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any

BOM = "\ufeff"  # without it a spreadsheet takes UTF-8 for something else
# The full-width forms count too: a spreadsheet may fold them to the plain ones.
_RISKY = re.compile(r"'*(?:[\t\r\n]|\s*[=+\-@＝＋－＠])")


def safe_cell(value: Any) -> str:
    """A value as a cell that no spreadsheet runs. Numbers, dates and truth values cannot be formulas.

    True and False become true and false, None the empty cell, moments ISO 8601 in UTC.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = value.isoformat() if isinstance(value, date) else str(value)
    return f"'{text}" if _RISKY.match(text) else text


def plain_cell(text: str) -> str:
    """The text that `safe_cell` was given; any other text as it is."""
    return text[1:] if text.startswith("'") and _RISKY.match(text) else text


class _Line:
    """What csv.writer writes to: hands each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def lines(rows: Iterable[Iterable[Any]], delimiter: str = ",") -> Iterator[str]:
    """The rows as lines of a CSV file, one at a time, BOM first, every cell safe."""
    writer = csv.writer(_Line(), delimiter=delimiter)
    yield BOM
    for row in rows:
        yield writer.writerow([safe_cell(value) for value in row])
