"""Cleans whole columns at a time: what most cells look like is recognised by one pattern over the column, and
only the others go through the exact cleaner, each different one once.

A quick pattern may only know cells that the exact cleaner returns as they are (tests/audiences/
test_import_columns.py holds them against each other).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

from audiences.imports.cells import Refused
from audiences.imports.controls import CONTROL
from channels.kinds import clean_email, clean_phone
from common.csvfiles import plain_cell
from common.errors import Invalid

MAX_CELL = 2000
REMEMBERED = 10_000  # cells whose cleaned form a column keeps for its next page
Exact = Callable[[str], str]


@dataclass
class Cleaned:
    """A column's cells in the form they are stored in, "" where there is none; `faults` by place."""

    cells: list[str]
    faults: dict[int, Refused] = field(default_factory=dict)


# ---- every cell -------------------------------------------------------------------------------


def tidy(cells: list[str]) -> Cleaned:
    """NFC, without spaces around, without our own guard against formulas. Names what cannot be stored."""
    joined = "\n".join(cells)
    if not joined.isascii() and not unicodedata.is_normalized("NFC", joined):
        cells = [unicodedata.normalize("NFC", cell) for cell in cells]
    if "\t" in joined or "\r" in joined:  # a cell may begin with one, and keeps it
        cells = [cell.strip(" \u3000\xa0\n") for cell in cells]
    else:
        cells = list(map(str.strip, cells))
    if joined.startswith("'") or "\n'" in joined or " '" in joined or "\u3000'" in joined:
        cells = list(map(plain_cell, cells))
    faults: dict[int, Refused] = {}
    if CONTROL.search(joined):
        for place, cell in enumerate(cells):
            if found := CONTROL.search(cell):
                code = "row_encoding" if found[0] == "\ufffd" else "row_control_char"
                faults[place] = Refused(code)
    if len(joined) > MAX_CELL and max(map(len, cells)) > MAX_CELL:
        for place, cell in enumerate(cells):
            if len(cell) > MAX_CELL:
                faults.setdefault(place, Refused("row_too_long"))
    return Cleaned(cells, faults)


# ---- one kind of cell -------------------------------------------------------------------------


class Column:
    """Cleans the cells of one column, page after page.

    `quick` is a pattern of cells that are already in their stored form; `exact` returns a cell's stored form
    or raises Refused. `in_quotes`: the stored form is the cell as a JSON text.
    """

    def __init__(self, exact: Exact, quick: str = "", *, in_quotes: bool = False) -> None:
        self.exact, self.in_quotes = exact, in_quotes
        self.one = re.compile(quick) if quick else None
        self.all = re.compile(f"(?:(?:{quick})?\n)*+") if quick else None
        self.known: dict[str, str | Refused] = {"": ""}

    def clean(self, cells: list[str]) -> Cleaned:
        joined = "\n".join(cells) + "\n"
        # A cell with a line end of its own would pass for two.
        if self.all and self.all.fullmatch(joined) and joined.count("\n") == len(cells):
            return Cleaned([f'"{cell}"' if cell else "" for cell in cells] if self.in_quotes else cells)
        if len(self.known) > REMEMBERED:
            self.known = {"": ""}
        known = self.known
        for cell in set(cells).difference(known):
            known[cell] = self._one(cell)
        cleaned = [known[cell] for cell in cells]
        faults = {place: found for place, found in enumerate(cleaned) if isinstance(found, Refused)}
        return Cleaned([found if isinstance(found, str) else "" for found in cleaned], faults)

    def _one(self, cell: str) -> str | Refused:
        if self.one and self.one.fullmatch(cell):
            return f'"{cell}"' if self.in_quotes else cell
        try:
            return self.exact(cell)
        except Refused as refused:
            return refused
        except Invalid as error:
            return Refused(error.code)


class EmailColumn(Column):
    """Plain addresses are known by their first part; each domain is asked of the exact cleaner once."""

    LOCAL = r"[a-z0-9_+\-](?:\.?[a-z0-9_+\-])*+"
    LONGEST = 64  # of a first part; a whole address that short needs no second look

    def __init__(self) -> None:
        super().__init__(clean_email)
        self.one = re.compile(self.LOCAL + r"@[a-z0-9.\-]++")
        self.plain = re.compile(f"(?:(?:{self.one.pattern})?\n)*+")
        self.domains: dict[str, bool] = {}

    def clean(self, cells: list[str]) -> Cleaned:
        joined = "\n".join(cells)
        if joined.isascii():
            joined = joined.lower()
            lowered = joined.split("\n")
            if len(lowered) == len(cells) and self.plain.fullmatch(joined + "\n"):
                domains = {cell[cell.rfind("@") + 1 :] for cell in lowered if cell}
                if max(map(len, lowered), default=0) <= self.LONGEST and all(map(self._is_clean, domains)):
                    return Cleaned(lowered)
        return super().clean(cells)

    def _one(self, cell: str) -> str | Refused:
        lowered = cell.lower() if cell.isascii() else cell
        is_plain = self.one and len(cell) <= self.LONGEST and self.one.fullmatch(lowered)
        if is_plain and self._is_clean(lowered.rpartition("@")[2]):
            return lowered
        try:
            return clean_email(cell)
        except Invalid:
            return Refused("bad_email")

    def _is_clean(self, domain: str) -> bool:
        if len(self.domains) > REMEMBERED:
            self.domains.clear()
        if domain not in self.domains:
            try:
                self.domains[domain] = clean_email(f"a@{domain}") == f"a@{domain}"
            except Invalid:
                self.domains[domain] = False
        return self.domains[domain]


# E.164 numbers of which every digit string of that length is possible, so that nothing is rewritten.
PHONE = r"\+(?:8869[0-9]{8}|1[2-9][0-9]{9}|861[3-9][0-9]{9}|8190[0-9]{8}|447[1-9][0-9]{8}|65[89][0-9]{7})"


def phone_column() -> Column:
    return Column(clean_phone, PHONE)
