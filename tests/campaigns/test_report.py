"""A run whose every outcome is known: each figure of its report was worked out by hand from the list."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.delivery import uncertain
from campaigns.models import Attempt, Batch, Campaign, Event, Link, Message, Run, Version
from campaigns.reports import counting, overview, report
from tests import builders

pytestmark = pytest.mark.django_db
BEGAN = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMED = re.compile(r"/campaigns/messages/[0-9]+\.0\.([0-9]+)/")
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Safari/604.1"
DESK = "Mozilla/5.0 (Windows NT 10.0) Firefox/128.0"
HTML = (
    '<html><body><a href="https://shop.example/a">Shop</a> <a href="https://shop.example/b">Coats</a>'
    '<a href="{{ unsubscribe_url }}">Unsubscribe</a></body></html>'
)
# Twelve people: 1–9 have a batch, 10–12 were left out by the fan-out.
#   1–7 accepted (7 bounced since), 8 failed with 550, 9 uncertain
#   10 and 11 had no consent, 12 no address
LEFT_OUT = {10: "050101", 11: "050101", 12: "050020"}
# ref, kind, minutes after the start, link, machine, program
HAPPENED = (
    (1, "open", 1, None, "", PHONE),
    (1, "open", 70, None, "", PHONE),  # the same person again
    (1, "click", 2, 0, "", PHONE),
    (1, "click", 3, 0, "", PHONE),
    (1, "click", 4, 1, "", PHONE),
    (2, "open", 5, None, "", DESK),
    (2, "click", 61, 0, "", DESK),
    (3, "open", 0, None, "apple", "Mozilla/5.0"),  # a machine only
    (3, "click", 0, 0, "scanner", "Mimecast"),
    (3, "click", 0, 1, "scanner", "Mimecast"),
    (4, "open", 0, None, "apple", "Mozilla/5.0"),  # a machine, then the person
    (4, "open", 30, None, "", DESK),
    (5, "unsubscribe", 10, None, "", PHONE),
    (6, "complaint", 15, None, "", ""),
    (7, "bounce", 20, None, "", ""),
)


def seeded() -> Run:
    where = builders.workspace()
    run = Run.objects.get(campaign=builders.live(where, now=timezone.now(), html=HTML))
    Run.objects.filter(pk=run.pk).update(
        targeted=12, left_out={"050101": 2, "050020": 1}, state="completed", due_at=BEGAN, started_at=BEGAN
    )
    for ref in range(1, 13):
        domain = "mail.example" if ref <= 4 else "post.example"
        slot = 0 if ref <= 9 else -1
        Message.objects.create(run=run, action=0, ref=ref, address=f"p{ref}@{domain}", slot=slot)
    Attempt.objects.create(run=run, action=0, ref=2, n=1, outcome="deferred", code="451", at=BEGAN)
    for ref in range(1, 10):
        outcome, code = {8: ("failed", "550"), 9: ("uncertain", "worker_lost")}.get(ref, ("accepted", ""))
        n = 2 if ref == 2 else 1
        Attempt.objects.create(run=run, action=0, ref=ref, n=n, outcome=outcome, code=code, at=BEGAN)
    for ref, code in LEFT_OUT.items():
        Attempt.objects.create(run=run, action=0, ref=ref, n=1, outcome="excluded", code=code, at=BEGAN)
    tally = {"accepted": 7, "failed/550": 1, "uncertain/worker_lost": 1}
    Batch.objects.create(
        run=run, action=0, lo=1, hi=9, size=9, send_after=BEGAN, state="done", epoch=1, tally=tally
    )
    for ref, kind, minutes, link, machine, agent in HAPPENED:
        at = BEGAN + timedelta(minutes=minutes)
        Event.objects.create(
            run=run,
            action=0,
            ref=ref,
            kind=kind,
            at=at,
            link=link,
            machine=machine,
            user_agent=agent,
            fault="address" if kind == "bounce" else "",
            judged=1,
        )
    run.refresh_from_db()
    return run


@pytest.fixture
def run() -> Run:
    return seeded()


@pytest.fixture
def reader(run: Run, client: Client) -> Client:
    client.force_login(builders.person(run.campaign.workspace, "approver", "reader"))
    return client


def cells(reader: Client, address: str, row: str) -> list[str]:
    """The numbers of the table's row in which this stands."""
    rows = re.findall(r"<tr>.*?</tr>", reader.get(address).content.decode(), re.DOTALL)
    return re.findall(r'<td class="num">\s*(?:<[^>]*>)?([0-9,]+)', next(one for one in rows if row in one))


