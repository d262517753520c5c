"""The wizard by the front door: a file, its columns, a dry run, and people."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.models import Workspace
from audiences import consent
from audiences.imports import jobs, work
from audiences.models import AttributeDefinition, Audience, Consent, Import, Profile
from tests import builders
from tests.audiences.imported import NOW, put, uploaded

pytestmark = pytest.mark.django_db


@pytest.fixture
def where() -> Workspace:
    return builders.workspace()


@pytest.fixture
def manager(where: Workspace) -> Client:
    client = Client()
    client.force_login(builders.person(where, "manager"))
    return client


def upload(client: Client, raw: bytes, name: str = "people.csv") -> str:
    """The address of the import's page."""
    answer = client.post("/audiences/import/", {"file": SimpleUploadedFile(name, raw)})
    assert answer.status_code == 302, answer.content.decode()
    return str(answer.headers["Location"])


def chosen(page: str) -> dict[str, str]:
    """What the columns' form would send as it stands."""
    form = page[page.index("/check/") :]
    values = dict(re.findall(r'<input type="(?:hidden|text)" name="(\w+)"[^>]*? value="([^"]*)"', form))
    for name, options in re.findall(r'<select name="(\w+)".*?>(.*?)</select>', form, re.S):
        if found := re.search(r'<option value="([^"]*)" selected', options):
            values[name] = found[1]
    return {name: html.unescape(value) for name, value in values.items() if name != "csrfmiddlewaretoken"}


def test_a_file_becomes_an_audience_with_its_rejected_rows_shown(manager: Client, where: Workspace) -> None:
    address = upload(manager, "email,name,姓別\nnew@example.com,林怡君,女\nnobody,x,\n".encode("big5"))
    page = manager.get(address).content.decode()
    assert "林怡君" in page and re.search(r'value="big5hkscs" selected', page)
    form = {**chosen(page), "name": "File"}
    assert (form["to_0"], form["to_1"], form["to_2"]) == ("email", "attribute:name", "new")
    form["key_2"] = "gender"
    assert manager.post(f"{address}check/", form).status_code == 302
    job = Import.objects.get()
    work.advance(job.pk)
    page = manager.get(address).content.decode()
    assert "What the import will do" in page and "This is not an email address" in page
    assert "hx-get" not in page and not Profile.objects.exists() and not Audience.objects.exists()
    assert manager.post(f"{address}start/").status_code == 302
    page = manager.get(address).content.decode()
    assert "hx-get" in page and "You may leave this page" in page
    work.advance(job.pk)
    page = manager.get(address).content.decode()
    assert "Imported" in page and "hx-get" not in page and "Open the audience" in page
    assert Profile.objects.get().attributes == {"name": "林怡君", "gender": "女"}
    assert Audience.objects.get().name == "File"
    rejected = b"".join(manager.get(f"{address}rejected.csv").streaming_content).decode()
    assert "3,email,nobody,This is not an email address" in rejected
    assert "people.csv" in manager.get("/audiences/import/").content.decode()


def test_another_encoding_and_delimiter_are_read_at_once(manager: Client) -> None:
    address = upload(manager, "email;name\na@x.tw;張偉\n".encode("gb18030"))
    reading = {"encoding": "cp1252", "delimiter": ";"}
    answer = manager.get(address, reading, headers={"HX-Request": "true"})
    page = answer.content.decode()
    assert page.lstrip().startswith("<div") and "<html" not in page and "張偉" not in page
    page = manager.get(address, {"encoding": "gb18030", "delimiter": ";"}).content.decode()
    assert "<html" in page and "張偉" in page
    page = manager.get(address, {"encoding": "gb18030", "delimiter": ","}).content.decode()
    assert "email;name" in page
    for wrong in ({"encoding": "rot13"}, {"delimiter": "x"}, {"encoding": "\0"}):
        assert manager.get(address, wrong).status_code == 400
    page = manager.get(address, {"encoding": "utf-8-sig", "delimiter": ";"}).content.decode()
    assert "Some characters cannot be read" in page


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"to_0": ""}, "No column names the person"),
        ({"to_1": "email"}, "is matched to the same"),
        ({"to_1": "new", "key_1": "created_at"}, "means something else already"),
        ({"to_1": "new", "key_1": "Ä"}, "small letters"),
        ({"to_1": "attribute:other"}, "Select a valid choice"),
        ({"name": "Taken"}, "There is an audience called “Taken” already."),
        ({"audience": "999"}, "Select a valid choice"),
        ({"again": "on"}, "Write the words these people agreed to"),
        ({"match": "phone"}, "No column names the person"),
        ({"encoding": "x"}, "Give one of"),
    ],
)
def test_a_wrong_mapping_is_told_at_the_field_and_nothing_is_read(
    manager: Client, where: Workspace, changes: dict[str, str], told: str
) -> None:
    builders.audience(where, name="Taken")
    address = upload(manager, b"email,city\na@x.tw,Taipei\n")
    form = {**chosen(manager.get(address).content.decode()), **changes}
    answer = manager.post(f"{address}check/", form)
    assert answer.status_code == 400
    assert told in answer.content.decode()
    assert Import.objects.get().state == "uploaded"
    assert not AttributeDefinition.objects.filter(key="city").exists()


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "The file has no content."),
        (b"PK\x03\x04", "This is a file of the kind ZIP"),
        (b"email,email\n", "stands there twice"),
    ],
)
def test_a_wrong_file_is_told_at_the_field_and_leaves_nothing(manager: Client, raw: bytes, told: str) -> None:
    answer = manager.post("/audiences/import/", {"file": SimpleUploadedFile("x.csv", raw)})
    assert answer.status_code == 400
    assert told in answer.content.decode()
    assert not Import.objects.exists()


