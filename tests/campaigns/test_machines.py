"""Machines told from people: recorded programs, what one request shows, and what only its neighbours show."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.models import Attempt, Batch, Event, Message, Run
from campaigns.reports import report
from campaigns.reports.metrics import engagement
from campaigns.tracking import machines, tokens
from campaigns.tracking.tokens import MessageKey
from tests import builders

pytestmark = pytest.mark.django_db
LINKS = "".join(f'<a href="https://shop.example/{n}">{n}</a>' for n in range(4))
HTML = f'<html><body>{LINKS}<a href="{{{{ unsubscribe_url }}}}">Leave</a></body></html>'
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
RECORDED = [
    ("open", SAFARI, ""),
    ("open", GMAIL, ""),
    ("open", "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", ""),
    (
        "open",
        "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; Microsoft Outlook 16.0)",
        "",
    ),
    ("open", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.5.0", ""),
    (
        "click",
        "Mozilla/5.0 (Linux; Android 14; CUBOT X70) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36",
        "",
    ),
    ("open", "", ""),
    ("open", "Mozilla/5.0", "apple"),
    ("click", "Mozilla/5.0", ""),
    ("click", "BarracudaCentral/1.0 (+https://www.barracudacentral.org)", "scanner"),
    ("click", "Microsoft Office Existence Discovery", "scanner"),
    ("click", "facebookexternalhit/1.1;line-poker/1.0", "preview"),
    ("click", "WhatsApp/2.23.20.0", "preview"),
    ("click", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "robot"),
    (
        "click",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/126.0 Safari/537.36",
        "robot",
    ),
    ("click", "python-requests/2.32.3", "robot"),
    ("click", "curl/8.5.0", "robot"),
    ("click", "Go-http-client/1.1", "robot"),
]


def message(html: str = HTML) -> Message:
    where = builders.workspace()
    profile = builders.profiles(where, 1)[0]
    run = Run.objects.get(campaign=builders.live(where, now=timezone.now(), html=html))
    return Message.objects.create(run=run, action=0, ref=profile.pk, profile=profile, address=profile.email)


def accepted(one: Message, at: datetime) -> None:
    Attempt.objects.create(run=one.run, action=0, ref=one.ref, n=1, outcome="accepted", at=at)


def click(client: Client, one: Message, number: int, agent: str = SAFARI) -> None:
    base = tokens.click_base(MessageKey(one.run_id, one.action, one.ref))
    path = "/" + base.split("/", 3)[3]
    assert client.get(f"{path}{number}", headers={"User-Agent": agent}).status_code == 302


def later(seconds: int) -> datetime:
    return timezone.now() + timedelta(seconds=seconds)


def test_the_door_and_the_database_know_the_same_recorded_programs() -> None:
    one = message()
    for kind, agent, _machine in RECORDED:
        Event.objects.create(run=one.run, action=0, ref=one.ref, kind=kind, at=later(-600), user_agent=agent)
    call_command("judge_machines", verbosity=0)
    told = Event.objects.order_by("id").values_list("kind", "user_agent", "machine")
    assert list(told) == RECORDED
    assert [machines.at_door(kind, agent, 0) for kind, agent, _machine in RECORDED] == [
        machine for _kind, _agent, machine in RECORDED
    ]


def test_a_robot_is_led_on_but_is_nobody_who_clicked(client: Client) -> None:
    one = message()
    click(client, one, 0, "python-requests/2.32.3")
    assert (Event.objects.get().machine, engagement(one.run).clicked) == ("robot", 0)
    click(client, one, 0)
    assert engagement(one.run).clicked == 1


def test_a_click_within_a_second_of_sending_is_a_machine_and_one_after_it_a_person(client: Client) -> None:
    one = message()
    accepted(one, timezone.now())
    click(client, one, 0)
    assert machines.judge(now=timezone.now()) == 0, "its neighbours may still come"
    assert engagement(one.run).clicked == 1
    assert machines.judge(now=later(61)) == 1
    assert (Event.objects.get().machine, engagement(one.run).clicked) == ("soon", 0)
    Attempt.objects.update(at=later(-30))
    assert machines.judge(now=later(61)) == 0, "it was judged"
    call_command("judge_machines", "--all", verbosity=0)
    assert (Event.objects.get().machine, engagement(one.run).clicked) == ("", 1)


def test_three_links_at_once_are_a_scanner_and_two_are_a_person(client: Client) -> None:
    one = message()
    accepted(one, later(-3600))
    for number in (0, 1, 1):
        click(client, one, number)
    machines.judge(now=later(61))
    assert engagement(one.run).clicked == 1
    click(client, one, 2)
    machines.judge(now=later(61), everything=True)
    assert set(Event.objects.values_list("machine", flat=True)) == {"at_once"}
    assert engagement(one.run).clicked == 0


def test_the_report_shows_people_and_machines_apart_in_as_many_queries(
    client: Client,
) -> None:
    one = message()
    accepted(one, later(-3600))
    whole = {"lo": one.ref, "hi": one.ref, "size": 1, "tally": {"accepted": 1}, "epoch": 1}
    Batch.objects.create(run=one.run, action=0, state="done", send_after=later(-3600), **whole)
    click(client, one, 0, "curl/8.5.0")
    client.force_login(builders.person(one.run.campaign.workspace, "approver", "reader"))
    page = client.get(f"/campaigns/runs/{one.run_id}/report/").content.decode()
    assert "Robot or script" in page and "100.0" in page
    with CaptureQueriesContext(connection) as few:
        client.get(f"/campaigns/runs/{one.run_id}/report/")
    for number in (0, 1, 2):
        click(client, one, number)
    with CaptureQueriesContext(connection) as many:
        client.get(f"/campaigns/runs/{one.run_id}/report/")
    assert len(many) == len(few)
    told = report.make(one.run.campaign, run=one.run, now=timezone.now())
    assert [(rule.label, rule.events) for rule in told.rules] == [("Robot or script", 1)]
    assert (told.numbers["clicked"].value, told.numbers["clicked_by_any"].value) == (1, 1)
