"""Cleans whole columns at a time: what most cells look like is recognised by one pattern over the column, and
only the others go through the exact cleaner, each different one once.

A quick pattern may only know cells that the exact cleaner returns as they are (tests/audiences/
test_import_columns.py holds them against each other).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import cast

from audiences.imports.cells import Refused
from audiences.imports.controls import CONTROL
from channels.kinds import clean_email, clean_phone
from common.csvfiles import plain_cell
from common.errors import Invalid

MAX_CELL = 2000
# What a column keeps of cleaned cells for its next page.
REMEMBERED, REMEMBERED_LETTERS = 30_000, 500_000
Exact = Callable[[str], str]


class Cleaned:
    """A column's cells in the form they are stored in, "" where there is none; `faults` by place.

    `joined` is the cells with a line end after each, where no cell has one of its own; else "". One of both
    is enough.
    """

    def __init__(
        self, cells: Sequence[str] | None = None, faults: dict[int, Refused] | None = None, joined: str = ""
    ) -> None:
        self.joined, self.faults = joined, faults or {}
        if cells is not None:
            self.cells = cells

    @cached_property
    def cells(self) -> Sequence[str]:
        return self.joined[:-1].split("\n")


# ---- every cell -------------------------------------------------------------------------------


def tidy(cells: Sequence[str]) -> Cleaned:
    """NFC, without spaces around, without our own guard against formulas. Names what cannot be stored."""
    joined = "\n".join(cells) + "\n"
    if _is_tidy(joined, len(cells)):
        return Cleaned(cells, joined=joined)
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
    if max(map(len, cells), default=0) > MAX_CELL:
        for place, cell in enumerate(cells):
            if len(cell) > MAX_CELL:
                faults.setdefault(place, Refused("row_too_long"))
    joined = "\n".join(cells) + "\n"
    return Cleaned(cells, faults, joined if joined.count("\n") == len(cells) else "")


def _is_tidy(joined: str, count: int) -> bool:
    """Whether a column needs nothing done, from a few looks at all of it: no cell is looked at by itself."""
    if joined.count("\n") != count or joined[0] == "'" or "\n'" in joined:
        return False
    # Spaces of every kind but the plain one, and control characters, cannot be printed.
    if not joined.replace("\n", "").isprintable() or "\ufffd" in joined:
        return False
    if joined[0] == " " or " \n" in joined or "\n " in joined:
        return False
    if not joined.isascii() and not unicodedata.is_normalized("NFC", joined):
        return False
    return not _has_longer(joined)


def _has_longer(joined: str) -> bool:
    """From line end to line end, as far apart as they may be."""
    start = 0
    while len(joined) - start > MAX_CELL + 1:
        start = joined.rfind("\n", start, start + MAX_CELL + 1) + 1
        if not start:
            return True
    return False


# ---- one kind of cell -------------------------------------------------------------------------


class Column:
    """Cleans the cells of one column, page after page.

    `quick` is a pattern of cells that are already in their stored form; `exact` returns a cell's stored form
    or raises Refused. `in_quotes`: the stored form is the cell as a JSON text.
    """

    def __init__(self, exact: Exact, quick: str = "", *, in_quotes: bool = False) -> None:
        self.exact, self.in_quotes = exact, in_quotes
        self.one = re.compile(quick) if quick else None
        self.all = re.compile(f"(?:(?:{quick})?\n)*") if quick else None
        self.known: dict[str, str | Refused] = {"": ""}
        self.letters, self.has_refused = 0, False

    def clean(self, tidied: Cleaned) -> Cleaned:
        """The cells of `tidied` in their stored form; its own faults are not repeated."""
        cells, joined = tidied.cells, tidied.joined
        if self.all and joined and self.all.fullmatch(joined):
            return Cleaned(joined=quoted(joined)) if self.in_quotes else tidied
        known = self.known
        new = set(cells).difference(known)
        self.letters += sum(map(len, new))
        if len(known) > REMEMBERED or self.letters > REMEMBERED_LETTERS:
            self.known = known = {"": known[""]}
            new, self.letters = set(cells), 0
            new.discard("")
        for cell in new:
            known[cell] = self._one(cell)
        cleaned = list(map(known.__getitem__, cells))
        if any(isinstance(known[cell], Refused) for cell in new) or self.has_refused:
            self.has_refused = True
            faults = {place: found for place, found in enumerate(cleaned) if isinstance(found, Refused)}
            return Cleaned([found if isinstance(found, str) else "" for found in cleaned], faults)
        return Cleaned(cast(list[str], cleaned))

    def _one(self, cell: str) -> str | Refused:
        if self.one and self.one.fullmatch(cell):
            return f'"{cell}"' if self.in_quotes else cell
        try:
            return self.exact(cell)
        except Refused as refused:
            return refused
        except Invalid as error:
            return Refused(error.code)


def quoted(joined: str) -> str:
    """The cells of a column as JSON texts, joined as they were; none holds anything to escape."""
    return f'"{joined[:-1]}"\n'.replace("\n", '"\n"', joined.count("\n") - 1).replace('""', "")


class EmailColumn(Column):
    """Plain addresses are known by their first part; each domain is asked of the exact cleaner once.

    No possessive quantifier stands behind a group: until Python 3.11.4 it keeps what a failed round has read.
    """

    LOCAL = r"[a-z0-9_+\-]+(?:\.[a-z0-9_+\-]+)*"
    LONGEST = 64  # of a first part; a whole address that short needs no second look

    def __init__(self) -> None:
        super().__init__(clean_email)
        self.one = re.compile(self.LOCAL + r"@[a-z0-9.\-]+")
        self.domain = re.compile("@(.*)")
        self.plain = re.compile(f"(?:(?:{self.one.pattern})?\n)*")
        self.domains: dict[str, bool] = {}

    def clean(self, tidied: Cleaned) -> Cleaned:
        joined = tidied.joined
        if joined and joined.isascii():
            joined = joined.lower()
            if self.plain.fullmatch(joined):
                lowered = joined[:-1].split("\n")
                domains = set(self.domain.findall(joined))
                if max(map(len, lowered), default=0) <= self.LONGEST and all(map(self._is_clean, domains)):
                    return Cleaned(lowered, joined=joined)
        return super().clean(tidied)

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


def phone_column(country: str = "") -> Column:
    return Column(lambda cell: clean_phone(cell, country or None), PHONE)
