"""More and more people get the better treatment: the parts, months of simulation, runs that are weighed."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from campaigns import actions, lifecycle, validation, variants
from campaigns.delivery import bandits, clock
from campaigns.models import Attempt, Event, Message, Run
from campaigns.reports import report
from campaigns.reports.experiments import Arm
from tests import builders
from tests.api import Caller

TWO = [{"key": "A", "title": "As it was", "percent": 50}, {"key": "B", "title": "Shorter", "percent": 50}]
pytestmark = pytest.mark.usefixtures("sandbox_here")
BANDIT = {"treatments": TWO, "metric": "click", "window_hours": 24, "mode": "bandit", "salt": "s"}
DAILY = {"zone": "UTC", "rules": [{"every": "day", "at": "09:00"}]}


def arms(*counts: tuple[int, int]) -> list[Arm]:
    return [Arm("ABCDE"[at], "", 1 / len(counts), *one) for at, one in enumerate(counts)]


def test_a_part_is_the_chance_to_be_best_as_the_integral_says_it() -> None:
    from scipy import integrate  # here, for it takes seconds to load
    from scipy.stats import beta

    first, second = (200, 20), (200, 30)

    def beats(rate: float) -> float:
        better = beta.sf(rate, 1 + second[1], 1 + second[0] - second[1])
        return float(beta.pdf(rate, 1 + first[1], 1 + first[0] - first[1]) * better)

    chance, _error = integrate.quad(beats, 0, 1, limit=200)
    found = bandits.parts(arms(first, second))
    assert found["B"] == pytest.approx(5 + 90 * chance, abs=2.5)
    assert sum(found.values()) == pytest.approx(100)


def test_nobody_starves_fewer_can_be_better_and_the_same_counts_give_the_same_parts() -> None:
    sure = bandits.parts(arms((1000, 10), (1000, 200), (1000, 20)))
    assert sure["A"] >= 4.9 and sure["C"] >= 4.9 and sure["B"] == pytest.approx(90, abs=0.2)
    fewer = bandits.parts(arms((1000, 10), (1000, 200)), is_fewer_better=True)
    assert fewer["A"] == pytest.approx(95, abs=0.2)
    assert bandits.parts(arms((50, 5), (50, 6)), seed="x") == bandits.parts(arms((50, 5), (50, 6)), seed="x")
    nothing = bandits.parts(arms((0, 0), (0, 0)))
    assert abs(nothing["A"] - 50) < 3


def test_over_months_it_loses_little_against_who_knew_the_better_one_from_the_start() -> None:
    dice, rates = random.Random(5), [0.05, 0.10]
    people, converted, share = [0, 0], [0, 0], 0.5
    for _week in range(26):
        for _person in range(200):
            mine = int(dice.random() < share)
            people[mine] += 1
            converted[mine] += dice.random() < rates[mine]
        found = bandits.parts(arms(*zip(people, converted, strict=True)), seed=str(_week))
        share = found["B"] / 100
    assert share > 0.9
    lost = sum(people) * rates[1] - sum(n * rate for n, rate in zip(people, rates, strict=True))
    lost_by_halves = sum(people) * (rates[1] - rates[0]) / 2
    assert lost < lost_by_halves / 2


def test_the_hash_places_people_by_the_parts_and_moves_only_whom_it_must() -> None:
    weighed = variants.weighted({"experiment": BANDIT}, {"percents": {"": 20.0, "B": 80.0}})["experiment"]
    people = range(1, 20_001)
    before = {n: variants.treatment_of(BANDIT, n) for n in people}
    after = {n: variants.treatment_of(weighed, n) for n in people}
    assert abs(sum(one == "B" for one in after.values()) / 20_000 - 0.8) < 0.01
    assert all(after[n] == "B" for n in people if before[n] == "B")
    assert BANDIT["treatments"][0]["percent"] == 50  # the plan itself stays
    assert variants.weighted({"experiment": BANDIT}, None) == {"experiment": BANDIT}


def campaign_of(where: Any, **changes: Any) -> Any:
    author = builders.person(where, "manager")
    made = builders.draft(where, author, experiment=BANDIT, **changes)
    actions.copy_to_all(made, 0, revision=made.revision, actor=author, now=timezone.now())
    made.refresh_from_db()
    return made


@pytest.mark.django_db
def test_the_second_run_of_a_recurring_campaign_gives_more_people_the_better_one() -> None:
    where = builders.workspace()
    builders.profiles(where, 120)
    made = campaign_of(where, schedule=DAILY)
    now = timezone.now()
    campaign = lifecycle.apply(made, "activate", actor=builders.person(where, "approver"), now=now)

    def send() -> Run:
        due = Run.objects.filter(campaign=campaign, state="due").order_by("due_at").first()
        assert due is not None
        Run.objects.filter(pk=due.pk).update(due_at=timezone.now() - timedelta(seconds=1))
        clock.start_due_runs(now=timezone.now())
        call_command("deliver")
        due.refresh_from_db()
        assert due.state == "completed"
        return due

    first = send()
    assert first.weights is None
    mine = Message.objects.filter(run=first, variant=1).values_list("ref", flat=True)
    assert 30 < len(mine) < 90
    Event.objects.bulk_create(
        Event(run=first, action=0, ref=ref, kind="click", link=0, at=timezone.now(), judged=1)
        for ref in mine[:30]
    )
    second = send()
    assert second.weights["percents"]["B"] == pytest.approx(95, abs=1)
    got_b = Message.objects.filter(run=second, variant=1).count()
    assert got_b > 100 and Attempt.objects.filter(run=second, outcome="accepted").count() == 120
    trial = report.make(campaign, run=second, now=timezone.now()).trial
    assert trial is not None and "B Shorter" in trial.parts and trial.compared[1].arm.share > 0.9


@pytest.mark.django_db
def test_a_campaign_that_takes_calls_is_weighed_every_hour_and_its_calls_follow() -> None:
    where = builders.workspace()
    people = builders.profiles(where, 60)
    made = campaign_of(where, type="api_triggered", category="transactional")
    now = timezone.now()
    campaign = lifecycle.apply(made, "activate", actor=builders.person(where, "approver"), now=now)
    caller, run = Caller(where, "administrator"), Run.objects.get(campaign=campaign)

    def call(these: Any, name: str) -> None:
        recipients = [{"type": "aep", "userId": one.email, "namespace": "email"} for one in these]
        body = {"requestId": name, "campaignId": str(campaign.pk), "recipients": recipients}
        assert caller.post("/ajo/im/executions/unitary", body).status_code == 202

    for start in range(0, 40, 20):
        call(people[start : start + 20], f"first {start}")
    call_command("deliver")
    mine = Message.objects.filter(run=run, variant=1).values_list("ref", flat=True)
    Event.objects.bulk_create(
        Event(run=run, action=0, ref=ref, kind="click", link=0, at=now, judged=1) for ref in mine
    )
    assert bandits.refresh(now=now) == 1 and bandits.refresh(now=now + timedelta(minutes=59)) == 0
    run.refresh_from_db()
    assert run.weights["percents"]["B"] > 90
    told = caller.get(f"/api/runs/{run.pk}/").json()["experiment"]
    parts = {one["treatment"]: one["percent"] for one in told["treatments"]}
    assert parts == {"A": run.weights["percents"][""], "B": run.weights["percents"]["B"]}
    assert (told["mode"], told["weighedAt"], told["waiting"]) == ("bandit", now.isoformat(), 0)
    last = Message.objects.filter(run=run).order_by("-ref").values_list("ref", flat=True)[0]
    call(people[40:], "second")
    assert Message.objects.filter(run=run, ref__gt=last, variant=1).count() > 15
    assert bandits.refresh(now=now + timedelta(minutes=61)) == 1
    trial = report.make(campaign, run=run, now=now).trial
    assert trial is not None and trial.compared == [] and "%" in trial.parts


@pytest.mark.django_db
def test_who_sends_once_is_told_that_nothing_can_be_learned_from() -> None:
    where = builders.workspace()
    made = campaign_of(where)
    codes = {one.code for one in validation.validate(made, now=timezone.now()) if one.is_error}
    assert "bandit_once" in codes
