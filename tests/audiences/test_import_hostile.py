"""Files made to hurt: area C-I of the hostile-input list and what is like it. Nobody is changed."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest
from django.test import Client
from openpyxl import Workbook

from accounts.models import Workspace
from audiences.imports import problems as told
from audiences.models import Import, Profile
from common.errors import Invalid
from tests import builders
from tests.audiences.imported import checked, problems, put, uploaded

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


def workbook(*rows: list[object]) -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def patched(raw: bytes, part: str, text: bytes) -> bytes:
    """The workbook with one part replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, text if name == part else old.read(name))
    return out.getvalue()


PLAIN = workbook(["email", "n"], ["a@x.tw", 1])
SHEET = "xl/worksheets/sheet1.xml"
LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">
<c r="A1" t="inlineStr"><is><t>&b;</t></is></c></row></sheetData></worksheet>"""
OUTSIDE = LAUGHS.replace(b'<!ENTITY a "ha">', b'<!ENTITY a SYSTEM "file:///etc/passwd">')
FAR = b"""<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>email</t></is></c></row>
<row r="99999999999"><c r="A99999999999" t="inlineStr"><is><t>a@x.tw</t></is></c></row></sheetData>
</worksheet>"""


def test_a_workbook_comes_in_like_a_text_file(where: Workspace) -> None:
    from datetime import date, datetime

    raw = workbook(
        ["email", "points", "vip", "born", "seen", "zip"],
        ["a@x.tw", 3.0, True, date(1990, 3, 2), datetime(2026, 3, 2, 13, 5), "0123"],
        [None, None, None],
        ["b@x.tw", 2.5, False],
    )
    job = put(raw, where, name="p.xlsx")
    assert (job.kind, job.state, job.created_count) == ("xlsx", "completed", 2)
    first = Profile.objects.get(email="a@x.tw").attributes
    assert (first["points"], first["vip"], first["born"], first["zip"]) == (3, True, "1990-03-02", "0123")
    assert first["seen"] == "2026-03-02T13:05:00Z"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (patched(PLAIN, SHEET, LAUGHS), "xlsx_unsafe"),
        (patched(PLAIN, SHEET, OUTSIDE), "xlsx_unsafe"),
        (patched(PLAIN, SHEET, b" " * 60_000_000), "xlsx_too_large"),
        (patched(PLAIN, SHEET, b"<nothing"), "xlsx_broken"),
        (patched(PLAIN, "xl/workbook.xml", b"<a/>"), "xlsx_broken"),
        (PLAIN[: len(PLAIN) // 2], "xlsx_broken"),
    ],
)
def test_a_workbook_made_to_hurt_is_refused(where: Workspace, raw: bytes, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        uploaded(raw, where, name="p.xlsx")
    assert caught.value.code == code
    assert not Import.objects.exists()


def test_a_row_number_beyond_excel_ends_the_import_and_not_the_machine(where: Workspace) -> None:
    job = checked(patched(PLAIN, SHEET, FAR), where, name="p.xlsx")
    assert (job.state, Profile.objects.count()) == ("failed", 0)
    assert "Excel can hold" in job.reason


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("x")', "=cmd|' /C calc'!A0", "＝1"]
)
def test_what_looks_like_a_formula_is_kept_as_it_is_and_guarded_going_out(
    where: Workspace, cell: str
) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    to = {"note": {"to": "attribute", "key": "note", "type": "text"}}
    put(f"email,note\na@x.tw,{quoted}\n", where, columns=to)
    assert Profile.objects.get().attributes == {"note": cell}
    job = checked(f"email,note\n{quoted},x\n", where)
    rejected = list(csv.reader("".join(told.as_csv(job)).splitlines()))
    assert rejected[1][2] == "'" + cell


def test_a_phone_that_was_exported_comes_back(where: Workspace) -> None:
    put("email,phone\na@x.tw,'+886912345678\n", where)
    assert Profile.objects.get().phone == "+886912345678"


@pytest.mark.parametrize(
    ("raw", "delimiter"),
    [
        (b"email;name\na@x.tw;Ana, B\n", ";"),
        (b"email\tname\na@x.tw\tAna;B\n", "\t"),
        (b"email|name\na@x.tw|Ana\n", "|"),
        (b'email,name\na@x.tw,"a;b"\nb@x.tw,"c;d"\n', ","),
        (b"email\na@x.tw\n", ","),
    ],
)
def test_a_delimiter_is_guessed(where: Workspace, raw: bytes, delimiter: str) -> None:
    assert uploaded(raw, where).delimiter == delimiter


def test_line_ends_of_every_house_are_read(where: Workspace) -> None:
    for number, end in enumerate(["\r\n", "\n", "\r"]):
        job = put(end.join(["email,name", f"a{number}@x.tw,Ana", f"b{number}@x.tw,Bo"]), where)
        assert job.created_count == 2


def test_a_line_without_end_is_refused_before_it_fills_the_memory(where: Workspace) -> None:
    job = checked(b"email\na@x.tw\n" + b"x" * 4_000_000, where)
    assert (job.state, Profile.objects.count()) == ("failed", 0)


def test_names_of_files_and_columns_that_try_something_are_shown_escaped(where: Workspace) -> None:
    name = "<script>alert(1)</script>.csv"
    job = uploaded(b"email,<img src=x onerror=alert(1)>\na@x.tw,<b>x</b>\n", where, name=name)
    client = Client()
    client.force_login(builders.person(where, "manager"))
    page = client.get(f"/audiences/imports/{job.pk}/").content.decode()
    for text in ("<script>alert", "<img src=x", "<b>x</b>"):
        assert text not in page


def test_control_characters_and_halves_of_letters_name_their_cell(where: Workspace) -> None:
    raw = b"email,name\na@x.tw,nul\x00\nb@x.tw,bell\x07\nc@x.tw,half\xed\xa0\x80\nd@x.tw,fine\n"
    job = uploaded(raw, where)
    assert job.header == ["email", "name"]
    job = checked(raw.replace(b"\xed\xa0\x80", b""), where)
    assert problems(job) == [(2, "name", "row_control_char"), (3, "name", "row_control_char")]