def made(run: Run, **more: Any) -> report.Report:
    return report.make(run.campaign, run=run, now=BEGAN + timedelta(hours=3), **more)


EXPECTED = {
    # code: (number, percent)
    "targeted": (12, None),
    "excluded": (3, 25.0),  # of 12
    "sent": (9, 75.0),
    "accepted": (7, 100 * 7 / 12),
    "delivered": (6, 100 * 6 / 7),  # 7 less the one that came back
    "bounced": (1, 100 / 9),
    "failed": (1, 100 / 9),
    "cancelled": (0, 0.0),
    "expired": (0, 0.0),
    "uncertain": (1, 100 / 12),
    "to_go": (0, 0.0),
    "retried": (1, 100 / 9),
    "opened": (3, 50.0),  # 1, 2 and 4, of 6
    "opened_by_any": (4, 100 * 4 / 6),  # 3 too
    "opened_estimated": (4, 100 * 4 / 6),  # of 3, which a machine opened, as of the five others: three fifths
    "opens": (4, None),
    "clicked": (2, 100 * 2 / 6),
    "clicked_by_any": (3, 50.0),
    "clicks": (4, None),
    "clicked_of_opened": (2, 100 * 2 / 3),
    "unsubscribed": (1, 100 / 6),
    "complained": (1, 100 / 6),
}


@pytest.mark.parametrize("counted", [False, True], ids=["from the tail", "from the counts"])
def test_every_figure_is_what_was_worked_out_by_hand(run: Run, counted: bool) -> None:
    if counted:
        counting.move_forward(now=timezone.now())
        call_command("rebuild_counts")
    told = made(run)
    assert {code: (one.value, one.rate) for code, one in told.numbers.items()} == {
        code: (value, pytest.approx(rate) if rate is not None else None)
        for code, (value, rate) in EXPECTED.items()
    }
    assert told.outcomes.book.balances
    assert [(code, n) for code, _label, n in told.excluded] == [("050101", 2), ("050020", 1)]
    assert [(code, n) for code, _label, n in told.failed] == [("550", 1)]
    assert [(code, n) for code, _label, n in told.bounced] == [("address", 1)]
    assert [(one.url[-1], one.people, one.clicks, one.machine_clicks) for one in told.links] == [
        ("a", 2, 3, 1),
        ("b", 1, 1, 1),
    ]
    columns = ("accepted", "bounced", "delivered", "opened", "clicked", "unsubscribed", "complained")
    assert {part.key: [getattr(part, name) for name in columns] for part in told.domains} == {
        "mail.example": [4, 0, 4, 3, 2, 0, 0],
        "post.example": [3, 1, 2, 0, 0, 1, 1],
    }
    assert {part.key: (part.opened, part.clicked) for part in told.devices} == {
        "phone": (1, 1),
        "computer": (2, 1),
        "proxy": (0, 0),
        "other": (0, 0),
    }
    assert [one[:2] for one in told.rules] == [("Apple Mail Privacy Protection", 2), ("Security scanner", 2)]
    hours = [(p.opens, p.clicks, p.machine_opens, p.machine_clicks, p.accepted) for p in told.curve]
    assert hours == [(3, 3, 2, 2, 7), (1, 1, 0, 0, 0)]


