"""The database is away while people click: they are led on, and each event is there once when it is back."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest import MonkeyPatch

from audiences import consent
from audiences.models import Consent, ConsentEntry, ConsentState, Profile
from campaigns.models import Event, Message, Run
from campaigns.reports import counting, report
from campaigns.tasks import put_in_kept_events
from campaigns.tracking import machines, spool, tokens
from campaigns.tracking.tokens import MessageKey
from tests import builders
from tests.faults.test_imports import process

pytestmark = pytest.mark.django_db(transaction=True)
SHOP = "https://shop.example/a?x=1&y=2"
DOOMED = """
import os, signal, sys
from pathlib import Path
import django
django.setup()
from django.conf import settings
from campaigns.tracking import spool
settings.EVENT_SPOOL = Path(sys.argv[1])
Path.unlink = lambda self, missing_ok=False: os.kill(os.getpid(), signal.SIGKILL)
spool.put_in()
"""
WRITER = """
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
import django
django.setup()
from django.conf import settings
from campaigns.tracking import spool
settings.EVENT_SPOOL = Path(sys.argv[1])
began = datetime.fromisoformat(sys.argv[2])
for number in range(200):
    assert spool.keep({
        "run_id": int(sys.argv[3]), "action": 0, "ref": int(sys.argv[4]), "kind": "open", "link": None,
        "at": began + timedelta(microseconds=number), "user_agent": "", "signals": 0, "machine": "",
    })
