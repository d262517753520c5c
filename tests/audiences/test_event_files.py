"""Events from a CSV file by the front door: each row told, nothing twice, hostile files refused whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import AuditEntry, Workspace
from audiences import eventfiles
from audiences.models import Profile, ProfileEvent
from tests import builders

pytestmark = pytest.mark.django_db
ADDRESS = "/audiences/events/import/"


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    made.time_zone = "Asia/Taipei"
    made.save()
    builders.profiles(made, 3)
    return made


@pytest.fixture
def manager(where: Workspace) -> Client:
    client = Client()
    client.force_login(builders.person(where, "manager"))
    return client


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: builders.NOW)


def put(client: Client, raw: str | bytes, **given: Any) -> tuple[int, str]:
    file = SimpleUploadedFile("events.csv", raw.encode() if isinstance(raw, str) else raw)
    answer = client.post(ADDRESS, {"file": file, **given})
    return answer.status_code, answer.content.decode()


def test_rows_become_events_with_properties_and_times_of_the_workspace(
    where: Workspace, manager: Client
) -> None:
    raw = (
        "\ufeffEmail,Name,Time,total,shop,phone_model,properties\n"
        'P0@example.com,order.paid,2026-11-20 09:30,12.5,"林家, ""Ana""\n二樓",0912,"{""vip"": true}"\n'
        "p1@example.com,order.paid,2026/11/20 9:30,,'+1,,\n"
        "p2@example.com,order.paid,2026-11-20T09:30:00.5Z,true,,,\n"
    )
    assert "3 recorded, 0 were there already, 0 rejected" in put(manager, raw)[1]
    first, second, third = ProfileEvent.objects.order_by("id")
    said = {"vip": True, "total": 12.5, "shop": '林家, "Ana"\n二樓', "phone_model": "0912"}
    assert (first.name, first.properties, second.properties) == ("order.paid", said, {"shop": "+1"})
    assert first.at == second.at == datetime(2026, 11, 20, 1, 30, tzinfo=UTC)
    assert (third.at.hour, third.at.microsecond, third.properties) == (9, 500_000, {"total": True})
    entry = AuditEntry.objects.get(verb="record_events")
    assert entry.details["events"] == 3 and "example.com" not in str(entry.details)


def test_the_same_file_again_changes_nothing(where: Workspace, manager: Client) -> None:
    raw = "email,name,time,key\np0@example.com,a,2026-11-20,\np0@example.com,a,2026-11-20T10:00,k1\n"
    raw = raw.replace("2026-11-20,", "2026-11-20T09:00,")
    assert "2 recorded" in put(manager, raw)[1]
    assert "0 recorded, 2 were there already" in put(manager, raw)[1]
    assert (
        "1 recorded, 0 were" in put(manager, raw.split("\n")[0] + "\np0@example.com,b,2026-11-20T09:00,")[1]
    )
    assert ProfileEvent.objects.count() == 3


def test_unknown_people_are_refused_or_made(where: Workspace, manager: Client) -> None:
    raw = "external_id,name,time\nc-7,seen,2026-11-20T09:00Z\n"
    assert "There is no such person" in put(manager, raw)[1]
    assert (ProfileEvent.objects.count(), Profile.objects.count()) == (0, 3)
    assert "1 recorded" in put(manager, raw, create_profiles="on")[1]
    assert ProfileEvent.objects.get().profile == Profile.objects.get(external_id="c-7")


def test_people_are_named_by_number_only_within_the_workspace(where: Workspace, manager: Client) -> None:
    mine = Profile.objects.order_by("pk")[0]
    [other] = builders.profiles(builders.workspace("Elsewhere"), 1)
    rows = "".join(
        f"{who},seen,2026-11-20T09:00Z\n" for who in (mine.pk, other.pk, "x", "9" * 30, "-1", "1.5")
    )
    page = put(manager, "profile,name,time\n" + rows)[1]
    assert "1 recorded, 0 were there already, 5 rejected" in page
    assert ProfileEvent.objects.get().profile_id == mine.pk


def test_rejected_rows_are_told_by_row_and_column_without_the_address_and_can_be_kept(
    where: Workspace, manager: Client
) -> None:
    raw = (
        "email,name,time,note,properties\n"
        "secret@@example,seen,2026-11-20T09:00,,\n"
        "p0@example.com,Not A Name,2026-11-20T09:00,,\n"
        "\n"
        "p0@example.com,seen,yesterday,,\n"
        "p0@example.com,seen,2026-11-20T09:00,a\x07b,\n"
        "p0@example.com,seen,2026-11-20T09:00,,[1]\n"
        ",seen,2026-11-20T09:00,,\n"
        "p0@example.com,seen,2026-11-20T09:00,,,more\n"
        'p0@example.com,seen,2026-11-20T09:00,,"{""a"": [1]}"\n'
        "p0@example.com,=cmd(),2026-11-20T09:00\n"
        "p0@example.com,fine,2026-11-20T09:00\n"
    )
    status, page = put(manager, raw)
    assert status == 200 and "1 recorded, 0 were there already, 9 rejected" in page
    assert "secret" not in page and "se•••" in page
    kept = unquote(page.split('href="data:text/csv;charset=utf-8,')[1].split('"')[0])
    found = [line.split(",")[:3] for line in kept.splitlines()]
    assert found == [
        ["\ufeffRow", "Column", "Value"],
        ["2", "email", "se•••"],
        ["3", "name", "Not A Name"],
        ["5", "time", "yesterday"],
        ["6", "note", "a·•••"],
        ["7", "properties", "[1•••"],
        ["8", "email", ""],
        ["9", "", ""],
        ["10", "properties", '"{""•••"'],
        ["11", "name", "'=cmd()"],
    ]
    assert [one.name for one in ProfileEvent.objects.all()] == ["fine"]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "The file has no content"),
        (b"\n\nx", "The first row is empty"),
        (b"%PDF-1.7 ...", "This is a PDF file"),
        (b"PK\x03\x04 xl/ workbook", "Excel workbook"),
        (b"name,time\nseen,2026-11-20\n", "One column must name the person"),
        (b"email,phone,name,time\n", "here are: email, phone"),
        (b"email,name\np0@example.com,seen\n", "time” is missing"),
        (b"email,Email,name,time\n", "stands there twice"),
        (b'email,name,time\np0@example.com,seen,2026-11-20T09:00\n"p0@example.com,x\n', "From row 3 on"),
        (b"email,name,time\np0@example.com,seen," + b"x" * 200_000 + b"\n", "From row 2 on"),
        (b",".join(b"c%d" % n for n in range(300)) + b"\n", "300 columns"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(
    where: Workspace, manager: Client, raw: bytes, told: str
) -> None:
    status, page = put(manager, raw)
    assert (status, told in page) == (400, True), page
    assert ProfileEvent.objects.count() == 0


def test_too_many_rows_or_bytes_are_refused_before_anything_is_recorded(
    where: Workspace, manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = "email,name,time\n" + "p0@example.com,seen,2026-11-20T09:00\n" * 3
    monkeypatch.setattr(eventfiles, "MOST_ROWS", 2)
    assert put(manager, raw)[0] == 400
    monkeypatch.setattr(eventfiles, "MOST_BYTES", 20)
    assert put(manager, raw)[0] == 400
    assert ProfileEvent.objects.count() == 0


def test_pages_and_faults_are_counted_over_the_whole_file(
    where: Workspace, manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventfiles, "PAGE", 2)
    monkeypatch.setattr(eventfiles, "MOST_TOLD", 2)
    rows = "".join(f"p{n},seen,2026-11-20T09:0{n}\n" for n in range(5))
    page = put(manager, "email,name,time\n" + rows + "p1@example.com,seen,2026-11-20T09:00\n")[1]
    assert "1 recorded, 0 were there already, 5 rejected" in page
    assert page.count("•••</td>") == 2


@pytest.mark.parametrize("encoding", ["utf-8", "big5", "utf-16"])
def test_encodings_and_delimiters_are_recognised(where: Workspace, manager: Client, encoding: str) -> None:
    raw = "email;name;time;店名\n" + "p0@example.com;seen;2026-11-20T09:00;台北信義門市\n"
    assert "1 recorded" in put(manager, raw.encode(encoding))[1]
    assert ProfileEvent.objects.get().properties == {"店名": "台北信義門市"}


def test_who_may_not_manage_people_can_bring_in_nothing(where: Workspace) -> None:
    client = Client(raise_request_exception=False)
    raw = "email,name,time\np0@example.com,seen,2026-11-20T09:00\n"
    assert put(client, raw)[0] == 302
    client.force_login(builders.person(where, "viewer"))
    assert put(client, raw)[0] == client.get(ADDRESS).status_code == 403
    assert ProfileEvent.objects.count() == 0


def test_the_list_of_people_leads_there(where: Workspace, manager: Client) -> None:
    assert ADDRESS in manager.get("/audiences/profiles/").content.decode()
    page = manager.get(ADDRESS).content.decode()
    assert "Asia/Taipei" in page
    assert page.count('aria-current="page"') == page.count('/audiences/profiles/" aria-current="page"') == 1