def test_the_campaign_is_the_sum_of_its_runs_and_the_last_day_only_its_hours(run: Run) -> None:
    told = report.make(run.campaign, now=BEGAN + timedelta(hours=3))
    assert {code: one.value for code, one in told.numbers.items()} == {
        code: value for code, (value, _rate) in EXPECTED.items()
    }
    later = report.make(run.campaign, is_last_day=True, now=BEGAN + timedelta(hours=25, minutes=30))
    assert (later.numbers["opens"].value, later.numbers["clicked"].value) == (1, 1)
    assert "targeted" not in later.numbers


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("query", "refs"),
    [
        ("outcome=accepted", {1, 2, 3, 4, 5, 6, 7}),
        ("outcome=delivered", {1, 2, 3, 4, 5, 6}),
        ("outcome=sent", {1, 2, 3, 4, 5, 6, 7, 8, 9}),
        ("outcome=retried", {2}),
        ("outcome=excluded&code=050101", {10, 11}),
        ("event=open&who=people", {1, 2, 4}),
        ("event=open&who=machines", {3, 4}),
        ("event=open", {1, 2, 3, 4}),
        ("event=click&who=people&link=1", {1}),
        ("event=click&who=people&domain=post.example", set()),
        ("event=bounce", {7}),
        ("event=bounce&fault=address", {7}),
        ("event=bounce&fault=-", set()),
        ("treatment=-", set(range(1, 13))),
        ("treatment=nobody", set()),
        ("search=p12@", {12}),
        ("link=99999999999999999999&action=x&outcome=%00", set(range(1, 13))),
    ],
)
def test_a_number_opens_exactly_its_messages(run: Run, reader: Client, query: str, refs: set[int]) -> None:
    for address in (f"/campaigns/runs/{run.pk}/messages/", f"/campaigns/{run.campaign_id}/report/messages/"):
        page = reader.get(f"{address}?{query}").content.decode()
        assert {int(ref) for ref in NAMED.findall(page)} == refs
    file = b"".join(reader.get(f"/campaigns/runs/{run.pk}/export.csv?{query}").streaming_content).decode()
    assert len(file.splitlines()) == len(refs) + 1


LED = re.compile(r'<a ([^>]*)href="([^"]*/messages/\?[^"]*)"[^>]*>([0-9,]+)(?: [^<%]*)?</a>')


def another(run: Run) -> Run:
    """A run an hour ago of a version whose two links stand the other way round."""
    told = {"definition": run.version.definition, "fingerprint": "x", "frozen_at": timezone.now()}
    frozen = Version.objects.create(campaign=run.campaign, number=9, **told)
    Link.objects.create(version=frozen, action=0, number=0, url="https://shop.example/b")
    Link.objects.create(version=frozen, action=0, number=1, url="https://shop.example/new")
    at = timezone.now() - timedelta(hours=1)
    later = Run.objects.create(
        campaign=run.campaign, version=frozen, due_at=at, started_at=at, targeted=4, state="completed"
    )
    for ref in range(1, 5):
        Message.objects.create(run=later, action=0, ref=ref, address=f"p{ref}@mail.example", slot=0)
        Attempt.objects.create(run=later, action=0, ref=ref, n=1, outcome="accepted", at=at)
    Batch.objects.create(
        run=later, action=0, lo=1, hi=4, size=4, send_after=at, state="done", epoch=1, tally={"accepted": 4}
    )
    for ref, link, agent in ((1, 0, PHONE), (2, 1, DESK), (3, 1, DESK), (3, 1, PHONE)):
        told = {"run": later, "action": 0, "ref": ref, "judged": 1, "user_agent": agent}
        Event.objects.create(**told, kind="click", link=link, at=at + timedelta(minutes=9))
        Event.objects.create(**told, kind="open", at=at + timedelta(minutes=8))
    # Today people did again what they had done, and others what they had not; one came back a day later.
    told = {"run": run, "action": 0, "judged": 1, "at": at, "user_agent": DESK}
    for ref in (1, 5):
        Event.objects.create(**told, ref=ref, kind="open")
        Event.objects.create(**told, ref=ref, kind="click", link=1)
    Event.objects.create(**told, ref=6, kind="bounce")
    Event.objects.create(**{**told, "run": later}, ref=4, kind="bounce")
    return later


