"""Cells of files that a spreadsheet will open: text that it would take for a formula is guarded, and
unguarded again when such a file comes back.
"""

from __future__ import annotations

import re

# What Excel, LibreOffice and Google Sheets read as a formula, also in full width (OWASP ASVS 1.2.10).
_FORMULA = "=+\\-@\t\r＝＋－＠"
_TO_GUARD = re.compile(f"'*[{_FORMULA}]")
_GUARDED = re.compile(f"'+[{_FORMULA}]")


def guard(value: str) -> str:
    """The cell with an apostrophe before it where a spreadsheet would otherwise calculate it."""
    return "'" + value if _TO_GUARD.match(value) else value


def unguard(cell: str) -> str:
    """The value that `guard` was given. Other cells stay as they are."""
    return cell[1:] if _GUARDED.match(cell) else cell