"""


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.EVENT_SPOOL = tmp_path / "events"
    return tmp_path / "events"


@pytest.fixture
def keys() -> list[MessageKey]:
    where = builders.workspace()
    people = builders.profiles(where, 3)
    run = Run.objects.get(campaign=builders.live(where, now=timezone.now()))
    Message.objects.bulk_create(
        Message(run=run, action=0, ref=one.pk, profile=one, address=one.email or "") for one in people
    )
    return [MessageKey(run.pk, 0, one.pk) for one in people]


@contextmanager
def away() -> Iterator[None]:
    """Nobody listens where the database was."""
    with MonkeyPatch.context() as patch:
        connection.close()
        patch.setitem(connection.settings_dict, "PORT", "1")
        yield
        connection.close()


def click(key: MessageKey, number: int = 0, sealed: str = "") -> str:
    return f"/t/c/{tokens.sign(tokens.CLICK, key)}/{number}/{sealed or tokens.seal(SHOP)}"


def opened(key: MessageKey) -> str:
    return f"/t/o/{tokens.sign(tokens.OPEN, key)}.gif"


def leave_url(key: MessageKey) -> str:
    return f"/u/{tokens.sign(tokens.UNSUBSCRIBE, key)}"


def recorded() -> list[tuple[Any, ...]]:
    return sorted(Event.objects.values_list("kind", "ref", "link", "user_agent"), key=str)


def test_what_happens_while_the_database_is_away_is_recorded_once_when_it_is_back(
    keys: list[MessageKey], client: Client, folder: Path
) -> None:
    began = timezone.now()
    with away():
        for key in keys:
            answer = client.get(click(key), headers={"User-Agent": "Mail/1"})
            assert (answer.status_code, answer.headers["Location"]) == (302, SHOP)
            assert client.get(opened(key)).content[:3] == b"GIF"
        assert client.get(click(keys[0], 31)).status_code == 302, "the address itself says where"
        assert client.get(f"/t/c/{tokens.sign(tokens.CLICK, keys[0])}/0").status_code == 404
        assert client.get(click(keys[0], sealed="x" * 40)).status_code == 404
        assert client.get("/t/c/forged/0").status_code == 404
        assert client.get("/t/o/forged.gif").status_code == 200
    assert not Event.objects.exists()
    Profile.objects.filter(pk=keys[2].ref).update(is_untracked=True)
    put_in_kept_events()
    expected: list[tuple[Any, ...]] = [("click", key.ref, 0, "Mail/1") for key in keys[:2]]
    expected += [("open", key.ref, None, "") for key in keys[:2]]
    assert recorded() == sorted(expected, key=str), "not the link that never was, nor who is not followed"
    assert all(began <= at <= timezone.now() for at in Event.objects.values_list("at", flat=True))
    assert list(folder.iterdir()) == []
    put_in_kept_events()
    assert Event.objects.count() == 4
    later = timezone.now() + machines.LAG * 2
    machines.judge(now=later)
    counting.move_forward(now=later)
    run = Run.objects.get(pk=keys[0].run_id)
    told = report.make(run.campaign, run=run, now=later)
    assert [(one.people, one.clicks) for one in told.links] == [(2, 2)]


@pytest.mark.slow
def test_a_worker_killed_when_it_had_recorded_them_records_nothing_twice(
    keys: list[MessageKey], client: Client, folder: Path
) -> None:
    with away():
        for key in keys:
            client.get(click(key))
    assert process(DOOMED, str(folder)).wait(60) == -signal.SIGKILL
    assert Event.objects.count() == 3 and len(list(folder.iterdir())) == 1
    put_in_kept_events()
    assert Event.objects.count() == 3 and list(folder.iterdir()) == []


def test_a_database_that_is_still_away_costs_nothing_that_was_kept(
    keys: list[MessageKey], client: Client
) -> None:
    with away():
        client.get(click(keys[0]))
        with pytest.raises(Exception, match="connection"):
            put_in_kept_events()
        client.get(click(keys[1]))
    put_in_kept_events()
    assert sorted(Event.objects.values_list("ref", flat=True)) == sorted(key.ref for key in keys[:2])


@pytest.mark.slow
def test_several_processes_keep_events_while_others_put_them_in(keys: list[MessageKey], folder: Path) -> None:
    """Two web processes write while the files are taken away from under them."""
    began, key = timezone.now(), keys[0]
    given = [(str(folder), began.isoformat(), str(key.run_id), str(one.ref)) for one in keys[:2]]
    writers = [process(WRITER, *one) for one in given]
    while any(one.poll() is None for one in writers):
        put_in_kept_events()
    put_in_kept_events()
    assert [one.wait(60) for one in writers] == [0, 0]
    assert Event.objects.count() == 400 and list(folder.iterdir()) == []


def test_a_full_or_broken_disk_leads_on_all_the_same(
    keys: list[MessageKey], client: Client, folder: Path, monkeypatch: MonkeyPatch
) -> None:
    with away():
        client.get(click(keys[0]))
        monkeypatch.setattr(spool, "MOST", folder.joinpath("open.jsonl").stat().st_size)
        assert client.get(click(keys[1])).headers["Location"] == SHOP
    put_in_kept_events()
    assert Event.objects.get().ref == keys[0].ref
    folder.rmdir()
    folder.write_text("no folder")
    with away():
        assert client.get(click(keys[1])).headers["Location"] == SHOP
    put_in_kept_events()
    assert Event.objects.count() == 1


def test_half_a_line_spoils_no_other(keys: list[MessageKey], client: Client, folder: Path) -> None:
    """The power went in the middle of a write."""
    with away():
        client.get(click(keys[0]))
        with (folder / "open.jsonl").open("a") as file:
            file.write('\n{"run_id": 1, "act')
        client.get(click(keys[1]))
    put_in_kept_events()
    assert Event.objects.count() == 2
    (folder / "open.jsonl").write_text("\n" + json.dumps({"run_id": "none of ours"}) + "\n")
    put_in_kept_events()
    assert [one.suffix for one in folder.iterdir()] == [".refused"] and Event.objects.count() == 2


# ---- who leaves -------------------------------------------------------------------------------
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
BUTTON = {**ONE_CLICK, "from": "page"}


def left() -> list[tuple[int, str]]:
    rows = Consent.objects.filter(state=ConsentState.NO, channel="email", topic=None)
    return sorted(rows.values_list("profile_id", "source"))


def test_who_leaves_while_the_database_is_away_has_left_when_it_is_back(
    keys: list[MessageKey], client: Client, folder: Path
) -> None:
    first, second, third = keys
    with away():
        page = client.get(leave_url(second))
        assert page.status_code == 200 and "Unsubscribe?" in page.content.decode()
        assert not folder.exists(), "to look is not to leave"
        assert client.post(leave_url(first), ONE_CLICK).status_code == 200
        for _again in range(2):
            done = client.post(leave_url(second), BUTTON, headers={"User-Agent": "Mail/1\n"})
            assert done.status_code == 200 and "You are unsubscribed" in done.content.decode()
        assert "Unsubscribe?" in client.post(leave_url(third), {"from": "page"}).content.decode()
        assert client.post(leave_url(third)[:-3], ONE_CLICK).status_code == 404
    assert left() == []
    put_in_kept_events()
    assert left() == [(first.ref, "one-click"), (second.ref, "page")]
    assert recorded() == [("unsubscribe", first.ref, None, ""), ("unsubscribe", second.ref, None, "Mail/1")]
    assert list(folder.iterdir()) == []
    counting.move_forward(now=timezone.now())
    run = Run.objects.get(pk=first.run_id)
    assert report.make(run.campaign, run=run, now=timezone.now()).numbers["unsubscribed"].value == 2


def test_who_left_late_in_the_books_and_has_agreed_since_stays(
    keys: list[MessageKey], client: Client, folder: Path
) -> None:
    with away():
        client.post(leave_url(keys[0]), ONE_CLICK)
        client.post(leave_url(keys[1]), ONE_CLICK)
    person = Profile.objects.get(pk=keys[0].ref)
    said = {"channel": "email", "source": "shop", "wording": "Yes, write to me", "actor": None}
    consent.say(person, state="yes", **said, now=timezone.now())
    put_in_kept_events()
    assert left() == [(keys[1].ref, "one-click")]
    assert Event.objects.get().ref == keys[1].ref


@pytest.mark.slow
def test_a_worker_killed_while_it_let_people_go_lets_nobody_go_twice(
    keys: list[MessageKey], client: Client, folder: Path
) -> None:
    with away():
        client.post(leave_url(keys[0]), ONE_CLICK)
        client.get(click(keys[1]))
    assert process(DOOMED, str(folder)).wait(60) == -signal.SIGKILL
    assert len(left()) == 1
    put_in_kept_events()
    assert left() == [(keys[0].ref, "one-click")] and ConsentEntry.objects.count() == 1
    assert [one[0] for one in recorded()] == ["click", "unsubscribe"]


def test_clicks_that_fill_the_disk_leave_room_for_who_leaves_and_a_broken_one_says_so(
    keys: list[MessageKey], client: Client, folder: Path, monkeypatch: MonkeyPatch
) -> None:
    client.raise_request_exception = False
    with away():
        client.get(click(keys[0]))
        monkeypatch.setattr(spool, "MOST", 1)
        assert client.post(leave_url(keys[0]), ONE_CLICK).status_code == 200
        monkeypatch.setattr(spool, "MOST_LEAVING", 1)
        for body in (ONE_CLICK, BUTTON):
            refused = client.post(leave_url(keys[1]), body)
            assert (refused.status_code, refused["Retry-After"]) == (503, "5")
            assert "You are unsubscribed" not in refused.content.decode()
    put_in_kept_events()
    assert left() == [(keys[0].ref, "one-click")]


def test_a_line_that_is_no_event_costs_nobody_their_leave(
    keys: list[MessageKey], client: Client, folder: Path
) -> None:
    with away():
        client.post(leave_url(keys[0]), ONE_CLICK)
    with (folder / "open.jsonl").open("a") as file:
        file.write("\n" + json.dumps({"run_id": "none of ours"}) + "\n")
    put_in_kept_events()
    assert left() == [(keys[0].ref, "one-click")]


def test_nothing_is_sent_by_hand_to_who_left_meanwhile(keys: list[MessageKey], client: Client) -> None:
    with away():
        client.post(leave_url(keys[0]), ONE_CLICK)
    call_command("deliver")
    assert left() == [(keys[0].ref, "one-click")]