# Each look of a report once from the tail or from the counts; test_counting holds these two to be the same.
@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("query", "counted"),
    [("", False), ("?who=any&window=24h", False), ("?window=24h", True), ("?who=any&action=0", True)],
)
def test_every_link_of_every_page_leads_to_as_many_messages_as_it_says(
    run: Run, reader: Client, query: str, counted: bool
) -> None:
    later = another(run)
    if counted:
        counting.move_forward(now=timezone.now())
    listed: dict[str, str | None] = {}  # a page leads to the same messages from several places
    seen, wrong = 0, []
    for page in (f"runs/{run.pk}", f"runs/{later.pk}", f"{run.campaign_id}"):
        shown = reader.get(f"/campaigns/{page}/report/{query}").content.decode()
        for attributes, address, number in LED.findall(shown):
            if 'data-of="events"' not in attributes:
                if address not in listed:
                    behind = reader.get(html.unescape(address)).content.decode()
                    found = re.search(r"([0-9][0-9,]*) messages?", behind)
                    listed[address] = found and found[1]
                wrong += [] if listed[address] == number else [(number, listed[address], address)]
                seen += 1
    assert wrong == [] and seen > 20


@pytest.mark.parametrize("counted", [False, True], ids=["from the tail", "from the counts"])
def test_what_comes_back_of_messages_never_accepted_lowers_no_delivery(
    run: Run, reader: Client, counted: bool
) -> None:
    """Nobody knows whether 9 had left, and yet it came back: it was never among the seven accepted."""
    Event.objects.create(run=run, action=0, ref=9, kind="bounce", at=BEGAN, fault="address", judged=1)
    if counted:
        counting.move_forward(now=timezone.now())

    def shown() -> list[int]:
        told = made(run)
        domain = next(part for part in told.domains if part.key == "post.example")
        codes = ("accepted", "bounced", "delivered")
        return [told.numbers[code].value for code in codes] + [domain.delivered]

    def listed() -> int:
        page = reader.get(f"/campaigns/runs/{run.pk}/messages/?outcome=delivered").content.decode()
        return len(set(NAMED.findall(page)))

    assert (shown(), listed()) == ([7, 2, 6, 2], 6)
    actor = builders.person(run.campaign.workspace, "approver", "decider")
    uncertain.decide(run, "arrived", why="The provider's log has it", actor=actor, now=timezone.now())
    assert (shown(), listed()) == ([8, 2, 6, 2], 6)


def test_an_address_is_one_link_wherever_it_stands_in_a_version(run: Run, reader: Client) -> None:
    another(run)
    links = report.make(run.campaign, now=timezone.now()).links
    assert {one.url[21:]: (one.people, one.clicks) for one in links} == {
        "a": (2, 3),
        "b": (3, 4),  # of the first run 1 (twice) and 5, of the second 1
        "new": (2, 3),
    }


def test_in_the_last_day_nothing_is_a_share_of_what_left_before(run: Run, reader: Client) -> None:
    later = another(run)
    now = timezone.now()
    both = report.make(run.campaign, is_last_day=True, now=now).numbers
    assert [both[code].value for code in ("accepted", "bounced", "delivered", "opened")] == [4, 2, 3, 4]
    assert both["opened"].rate is both["bounced"].rate is both["clicked_of_opened"].rate is None
    alone = report.make(run.campaign, run=later, is_last_day=True, now=now).numbers
    assert (alone["delivered"].value, alone["opened"].value, alone["opened"].rate) == (3, 3, 100.0)


def test_a_rate_is_rounded_and_not_cut_off(run: Run, reader: Client) -> None:
    """Four of six, and one of six."""
    page = reader.get(f"/campaigns/runs/{run.pk}/report/").content.decode()
    assert "66.7 %" in page and "16.67 %" in page and "66.6 %" not in page


def test_two_numbers_of_a_readers_choice_are_divided(run: Run, reader: Client) -> None:
    address = f"/campaigns/runs/{run.pk}/report/"
    page = reader.get(f"{address}?number=clicked&per=targeted").content.decode()
    assert "2 ÷ 12 = <b>16.67 %</b>" in page
    nothing = reader.get(f"{address}?number=clicked&per=expired").content.decode()
    assert "2 ÷ 0</p>" in nothing
    for asked in ("number=clicked", "number=clicked&per=nobody", "number=%00&per=%27"):
        unasked = reader.get(f"{address}?{asked}")
        assert unasked.status_code == 200 and "÷" not in unasked.content.decode().partition("h-ratio")[2]


