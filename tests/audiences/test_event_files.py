"""Events from a CSV file by the front door: each row told, nothing twice, hostile files refused whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.access import SYSTEM
from accounts.models import AuditEntry, Workspace
from audiences import events
from audiences.imports import claims, eventsteps, jobs, work
from audiences.models import Import, Profile, ProfileEvent
from tests import builders
from tests.api import Caller

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


def upload(client: Client, raw: str | bytes, **given: Any) -> Any:
    file = SimpleUploadedFile("events.csv", raw.encode() if isinstance(raw, str) else raw)
    return client.post(ADDRESS, {"file": file, **given})


def put(client: Client, raw: str | bytes, **given: Any) -> tuple[int, str]:
    """Uploaded and worked on to its end: the status, and the page that tells what became of it."""
    answer = upload(client, raw, **given)
    if answer.status_code != 302 or "/imports/" not in answer.url:
        return answer.status_code, answer.content.decode()
    job = Import.objects.latest("pk")
    while work.advance(job.pk):
        pass
    return 200, client.get(answer.url).content.decode()


def fate() -> tuple[int, int, int]:
    """How many rows of the last file were recorded, there already, rejected."""
    job = Import.objects.latest("pk")
    assert job.state == "completed", job.reason
    return job.created_count, job.unchanged_count, job.rejected_count


def test_rows_become_events_with_properties_and_times_of_the_workspace(
    where: Workspace, manager: Client
) -> None:
    raw = (
        "\ufeffEmail,Name,Time,total,shop,phone_model,properties\n"
        'P0@example.com,order.paid,2026-11-20 09:30,12.5,"林家, ""Ana""\n二樓",0912,"{""vip"": true}"\n'
        "p1@example.com,order.paid,2026/11/20 9:30,,'+1,,\n"
        "p2@example.com,order.paid,2026-11-20T09:30:00.5Z,true,,,\n"
    )
    put(manager, raw)
    assert fate() == (3, 0, 0)
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
    put(manager, raw)
    assert fate() == (2, 0, 0)
    put(manager, raw)
    assert fate() == (0, 2, 0)
    put(manager, raw.split("\n")[0] + "\np0@example.com,b,2026-11-20T09:00,")
    assert fate() == (1, 0, 0)
    assert ProfileEvent.objects.count() == 3


def test_unknown_people_are_refused_or_made(where: Workspace, manager: Client) -> None:
    raw = "external_id,name,time\nc-7,seen,2026-11-20T09:00Z\n"
    assert "There is no such person" in put(manager, raw)[1]
    assert (ProfileEvent.objects.count(), Profile.objects.count()) == (0, 3)
    put(manager, raw, create_profiles="on")
    assert fate() == (1, 0, 0)
    assert ProfileEvent.objects.get().profile == Profile.objects.get(external_id="c-7")


def test_people_are_named_by_number_only_within_the_workspace(where: Workspace, manager: Client) -> None:
    mine = Profile.objects.order_by("pk")[0]
    [other] = builders.profiles(builders.workspace("Elsewhere"), 1)
    rows = "".join(
        f"{who},seen,2026-11-20T09:00Z\n" for who in (mine.pk, other.pk, "x", "9" * 30, "-1", "1.5")
    )
    put(manager, "profile,name,time\n" + rows)
    assert fate() == (1, 0, 5)
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
    assert status == 200 and fate() == (1, 0, 9)
    assert "secret" not in page and "se•••" in page
    answer: Any = manager.get(f"/audiences/imports/{Import.objects.get().pk}/rejected.csv")
    kept = b"".join(answer.streaming_content).decode()
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
        (b"%PDF-1.7 ...", "This is a file of the kind PDF"),
        (b"PK\x03\x04 xl/ workbook", "The workbook cannot be read"),
        (b"name,time\nseen,2026-11-20\n", "One column must name the person"),
        (b"email,phone,name,time\n", "here are: email, phone"),
        (b"email,name\np0@example.com,seen\n", "time” is missing"),
        (b"email,Email,name,time\n", "stands there twice"),
        (b'email,name,time\np0@example.com,seen,2026-11-20T09:00\n"p0@example.com,x\n', "From row 3 on"),
        (b"email,name,time\np0@example.com,seen," + b"x" * 200_000 + b"\n", "In row 2 a cell is longer"),
        (b",".join(b"c%d" % n for n in range(300)) + b"\n", "300 columns"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(
    where: Workspace, manager: Client, raw: bytes, told: str
) -> None:
    status, page = put(manager, raw)
    job = Import.objects.first()
    assert told in page and ((status == 400 and job is None) or (job and job.state == "failed")), page
    assert ProfileEvent.objects.count() == 0


def test_too_many_rows_are_refused_before_anything_is_recorded(
    where: Workspace, manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventsteps, "MOST_ROWS", 2)
    page = put(manager, "email,name,time\n" + "p0@example.com,seen,2026-11-20T09:00\n" * 3)[1]
    assert "more than 2 rows" in page and ProfileEvent.objects.count() == 0


MANY = "email,name,time\n" + "".join(
    f"p{n % 3}{'@example.com' if n % 5 else ''},seen,2026-11-20T09:{n:02}\n" for n in range(20)
)


def killed_at_page(number: int, job: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is stopped within the page, before it is committed."""
    real, pages = events.record, []

    def record(*args: Any, **given: Any) -> Any:
        pages.append(1)
        found = real(*args, **given)
        if len(pages) == number:
            raise KeyboardInterrupt
        return found

    with monkeypatch.context() as patch:
        patch.setattr(events, "record", record)
        with pytest.raises(KeyboardInterrupt):
            work.advance(job.pk)


