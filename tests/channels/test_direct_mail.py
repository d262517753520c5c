"""Direct mail: rows are collected, become one file, and the file arrives whole or not at all."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation

from accounts import roles
from accounts.access import SYSTEM
from accounts.models import AuditEntry, Role, User, Workspace
from channels import mailfiles, objectstore
from channels.messages import Fact
from channels.models import ChannelConfiguration, MailFile, MailRow
from channels.providers.direct_mail import DirectMailForm
from common.csvfiles import BOM
from common.wording import kept, spoken
from tests.channels.providers import BENCHES
from tests.fakes.files import CLIENT_KEY, FakeSftp, FakeStore

pytestmark = pytest.mark.django_db
MAIL = BENCHES["direct_mail"]


@pytest.fixture(autouse=True)
def _ours(settings: Any, tmp_path: Path) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    settings.VAR = tmp_path / "var"


def to(target: dict[str, Any], secret: str = "", where: Workspace | None = None) -> ChannelConfiguration:
    made = MAIL.configuration(None, secrets=secret, **target)
    if where is not None:
        made.workspace = where
        made.save()
    return made


def put(configuration: ChannelConfiguration, *people: tuple[str, str, str], **extra: Any) -> list[Any]:
    """Each person by key, name and city."""
    said = []
    for key, name, city in people:
        columns = [{"label": "Name", "expression": name}, {"label": "City", "expression": city}]
        written = {"filename": "spring/letters.csv", "columns": columns, **extra}
        said += MAIL.send(configuration, MAIL.message(key=key, extra=written))
    return said


def deliver(minutes: int = 0, run: int = 7) -> None:
    now = timezone.now() + timedelta(minutes=minutes)
    mailfiles.close(run, now=now)
    mailfiles.write_due(lambda: now)


def text_at(path: Path) -> list[str]:
    return path.read_text("utf-8").removeprefix(BOM).splitlines()


def test_an_execution_becomes_one_sorted_file_without_doubles(settings: Any) -> None:
    here = to({"separator": "semicolon"})
    people = [("7.1.1", "Ben", "Tainan"), ("7.1.2", "=HYPERLINK(1)", "A;b"), ("7.1.3", "Ana", "台北")]
    told = put(
        here, *people, people[0], ("7.1.4", "Ben", "Tainan"), ("8.1.1", "Other", "run"),
        sort_by="City", header="Spring, for the printer", footer="End",
    )  # fmt: skip
    assert {outcome.fact for outcome in told} == {Fact.ACCEPTED}
    assert MailRow.objects.count() == 5
    mailfiles.write_due(timezone.now)
    assert not (settings.VAR / "mailfiles").exists()  # nothing before the run has ended
    deliver()
    file = MailFile.objects.get(group="7.1")
    assert (file.state, file.rows, file.path) == ("delivered", 3, "letters/spring/letters.csv")
    written = settings.VAR / "mailfiles/5/letters/spring"
    assert [one.name for one in written.iterdir()] == ["letters.csv"]
    lines = text_at(written / "letters.csv")
    assert (lines[:2], lines[-1]) == (["Spring, for the printer", "Name;City"], "End")
    assert sorted(lines[2:-1]) == sorted(['\'=HYPERLINK(1);"A;b"', "Ben;Tainan", "Ana;台北"])
    assert lines.index("Ben;Tainan") > lines.index('\'=HYPERLINK(1);"A;b"')
    assert MailRow.objects.filter(file=file).exclude(cells=[]).count() == 0
    assert MailFile.objects.get(group="8.1").state == "waiting"


def test_a_late_try_of_a_written_row_opens_no_new_file_and_no_file_is_overwritten(settings: Any) -> None:
    here = to({})
    put(here, ("7.1.1", "Ana", "Taipei"))
    deliver()
    put(here, ("7.1.1", "Ana", "Taipei"))
    assert MailFile.objects.count() == 1
    put(here, ("8.1.1", "Ben", "Tainan"))
    deliver(run=8)
    second = MailFile.objects.latest("pk")
    assert second.path == f"letters/spring/letters-{second.pk}.csv"
    folder = settings.VAR / "mailfiles/5/letters/spring"
    assert text_at(folder / "letters.csv") == ["Name,City", "Ana,Taipei"]
    assert text_at(folder / second.path.rpartition("/")[2]) == ["Name,City", "Ben,Tainan"]
    put(here, ("9.1.1", "Eve", "Yilan"), timestamp=True)
    deliver(run=9)
    assert len(list(folder.glob("letters-2*T*Z.csv"))) == 1


@pytest.mark.parametrize(
    "extra",
    [
        {"filename": "../x.csv"},
        {"filename": ""},
        {"columns": []},
        {"columns": [{"label": "a", "expression": "x" * 20_000}]},
        {"columns": [{"label": "a", "expression": "a\x00b"}]},
        {"columns": [{"label": "a", "expression": "\ud800"}]},
    ],
)
def test_what_no_file_can_hold_is_refused(extra: dict[str, Any]) -> None:
    (outcome,) = put(to({}), ("7.1.1", "Ana", "Taipei"), **extra)
    assert outcome.fact is Fact.REFUSED
    assert not MailRow.objects.exists()


# ---- SFTP ---------------------------------------------------------------------------------------
def sftp(server: FakeSftp, **changes: Any) -> dict[str, Any]:
    return {
        "target": "sftp", "host": "127.0.0.1", "port": server.port, "username": "fernhill",
        "host_key": server.host_key, **changes,
    }  # fmt: skip


@pytest.mark.parametrize("secret", ["right-password", CLIENT_KEY.export_private_key().decode()])
def test_a_file_goes_to_an_sftp_server_under_a_temporary_name_first(tmp_path: Path, secret: str) -> None:
    root = tmp_path / "sftp"
    root.mkdir()
    with FakeSftp(root) as server:
        here = to(sftp(server), secret)
        steps = MAIL.rehearse(here)
        assert all(step.is_ok for step in steps), steps
        assert [one for one in root.rglob("*") if one.is_file()] == []
        put(here, ("7.1.1", "Ana", "Taipei"))
        deliver()
    assert text_at(root / "letters/spring/letters.csv") == ["Name,City", "Ana,Taipei"]
    assert [new for _old, new in server.renamed if "test" not in new] == ["letters/spring/letters.csv"]
    assert [one.name for one in root.rglob("*.part")] == []


def test_what_an_sftp_server_refused_is_read_in_the_language_of_the_reader(tmp_path: Path) -> None:
    with FakeSftp(tmp_path) as server:
        stored = kept(MAIL.rehearse(to(sftp(server), "wrong-password"))[-1].said)
    assert spoken(stored).startswith("The server refuses the user name or the secret")
    with translation.override("zh-hant"):
        assert spoken(stored).startswith("伺服器不接受使用者名稱或密鑰")
        assert "wrong-password" not in spoken(stored)


def test_why_a_file_did_not_go_is_read_in_the_language_of_the_reader(tmp_path: Path) -> None:
    with FakeSftp(tmp_path) as server:
        put(to(sftp(server), "wrong-password"), ("7.1.1", "Ana", "Taipei"))
        deliver()
    file = MailFile.objects.get()
    assert file.why.startswith("The server refuses the user name or the secret")
    with translation.override("zh-hant"):
        assert file.why.startswith("伺服器不接受使用者名稱或密鑰")


def test_an_sftp_server_that_is_not_the_pinned_one_or_refuses_us_gets_nothing(tmp_path: Path) -> None:
    other = FakeSftp(tmp_path).host_key
    with FakeSftp(tmp_path) as server:
        for changes, secret in (({"host_key": other}, "right-password"), ({}, "wrong-password")):
            step = MAIL.rehearse(to(sftp(server, **changes), secret))[-1]
            assert not step.is_ok
            assert step.said
            assert secret not in step.said
    step = MAIL.rehearse(to(sftp(server), "right-password"))[-1]
    assert not step.is_ok
    assert not list(tmp_path.rglob("*.txt"))


def test_an_address_inside_our_network_is_never_spoken_to(settings: Any, tmp_path: Path) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    with FakeSftp(tmp_path) as server:
        assert "inside our network" in MAIL.rehearse(to(sftp(server), "right-password"))[-1].said


# ---- S3 -----------------------------------------------------------------------------------------
def store(server: FakeStore) -> dict[str, Any]:
    return {
        "target": "s3", "endpoint": server.url + "/", "bucket": "letters-tw", "region": server.region,
        "access_key_id": server.access_key,
    }  # fmt: skip


def test_a_file_goes_to_a_store_whole_or_in_parts_that_appear_at_once(monkeypatch: Any) -> None:
    with FakeStore() as server:
        here = to(store(server), "secret-access-key")
        steps = MAIL.rehearse(here)
        assert all(step.is_ok for step in steps), steps
        assert server.objects == {}
        put(here, ("7.1.1", "Ana", "台北"), filename="春 letters.csv")
        deliver()
        (path, body), *rest = server.objects.items()
        assert rest == []
        assert path.startswith("/letters-tw/letters/%E6%98%A5%20letters.csv")
        assert body.decode() == f"{BOM}Name,City\r\nAna,台北\r\n"
        monkeypatch.setattr(objectstore, "PART", 20)
        put(here, ("8.1.1", "Ben", "Tainan"), filename="parts.csv")
        deliver(run=8)
        assert server.objects["/letters-tw/letters/parts.csv"].decode() == f"{BOM}Name,City\r\nBen,Tainan\r\n"
        server.manner = "no_second_part"
        put(here, ("9.1.1", "Eve", "Yilan"), filename="never.csv")
        deliver(run=9)
    assert server.aborted == 1
    assert "/letters-tw/letters/never.csv" not in server.objects
    late = MailFile.objects.latest("pk")
    assert (late.state, late.reason) == ("waiting", "HTTP status 403: QuotaExceeded")


# ---- trouble, and its doors ---------------------------------------------------------------------
def test_a_file_that_cannot_go_is_tried_again_shown_and_sent_by_hand(client: Client) -> None:
    workspace = roles.create_workspace(name="Here", slug="here", actor=SYSTEM, now=timezone.now())
    user = User.objects.create_user("administrator@here.example", name="Ada")
    user.groups.add(Role.objects.get(workspace=workspace, builtin="administrator").group_ptr)
    client.force_login(user)
    with FakeStore("unauthorized") as server:
        here = to(store(server), "secret-access-key", workspace)
        put(here, ("7.1.1", "Ana", "Taipei"))
        for turn in range(mailfiles.MOST_TRIES):
            deliver(minutes=turn * 61)
        file = MailFile.objects.get()
        assert (file.state, file.tries) == ("failed", mailfiles.MOST_TRIES)
        page = client.get(f"/channels/{here.pk}/").content.decode()
        assert "HTTP status 401" in page
        assert "secret-access-key" not in page
        server.manner = ""
        again = f"/channels/{here.pk}/files/{file.pk}/retry/"
        assert client.post(again).status_code == 302
        deliver()
        assert client.post(again).status_code == 409
    file.refresh_from_db()
    assert (file.state, file.rows, file.reason) == ("delivered", 1, "")
    assert "Delivered" in client.get(f"/channels/{here.pk}/").content.decode()
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {"fail_file", "retry_file", "deliver_file"} <= verbs


def test_a_worker_that_died_is_followed_by_another_and_a_late_one_changes_nothing() -> None:
    put(to({}), ("7.1.1", "Ana", "Taipei"))
    now = timezone.now()
    mailfiles.close(7, now=now)
    dead = mailfiles._claimed(now)
    assert mailfiles._claimed(now) is None
    later = now + mailfiles.LEASE
    mailfiles.write_due(lambda: later)
    assert MailFile.objects.get().state == "delivered"
    assert dead is not None
    mailfiles._failed(dead, "late", later)
    assert MailFile.objects.get().state == "delivered"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"target": "sftp"}, "host_key"),
        ({"target": "s3"}, "bucket"),
        ({"folder": "../up"}, "folder"),
        ({"host_key": "ssh-ed25519 nonsense"}, "host_key"),
        ({"target": "s3", "endpoint": "http://169.254.169.254/"}, "endpoint"),
        ({"separator": "x"}, "separator"),
    ],
)
def test_the_form_says_what_is_missing_or_wrong(changes: dict[str, str], field: str) -> None:
    form = DirectMailForm({"separator": "comma", "target": "local", **changes})
    assert field in form.errors
    assert json.dumps(form.errors)