def test_the_page_costs_the_same_number_of_queries_whatever_there_is(run: Run, reader: Client) -> None:
    address = f"/campaigns/{run.campaign_id}/report/"
    reader.get(address)
    with CaptureQueriesContext(connection) as few:
        assert reader.get(address).status_code == 200
    for number in range(1, 4):
        other = Run.objects.create(
            campaign=run.campaign,
            version=run.version,
            state="completed",
            due_at=BEGAN + timedelta(days=number),
        )
        for ref in range(1, 20):
            Message.objects.create(run=other, action=0, ref=ref, address=f"q{ref}@d{ref}.example")
            Event.objects.create(run=other, action=0, ref=ref, kind="open", at=BEGAN, judged=1)
    with CaptureQueriesContext(connection) as many:
        assert reader.get(address).status_code == 200
    assert len(many) == len(few)


def test_the_report_as_csv_has_every_number_and_no_formula(run: Run, reader: Client) -> None:
    Message.objects.filter(ref=1).update(address="=cmd()@evil.example")
    file = b"".join(reader.get(f"/campaigns/runs/{run.pk}/report.csv").streaming_content).decode()
    assert "\r\nDevices,Phone,,,,1,1,,\r\n" in file
    assert "Numbers,Opened,3,50.0," in file and "Links,https://shop.example/a,2,3,1" in file
    people = b"".join(reader.get(f"/campaigns/runs/{run.pk}/export.csv").streaming_content).decode()
    assert "'=cmd()@evil.example" in people


def test_the_workspace_and_the_comparison_show_the_same_numbers(run: Run, reader: Client) -> None:
    Run.objects.filter(pk=run.pk).update(due_at=timezone.now() - timedelta(days=1))
    mine = Campaign.objects.filter(pk=run.campaign_id)
    told = overview.of_workspace(mine, days=7, now=timezone.now())
    (line,) = told.lines
    assert {code: one.value for code, one in line.numbers.items()} == {
        code: value for code, (value, _rate) in EXPECTED.items()
    }
    assert told.total["opened"].rate == 50.0
    assert cells(reader, "/campaigns/reports/?days=7", "Winter layers") == [
        "12",
        "6",
        "3",
        "2",
        "1",
        "1",
        "1",
    ]
    address = f"/campaigns/reports/compare/?campaign={run.campaign_id}&campaign=99&campaign=x&campaign="
    assert cells(reader, address, ">Clicked<") == ["2"]


def test_nobody_sees_the_report_of_another_house(run: Run, client: Client) -> None:
    client.force_login(builders.person(builders.workspace("elsewhere"), "administrator"))
    of_run, of_campaign = f"/campaigns/runs/{run.pk}", f"/campaigns/{run.campaign_id}/report"
    for address in (
        *(f"{of_run}/report/", f"{of_run}/report.csv", f"{of_run}/messages/", f"{of_run}/heat/"),
        *(f"{of_campaign}/", f"{of_campaign}/report.csv", f"{of_campaign}/messages/"),
    ):
        assert client.get(address).status_code == 404
    page = client.get(f"/campaigns/reports/compare/?campaign={run.campaign_id}").content.decode()
    assert run.campaign.name not in page


def test_the_message_shows_where_people_click(run: Run, reader: Client) -> None:
    answer = reader.get(f"/campaigns/runs/{run.pk}/heat/")
    page = answer.content.decode()
    assert ">67 %</span>Shop" in page and ">33 %</span>Coats" in page
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert reader.get(f"/campaigns/runs/{run.pk}/heat/?action=7").status_code == 404


def test_the_workspaces_days_are_those_of_who_looks(run: Run) -> None:
    late = BEGAN.replace(hour=23, minute=30)
    Event.objects.filter(run=run).update(at=late)
    counting.rebuild()
    campaigns = Campaign.objects.filter(pk=run.campaign_id)

    def opened_on(zone: str) -> list[Any]:
        with timezone.override(zone):
            told = overview.of_workspace(campaigns, days=30, now=BEGAN + timedelta(days=3))
            return [timezone.localdate(one.at) for one in told.curve if one.opens]

    assert opened_on("UTC") == [late.date()]
    assert opened_on("Asia/Taipei") == [late.date() + timedelta(days=1)]
