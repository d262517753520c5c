"""When audiences are evaluated, by whom, and what is remembered of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts import access
from accounts.models import Workspace
from audiences import audiences, consent, evaluations, lifecycle
from audiences.models import Audience, AudienceSize, Profile
from audiences.tasks import evaluate_audiences
from tests import builders

pytestmark = pytest.mark.django_db
NOW = builders.NOW


@pytest.fixture
def where() -> Workspace:
    made = builders.workspace()
    builders.profiles(made, 6)
    return made


def due(where: Workspace, **fields: Any) -> Audience:
    return builders.audience(where, next_evaluation_at=NOW, **fields)


def test_what_is_due_is_evaluated_once_and_remembered_with_its_reach(where: Workspace) -> None:
    audience = due(where)
    person = Profile.objects.first()
    assert person
    consent.withdraw(profile_id=person.pk, channel="email", source="page", now=NOW)
    assert evaluations.evaluate_due(NOW) == 1 and evaluations.evaluate_due(NOW) == 0
    audience.refresh_from_db()
    assert (audience.counted, audience.counted_at, audience.next_evaluation_at) == (6, NOW, None)
    size = AudienceSize.objects.get()
    assert (size.people, size.reach["email"]) == (6, {"": 5, "050101": 1})


@pytest.mark.parametrize(("refresh", "hours"), [("hourly", 1), ("daily", 24)])
def test_the_clock_evaluates_again_after_the_chosen_time(where: Workspace, refresh: str, hours: int) -> None:
    audience = due(where, refresh=refresh)
    evaluations.evaluate_due(NOW)
    audience.refresh_from_db()
    assert audience.next_evaluation_at == NOW + timedelta(hours=hours)
    assert evaluations.evaluate_due(NOW + timedelta(hours=hours, seconds=-1)) == 0
    assert evaluations.evaluate_due(NOW + timedelta(hours=hours)) == 1
    assert AudienceSize.objects.count() == 2


def test_a_claimed_audience_is_nobody_elses_until_the_lease_runs_out(where: Workspace) -> None:
    audience = due(where)
    assert evaluations.claim(NOW) == audience.pk
    assert evaluations.claim(NOW) is None
    assert not evaluations.at_once(audience, now=NOW)
    assert evaluations.claim(NOW + evaluations.LEASE) == audience.pk


def test_a_change_during_the_evaluation_makes_it_due_again(where: Workspace) -> None:
    audience = due(where)
    evaluations.claim(NOW)
    later = NOW + timedelta(seconds=3)
    rule = {"field": "name", "op": "is", "value": "Ann 2"}
    audiences.change(audience, rule=rule, actor=builders.person(where, "manager"), now=later)
    evaluations._evaluate(audience, now=NOW, milliseconds=1000)
    audience.refresh_from_db()
    assert audience.next_evaluation_at == later
    evaluations.evaluate_due(later)
    audience.refresh_from_db()
    assert audience.counted == 1


def test_an_archived_audience_is_left_alone(where: Workspace) -> None:
    audience = due(where, refresh="hourly")
    lifecycle.apply(audience, "archive", actor=builders.person(where, "manager"), now=NOW)
    assert evaluations.evaluate_due(NOW + timedelta(days=1)) == 0


def test_one_that_cannot_be_evaluated_keeps_its_size_and_holds_up_no_other(where: Workspace) -> None:
    broken = due(where, name="Broken", rule={"field": "gone", "op": "is", "value": "x"}, counted=4)
    due(where)
    evaluate_audiences()
    broken.refresh_from_db()
    assert (broken.counted, broken.next_evaluation_at) == (4, None)
    assert Audience.objects.get(name="Everybody").counted == 6


def test_a_slow_one_is_left_to_a_worker(where: Workspace) -> None:
    audience = due(where, kind="upload")
    elsewhere = connection.copy()
    try:
        elsewhere.set_autocommit(False)
        with elsewhere.cursor() as cursor:
            cursor.execute("LOCK audiences_audiencemember IN ACCESS EXCLUSIVE MODE")
        assert not evaluations.at_once(audience, now=NOW, milliseconds=50)
    finally:
        elsewhere.rollback()
        elsewhere.close()
    audience.refresh_from_db()
    assert (audience.counted, audience.next_evaluation_at) == (None, NOW)
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] == "0"
    assert evaluations.evaluate_due(NOW) == 1


def test_one_too_slow_for_a_worker_waits_for_its_next_time_and_holds_up_no_other(where: Workspace) -> None:
    slow = due(where, kind="upload", name="Slow", refresh="daily")
    due(where)
    elsewhere = connection.copy()
    try:
        elsewhere.set_autocommit(False)
        with elsewhere.cursor() as cursor:
            cursor.execute("LOCK audiences_audiencemember IN ACCESS EXCLUSIVE MODE")
        assert evaluations.evaluate_due(NOW, milliseconds=50) == 2
    finally:
        elsewhere.rollback()
        elsewhere.close()
    slow.refresh_from_db()
    assert (slow.counted, slow.next_evaluation_at) == (None, NOW + timedelta(days=1))
    assert Audience.objects.get(name="Everybody").counted == 6


def test_the_history_forgets_what_is_older_than_it_keeps(where: Workspace) -> None:
    audience = due(where)
    old = NOW - evaluations.KEPT - timedelta(days=1)
    AudienceSize.objects.create(audience=audience, at=old, people=1, milliseconds=1)
    evaluations.evaluate_due(NOW)
    assert [size.people for size in audience.sizes.all()] == [6]


def test_who_only_sees_an_audience_reads_its_size_and_does_not_ask_for_a_new_one(
    where: Workspace, client: Client
) -> None:
    audience, viewer = builders.audience(where), builders.person(where, "viewer")
    access.share(audience, viewer, ["view_audience"])
    client.force_login(viewer)
    page, verb = (reverse(f"audiences:{name}", args=[audience.pk]) for name in ("detail", "evaluate"))
    seen = client.get(page)
    assert seen.status_code == 200 and verb not in seen.text
    sizes = AudienceSize.objects.count()
    assert client.post(verb).status_code == 403 and AudienceSize.objects.count() == sizes
    client.force_login(builders.person(where, "manager"))
    assert verb in client.get(page).text and client.post(verb).status_code == 302
    assert AudienceSize.objects.count() == sizes + 1
