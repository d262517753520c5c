"""What a whole column is recognised by agrees with what cleans one cell, and with what the API takes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from accounts.models import Workspace
from audiences import identities, typed
from audiences.imports import cells
from audiences.imports.cells import Refused
from audiences.imports.columns import PHONE, Cleaned, Column, EmailColumn, phone_column, tidy
from audiences.imports.mapping import Plan, Target
from audiences.imports.sheet import cleaner
from audiences.imports.sniff import guess_encoding
from audiences.models import AttributeDefinition
from channels.kinds import clean_email, clean_phone
from common.csvfiles import plain_cell, safe_cell
from common.errors import Invalid

ZONE = "Asia/Taipei"
LOCALS = st.text("abz09_+-.", min_size=1, max_size=66)
DOMAINS = st.sampled_from(
    ["x.tw", "example.com", "a-b.co", "-bad.tw", "xn--fiq228c.tw", "x..tw", "localhost"]
)
ANY = st.text(max_size=40)


def exactly(clean: Callable[[str], str], cell: str) -> str | None:
    try:
        return clean(cell)
    except (Invalid, Refused):
        return None


def by_column(column: Column, cell: str) -> str | None:
    joined = f"{cell}\n" if "\n" not in cell else ""
    cleaned = column.clean(Cleaned([cell], joined=joined))
    return None if cleaned.faults else cleaned.cells[0]


@settings(max_examples=400)
@given(st.one_of(st.builds("{}@{}".format, LOCALS, DOMAINS), ANY))
@example("a@x.tw\n")
@example("A@X.TW")
@example("a" * 65 + "@x.tw")
@example("İ@x.tw")
@example("ａ@x.tw")
@example("a.@x.tw")
def test_an_email_column_agrees_with_the_cleaner_of_one_address(cell: str) -> None:
    assert not cell or by_column(EmailColumn(), cell) == exactly(clean_email, cell)


@settings(max_examples=400)
@given(st.one_of(st.from_regex(re.compile(PHONE, re.ASCII), fullmatch=True), ANY))
@example("+8860912345678")
@example("+1 555")
def test_a_phone_column_agrees_with_the_cleaner_of_one_number(cell: str) -> None:
    assert not cell or by_column(phone_column(), cell) == exactly(clean_phone, cell)


def of(kind: str) -> Column:
    target = Target(0, "x", "attribute", "x", kind)
    return cleaner(target, Plan((target,), "email", "iso", ZONE))


TYPES: dict[str, tuple[Column, st.SearchStrategy[str]]] = {
    "number": (
        Column(cells.number, cells.NUMBER),
        st.one_of(
            st.from_regex(re.compile(cells.NUMBER.replace("}+", "}")), fullmatch=True),
            st.floats().map(str),
            ANY,
        ),
    ),
    "boolean": (
        Column(cells.boolean, "true|false"),
        st.one_of(st.sampled_from([*cells.TRUTH, "maybe"]), ANY),
    ),
    "date": (
        Column(cells.date_cleaner("iso"), cells.DAY, in_quotes=True),
        st.one_of(st.from_regex(re.compile(cells.DAY), fullmatch=True), st.dates().map(str), ANY),
    ),
    "datetime": (
        Column(cells.date_time_cleaner("iso", ZONE), cells.MOMENT, in_quotes=True),
        st.one_of(st.from_regex(re.compile(cells.MOMENT), fullmatch=True), st.datetimes().map(str), ANY),
    ),
    "email": (of("email"), st.one_of(st.builds("{}@{}".format, LOCALS, DOMAINS), ANY)),
    "phone": (of("phone"), st.one_of(st.from_regex(r"\\+[1-9][0-9 ()-]{6,15}", fullmatch=True), ANY)),
    "list": (Column(cells.items), st.one_of(st.lists(st.text(max_size=5)).map(";".join), ANY)),
}


@given(st.text("fFcCmMapns0123456789abdeABD: <>-_", max_size=120))
@example("FCM:" + "aB-_:" * 5)
@example(" fcm:" + "x" * 480)
@example("fcm:" + "x" * 481)
@example("apns:<" + "0A1B2C3D " * 8 + ">")
@example("dGVzdA")
def test_a_push_token_column_agrees_with_the_cleaner_of_one_token(cell: str) -> None:
    found = by_column(Column(lambda cell: cells.identity("push_token", cell)), cell) if cell else None
    one = exactly(lambda cell: identities.clean(Workspace(), "push_token", cell), cell)
    assert (json.loads(found) if found else None) == one


@pytest.mark.sampled(7)
@pytest.mark.parametrize("kind", TYPES)
@settings(max_examples=300)
@given(data=st.data())
def test_what_a_column_takes_the_api_takes_as_the_same_value(kind: str, data: Any) -> None:
    column, strategy = TYPES[kind]
    tidied = tidy([data.draw(strategy)])
    cell = tidied.cells[0]
    if tidied.faults or not cell:
        return
    found = by_column(column, cell)
    if not found:
        return
    definition = AttributeDefinition(key="k", type=kind)
    stored = json.loads(found)
    if kind == "boolean" and cell.casefold() not in typed.TRUE | typed.FALSE:
        return  # a file may say yes in more words
    if kind == "number" and "," in cell:
        return  # and have commas between thousands
    plain = cell if kind not in ("date", "datetime") else stored  # and single-digit months
    try:
        assert typed.clean(definition, plain, zone=ZoneInfo(ZONE)) == stored
    except Invalid:
        pytest.fail(f"{cell!r} became {stored!r}")


@given(ANY)
@example("=1+1")
@example("'=1")
@example("+886912345678")
@example("\t=1")
@example("＝1")
def test_what_is_guarded_for_a_spreadsheet_comes_back_as_it_was(value: str) -> None:
    guarded = safe_cell(value)
    assert plain_cell(guarded) == value
    assert not guarded or guarded[0] not in "=+-@\t\r＝＋－＠"


SAMPLES = {
    "utf-8": ("utf-8-sig", "信箱,姓名\na@x.tw,林怡君\n"),
    "big5": ("big5hkscs", "信箱,姓名,城市\na@x.tw,林怡君,臺北市\nb@x.tw,陳柏翰,高雄市\n"),
    "gb18030": ("gb18030", "邮箱,姓名,城市\na@x.tw,张伟,北京市\nb@x.tw,王芳,上海市\n"),
    "cp932": ("cp932", "メール,名前\na@x.tw,山田太郎\nb@x.tw,さとう花子\n"),
    "cp1252": ("cp1252", "email,name\na@x.tw,José Müller\nb@x.tw,Zoë Crête\n"),
    "utf-16": ("utf-16", "email,name\na@x.tw,林怡君\n"),
    "utf-16-le": ("utf-16-le", "email,name\na@x.tw,Ana\n"),
    "utf-16-be": ("utf-16-be", "email,name\na@x.tw,Ana\n"),
}


@pytest.mark.parametrize("written", SAMPLES)
def test_an_encoding_is_guessed_from_a_few_rows(written: str) -> None:
    guessed, text = SAMPLES[written]
    assert guess_encoding(text.encode(written)) == guessed
    assert guess_encoding((text * 20_000).encode(written)[: 256 * 1024 - 1]) == guessed


def test_a_cell_of_our_own_export_that_begins_with_a_space_or_a_line_comes_back() -> None:
    for value in (" =1", "\n+1", "'\t-1"):
        assert tidy([safe_cell(value)]).cells == [value]
