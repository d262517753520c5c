"""Word of campaigns that do not arrive or are marked as junk: once, to followers, by bell and by mail."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts import notices, outbox
from accounts.models import NoticePreference, Notification
from campaigns import watch
from campaigns.delivery import clock
from campaigns.models import Attempt, Batch, Campaign, Event, Message, Run
from tests import builders
from tests.campaigns.test_delivery import sending

pytestmark = pytest.mark.django_db


def sent(accepted: int, failed: int = 0, *, began: timedelta = timedelta(hours=2)) -> Run:
    run = Run.objects.get(campaign=builders.live(builders.workspace(), now=timezone.now()))
    at, total = timezone.now() - began, accepted + failed
    Run.objects.filter(pk=run.pk).update(
        state="completed", targeted=total, due_at=at, started_at=at, finished_at=at
    )
    refs = range(1, total + 1)
    Message.objects.bulk_create(Message(run=run, action=0, ref=ref, address="x@y.example") for ref in refs)
    Attempt.objects.bulk_create(
        Attempt(run=run, action=0, ref=ref, n=1, outcome="accepted" if ref <= accepted else "failed", at=at)
        for ref in refs
    )
    tally = {"accepted": accepted, "failed/550": failed}
    Batch.objects.create(
        run=run, action=0, lo=1, hi=total, size=total, send_after=at, state="done", epoch=1, tally=tally
    )
    run.refresh_from_db()
    return run


def events(run: Run, kind: str, count: int) -> None:
    Event.objects.bulk_create(
        Event(run=run, action=0, ref=ref, kind=kind, at=timezone.now(), judged=1)
        for ref in range(1, count + 1)
    )


def told(kind: str) -> Any:
    watch.look_after(now=timezone.now())
    return Notification.objects.filter(kind=kind)


def test_who_follows_it_is_told_once_that_many_do_not_arrive() -> None:
    run = sent(170, 10)
    assert not told("campaign_low_delivery").exists()  # 5.6 percent
    events(run, "bounce", 12)
    rows = told("campaign_low_delivery")  # 22 of 180
    assert {row.user for row in rows} == {run.campaign.created_by, run.campaign.activated_by}
    assert all(row.in_bell and row.mail == Notification.Mail.DUE for row in rows)
    assert {row.values["comment"] for row in rows} == {"22 of 180 messages failed or came back."}
    count = rows.count()
    assert told("campaign_low_delivery").count() == count


def test_complaints_are_told_from_three_in_a_thousand_and_never_of_one_or_two() -> None:
    run = sent(900)
    events(run, "complaint", 2)
    assert not told("campaign_complaints").exists()  # 0.22 percent, and two
    events(run, "unsubscribe", 50)
    assert not told("campaign_complaints").exists()
    Event.objects.create(run=run, action=0, ref=900, kind="complaint", at=timezone.now(), judged=1)
    rows = told("campaign_complaints")
    assert {row.values["comment"] for row in rows} == {"3 of 900 messages that arrived were marked as junk."}


def test_few_messages_and_runs_of_last_week_say_nothing() -> None:
    run = sent(40, 40)
    assert not told("campaign_low_delivery").exists()
    Run.objects.filter(pk=run.pk).update(started_at=timezone.now() - timedelta(days=5))
    events(run, "complaint", 20)
    assert not told("campaign_complaints").exists()


def test_who_wants_no_mail_or_nothing_at_all_gets_none() -> None:
    run = sent(100, 100)
    creator, approver = run.campaign.created_by, run.campaign.activated_by
    assert creator is not None and approver is not None
    NoticePreference.objects.create(user=creator, kind="campaign_low_delivery", bell=True, mail=False)
    NoticePreference.objects.create(user=approver, kind="campaign_low_delivery", bell=False, mail=False)
    (row,) = told("campaign_low_delivery")
    assert row.user == creator and row.mail == Notification.Mail.NONE


def activated() -> Campaign:
    return builders.live(builders.workspace(), now=timezone.now())


def under_way() -> Campaign:
    return sending(3).campaign


def not_arriving() -> Campaign:
    return sent(100, 50).campaign


def marked_as_junk() -> Campaign:
    run = sent(300)
    events(run, "complaint", 3)
    return run.campaign


def look_after(minutes: int) -> None:
    watch.look_after(now=timezone.now() + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("made", "happen", "sentence", "why"),
    [
        (
            activated,
            lambda: clock.start_due_runs(now=timezone.now() + timedelta(hours=3)),
            "“Winter layers” failed.",
            "",
        ),
        (under_way, lambda: call_command("deliver"), "“Winter layers” is completed.", ""),
        (
            under_way,
            lambda: look_after(20),
            "“Winter layers” sends nothing now.",
            "Messages are due, and no worker has taken them for a quarter of an hour.",
        ),
        (
            not_arriving,
            lambda: look_after(0),
            "Many messages of “Winter layers” do not arrive.",
            "50 of 150 messages failed or came back.",
        ),
        (
            marked_as_junk,
            lambda: look_after(0),
            "“Winter layers” is often marked as junk.",
            "3 of 300 messages that arrived were marked as junk.",
        ),
    ],
    ids=["failed", "finished", "stalled", "low delivery", "complaints"],
)
def test_each_alert_arrives_in_the_bell_and_by_mail(
    made: Callable[[], Campaign], happen: Callable[[], Any], sentence: str, why: str, client: Client
) -> None:
    """With every box of the preferences ticked: that a campaign is completed is mailed to who asks for it."""
    campaign = made()
    author = campaign.created_by
    assert author is not None
    client.force_login(author)
    every = {f"{way}:{kind}": "on" for kind in notices.KINDS for way in ("bell", "mail")}
    assert client.post("/accounts/notices/prefer/", every).status_code == 302
    happen()
    page = client.get("/accounts/notices/").content.decode()
    shown = re.findall(r'<span class="strong">(.*?)</span>(.*?)</td>', page)
    assert [said for words, said in shown if words == sentence and why in said], shown
    later = timezone.now() + timedelta(hours=4)
    outbox.send_due(now=later)
    (letter,) = [one for one in mail.outbox if one.to == [author.email] and one.subject == sentence]
    assert why in letter.body and f"/campaigns/{campaign.pk}/" in letter.body
    assert outbox.send_due(now=later) == 0
    client.post("/accounts/notices/read/")
    assert 'class="strong"' not in client.get("/accounts/notices/").content.decode()
