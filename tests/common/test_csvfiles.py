"""No cell we write is run by a spreadsheet, and each is read back as it was."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.csvfiles import BOM, lines, plain_cell, safe_cell

FORMULAS = [
    *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x.tw")'),
    *("=cmd|' /C calc'!A0", "＝1", "＋1", "－1", "＠x", " =1", "+886912345678", "'=1", "''@x"),
]
HARMLESS = ["", "a", "林怡君", "'quoted'", "it's", "a=b", "1", "a@example.com", "'"]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_begins_like_a_formula_is_prefixed_and_read_back_as_it_was(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert plain_cell(safe_cell(text)) == text


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert safe_cell(text) == text == plain_cell(text)


@given(st.text())
def test_every_text_survives_the_round(text: str) -> None:
    assert plain_cell(safe_cell(text)) == text


def test_values_that_are_no_texts_are_written_plainly() -> None:
    there = timezone(timedelta(hours=8))
    values = [None, True, False, -5, 1.5, date(2026, 11, 24), datetime(2026, 11, 24, 8, tzinfo=there)]
    expected = ["", "true", "false", "-5", "1.5", "2026-11-24", "2026-11-24T00:00:00Z"]
    assert [safe_cell(value) for value in values] == expected


def test_a_file_begins_with_its_mark_and_quotes_what_must_be_quoted() -> None:
    rows = [["name", "note"], ['A "b", c', "two\nlines"], ["=1", datetime(2026, 1, 1, tzinfo=UTC)]]
    text = "".join(lines(rows))
    assert text.startswith(BOM)
    read = list(csv.reader(io.StringIO(text[1:], newline="")))
    assert read == [["name", "note"], ['A "b", c', "two\nlines"], ["'=1", "2026-01-01T00:00:00Z"]]
