"""A run's page reads tallies, agrees with the ledger's rows, and says what the run is waiting for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import heartbeat
from accounts.models import User
from audiences import consent
from audiences.models import Profile
from campaigns import lifecycle
from campaigns.delivery import clock, fanout, send
from campaigns.models import Attempt, Batch, Run
from campaigns.reports import metrics, progress
from campaigns.reports.waiting import waiting_for
from channels.models import ChannelConfiguration, PaceLimit
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox_here")]


def sending(people: int = 12) -> Run:
    """Fanned out in batches of five; one person has withdrawn, one address is refused."""
    where = builders.workspace()
    rows = builders.profiles(where, people)
    consent.withdraw(profile_id=rows[0].pk, channel="email", source="test", now=timezone.now())
    Profile.objects.filter(pk=rows[1].pk).update(email="refuse+1@example.com")
    campaign = builders.live(where, now=timezone.now())
    clock.start_due_runs(now=timezone.now())
    run = Run.objects.get(campaign=campaign)
    fanout.expand(run.pk, now=timezone.now(), page=7, batch=5)
    run.refresh_from_db()
    return run


def test_the_numbers_of_the_page_are_those_of_the_ledger_at_every_moment() -> None:
    run = sending()
    for batch in Batch.objects.filter(run=run).order_by("lo"):
        told = progress.of(run, now=timezone.now())
        assert told.book == metrics.ledger(run) and told.book.balances
        assert told.excluded == metrics.reasons(run, "excluded")
        assert told.failed == metrics.reasons(run, "failed")
        send.deliver(batch.pk)
    run.refresh_from_db()
    assert progress.of(run, now=timezone.now()).book == metrics.ledger(run)
    assert (metrics.ledger(run).accepted, run.state) == (10, "completed")


def test_the_rate_and_the_end_come_from_the_samples_of_the_last_minute() -> None:
    run, now = sending(), timezone.now()
    first, second, *_rest = Batch.objects.filter(run=run).order_by("lo")
    progress.sample(now=now - timedelta(seconds=200))
    progress.sample(now=now - timedelta(seconds=20))
    send.deliver(first.pk)
    progress.sample(now=now - timedelta(seconds=10))
    send.deliver(second.pk)
    run.refresh_from_db()
    told = progress.of(run, now=now)
    settled = told.book.settled - sum(run.left_out.values())
    assert told.rate == pytest.approx(settled / 20, rel=0.1) and len(run.samples) == 2
    assert told.ends_at and abs(told.ends_at - now - timedelta(seconds=told.book.to_go / told.rate)) < (
        timedelta(seconds=1)
    )


def test_without_samples_no_rate_is_guessed() -> None:
    told = progress.of(sending(), now=timezone.now())
    assert (told.rate, told.ends_at) == (None, None)


def test_a_page_asks_the_same_number_of_queries_whatever_the_run_has(client: Client) -> None:
    asked = []
    for people in (12, 60):
        run = sending(people) if not asked else _another(people)
        viewer = User.objects.get(email__startswith="approver@", groups__role__workspace=_where(run))
        client.force_login(viewer)
        client.get(f"/campaigns/runs/{run.pk}/")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = client.get(f"/campaigns/runs/{run.pk}/", headers={"HX-Request": "true"})
        assert response.status_code == 200
        told = [query["sql"] for query in queries]
        assert not any("DISTINCT ON (action, ref)" in sql or "campaigns_message" in sql for sql in told)
        asked.append(len(told))
    assert asked[0] == asked[1]


def _where(run: Run):
    return run.campaign.workspace


def _another(people: int) -> Run:
    where = builders.workspace("other")
    builders.profiles(where, people)
    campaign = builders.live(where, now=timezone.now())
    clock.start_due_runs(now=timezone.now())
    run = Run.objects.get(campaign=campaign)
    fanout.expand(run.pk, now=timezone.now(), page=7, batch=5)
    return run


def test_what_a_run_is_waiting_for_is_said_by_what_decides_it() -> None:
    run, now = sending(), timezone.now()
    assert "worker" in waiting_for(run, now=now)
    heartbeat.beat("bulk", now=now)
    assert waiting_for(run, now=now) == ""
    configuration = ChannelConfiguration.objects.get()
    PaceLimit.objects.create(configuration=configuration, rate=7)
    assert "7 a second" in waiting_for(run, now=now)
    later = now + timedelta(hours=1)
    Batch.objects.update(send_after=later, wave=2)
    assert "wave 3" in waiting_for(run, now=now)
    first = Batch.objects.order_by("lo").first()
    Batch.objects.update(epoch=1)
    place = {"run": run, "action": first.action, "ref": first.lo, "n": 1, "at": now}
    Attempt.objects.create(**place, outcome="deferred", code="quiet_hours", retry_at=later)
    assert "quiet hours" in waiting_for(run, now=now)
    Attempt.objects.filter(code="quiet_hours").update(code="451")
    assert "next try" in waiting_for(run, now=now)
    ChannelConfiguration.objects.update(status="inactive")
    assert "not active" in waiting_for(run, now=now)
    approver = User.objects.get(email__startswith="approver@")
    run.campaign = lifecycle.apply(run.campaign, "pause", actor=approver, now=now)
    assert "paused" in waiting_for(run, now=now)


def test_each_wave_has_its_bar(client: Client) -> None:
    run = sending()
    last = Batch.objects.filter(run=run).order_by("lo").last()
    Batch.objects.filter(pk=last.pk).update(wave=1, send_after=timezone.now() + timedelta(hours=1))
    call_command("deliver")
    first, second = progress.of(run, now=timezone.now()).waves
    assert (first.to_go, second.settled) == (0, 0) and first.ended_at and not second.ended_at
    client.force_login(User.objects.get(email__startswith="approver@"))
    text = client.get(f"/campaigns/runs/{run.pk}/").content.decode()
    assert "Waves" in text and "waits for its time" in text


def test_home_tells_what_sends_and_what_it_waits_for_without_reading_messages() -> None:
    run = sending()
    reader = builders.person(run.campaign.workspace, "viewer", "vera")
    browser = Client()
    browser.force_login(reader)
    first, *others = Batch.objects.filter(run=run).order_by("lo")
    send.deliver(first.pk)
    with CaptureQueriesContext(connection) as asked:
        page = browser.get("/").content.decode()
    told = progress.of(run, now=timezone.now()).book
    assert f"{told.settled} of {told.targeted}" in page and "1 campaign is sending" in page
    assert "Waiting for:" in page and "Balances" in page
    by_row, _run, _rest = metrics.COUNTS.partition("%s")
    assert not [one for one in asked.captured_queries if by_row in one["sql"]]
    for batch in others:
        send.deliver(batch.pk)
    page = browser.get("/").content.decode()
    assert "1 campaign is sending" not in page and "10 accepted" in page
