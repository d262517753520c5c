"""Word of campaigns that do not arrive or are marked as junk: once, to followers, by bell and by mail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import NoticePreference, Notification
from campaigns import watch
from campaigns.models import Attempt, Batch, Event, Message, Run
from tests import builders

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