def test_what_cannot_be_done_now_is_refused(manager: Client, where: Workspace) -> None:
    address = upload(manager, b"email\na@x.tw\n")
    for verb in ("start", "resume", "pause", "remap"):
        assert manager.post(f"{address}{verb}/").status_code == 409, verb
    assert manager.post(f"{address}fly/").status_code == 404
    assert manager.get(f"{address}start/").status_code == 405
    manager.post(f"{address}cancel/")
    assert Import.objects.get().state == "cancelled"
    assert manager.post(f"{address}check/", {}).status_code in (400, 409)


def test_an_import_is_seen_only_by_who_may_manage_people(where: Workspace) -> None:
    job = uploaded(b"email\na@x.tw\n", where)
    viewer, stranger, nobody = Client(), Client(), Client()
    viewer.force_login(builders.person(where, "viewer"))
    stranger.force_login(builders.person(builders.workspace("other"), "administrator"))
    for path in ("", "rejected.csv"):
        address = f"/audiences/imports/{job.pk}/{path}"
        assert viewer.get(address).status_code == 404
        assert stranger.get(address).status_code == 404
        assert nobody.get(address).status_code == 302
    assert stranger.post(f"/audiences/imports/{job.pk}/cancel/").status_code == 404
    job.refresh_from_db()
    assert job.state == "uploaded"
    assert "people.csv" not in stranger.get("/audiences/import/").content.decode()


def test_opting_in_again_needs_the_evidence_in_the_form(manager: Client, where: Workspace) -> None:
    put("email\na@x.tw", where)
    consent.withdraw(profile_id=Profile.objects.get().pk, channel="email", source="test", now=NOW)
    address = upload(manager, b"email,subscribed\na@x.tw,yes\n")
    form = chosen(manager.get(address).content.decode())
    assert form["to_1"] == "consent:email:"
    form |= {"again": "on", "wording": "Yes, write to me", "agreed_at": "2026-11-24"}
    assert manager.post(f"{address}check/", form).status_code == 302
    job = Import.objects.latest("pk")
    work.advance(job.pk)
    manager.post(f"{address}start/")
    work.advance(job.pk)
    assert Consent.objects.get().state == "yes"


def test_pages_of_a_failed_a_paused_and_a_cancelled_import(manager: Client, where: Workspace) -> None:
    job = uploaded(b'email\n"a@x.tw\n', where)
    jobs.check(job, how=job.mapping, actor=builders.User.objects.get(), now=NOW)
    address = f"/audiences/imports/{job.pk}/"
    manager.post(f"{address}pause/")
    assert "Go on" in manager.get(address).content.decode()
    manager.post(f"{address}resume/")
    work.advance(job.pk)
    assert "From row 2 on" in manager.get(address).content.decode()


def test_a_file_that_would_change_nobody_says_so_before_the_import(manager: Client) -> None:
    told = "the import would change no person"
    for known in (False, True):
        address = upload(manager, b"email\nnew@example.com\n")
        manager.post(f"{address}check/", chosen(manager.get(address).content.decode()))
        work.advance(Import.objects.latest("pk").pk)
        assert (told in manager.get(address).content.decode()) is known
        manager.post(f"{address}start/")
        work.advance(Import.objects.latest("pk").pk)


def test_progress_tells_how_much_of_the_whole_is_done(manager: Client, where: Workspace) -> None:
    job = uploaded(b"email\na@x.tw\n", where)
    address = f"/audiences/imports/{job.pk}/"
    done = {"staged_count": 100_000, "merged": 49_997, "row_count": 100_003, "phase_from": 0}
    began = timezone.now() - timedelta(minutes=10)
    Import.objects.filter(pk=job.pk).update(state="merging", phase_at=began, **done)
    page = manager.get(address).content.decode()
    assert "49,997 of 100,000 rows" in page and "49 %" in page and "about 10 minutes left" in page
    Import.objects.filter(pk=job.pk).update(phase_at=timezone.now() - timedelta(seconds=20))
    assert "about 20 s left" in manager.get(address).content.decode()
    Import.objects.filter(pk=job.pk).update(state="paused", paused_in="merging")
    page = manager.get(address).content.decode()
    assert "49,997 of 100,000 rows" in page and "s left" not in page
    Import.objects.filter(pk=job.pk).update(state="staging", paused_in="", size=1000, read_bytes=250)
    page = manager.get(address).content.decode()
    assert "100,003 rows" in page and "of 100,000" not in page and "25 %" in page


def test_the_button_promises_no_people_when_nobody_would_change(manager: Client, where: Workspace) -> None:
    put("email,name\na@x.tw,Ana\n", where)
    address = upload(manager, b"email,name\na@x.tw,Ana\n")
    manager.post(f"{address}check/", chosen(manager.get(address).content.decode()))
    work.advance(Import.objects.order_by("-pk")[0].pk)
    page = manager.get(address).content.decode()
    assert "the import would change no person" in page
    assert "Import it all the same" in page and "Import 1 person" not in page