def test_a_file_is_paused_goes_on_after_a_killed_worker_and_counts_nothing_twice(
    where: Workspace, manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventsteps, "PAGE", 3)
    address = upload(manager, MANY).url
    job = Import.objects.get()
    assert "may leave this page" in manager.get(address).content.decode()
    assert ProfileEvent.objects.count() == 0 and claims.unfinished() == [job.pk]
    work.advance(job.pk)  # read to its end, nothing recorded
    assert ProfileEvent.objects.count() == 0
    killed_at_page(3, job, monkeypatch)
    job.refresh_from_db()
    assert (job.state, job.merged, ProfileEvent.objects.count()) == ("merging", 6, 4)
    assert not work.advance(job.pk)  # the dead one's lease still holds
    jobs.pause(job, actor=SYSTEM, now=builders.NOW)
    assert not work.advance(job.pk) and "30" in manager.get(address).content.decode()
    assert manager.post(f"{address}resume/").status_code == 302
    assert not work.advance(job.pk)
    assert fate() == (16, 0, 4) and ProfileEvent.objects.count() == 16
    assert [one.row for one in job.problems.all()] == [2, 7, 12, 17]


def test_a_cancelled_file_keeps_what_was_recorded_and_says_so(
    where: Workspace, manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventsteps, "PAGE", 3)
    address = upload(manager, MANY).url
    job = Import.objects.get()
    work.advance(job.pk)
    killed_at_page(3, job, monkeypatch)
    manager.post(f"{address}cancel/")
    Import.objects.update(lease_until=None)
    assert not work.advance(job.pk) and ProfileEvent.objects.count() == 4
    page = manager.get(address).content.decode()
    assert "cancelled after" in page and not job.chunks.exists()


def test_whose_right_was_taken_away_meanwhile_records_nothing(where: Workspace, manager: Client) -> None:
    upload(manager, MANY)
    job = Import.objects.get()
    assert job.created_by
    job.created_by.groups.clear()
    while work.advance(job.pk):
        pass
    job.refresh_from_db()
    assert (job.state, ProfileEvent.objects.count()) == ("failed", 0)
    assert "audiences.manage_audience" in job.reason


def test_another_system_hands_in_a_file_and_asks_how_far_it_is(where: Workspace) -> None:
    call = Caller(where)
    file = SimpleUploadedFile("events.csv", MANY.encode())
    answer = call.client.post("/api/imports/events/", {"file": file}, headers=call.headers)
    assert answer.status_code == 202, answer.content
    job = answer.json()
    assert (job["content"], job["state"], job["actions"]) == ("events", "staging", ["pause", "cancel"])
    while work.advance(job["id"]):
        pass
    told = call.get(f"/api/imports/{job['id']}/").json()
    assert (told["state"], told["progress"], told["counts"]["new"]) == ("completed", 100.0, 16)
    refused = SimpleUploadedFile("events.csv", b"email,name\n")
    answer = call.client.post("/api/imports/events/", {"file": refused}, headers=call.headers)
    assert answer.status_code == 400 and Import.objects.count() == 1


@pytest.mark.parametrize("encoding", ["utf-8", "big5", "utf-16"])
def test_encodings_and_delimiters_are_recognised(where: Workspace, manager: Client, encoding: str) -> None:
    raw = "email;name;time;店名\n" + "p0@example.com;seen;2026-11-20T09:00;台北信義門市\n"
    put(manager, raw.encode(encoding))
    assert fate() == (1, 0, 0)
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
