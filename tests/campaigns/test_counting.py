"""Counts by a watermark: with the tail behind it they are exactly what the rows say, wherever it stands."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from campaigns.models import Attempt, Batch, Count, CountMark, Event, Message, Run
from campaigns.reports import counting, figures
from campaigns.tracking import machines
from tests import builders

pytestmark = pytest.mark.django_db
BEGAN = datetime(2026, 11, 23, 12, tzinfo=UTC)
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Safari/604.1"
AGENTS = {
    PHONE: "phone",
    "Mozilla/5.0 (Windows NT 10.0) Firefox/128.0": "computer",
    "Mozilla/5.0 (iPad; CPU OS 18)": "tablet",
    "curl/8.5.0": "other",
}


def a_run(people: int = 6) -> Run:
    where = builders.workspace(f"house-{Run.objects.count()}")
    builders.profiles(where, people)
    run = Run.objects.get(campaign=builders.live(where, now=timezone.now()))
    for number in range(1, people + 1):
        domain = "mail.example" if number % 3 else "Other.example"
        Message.objects.create(
            run=run, action=0, ref=number, address=f"p{number}@{domain}", variant=number % 2
        )
        Attempt.objects.create(run=run, action=0, ref=number, n=1, outcome="accepted", at=BEGAN)
    return run


def event(run: Run, ref: int, kind: str, **fields: Any) -> Event:
    values = {
        "action": 0,
        "at": BEGAN + timedelta(minutes=5),
        "judged": machines.VERSION,
        "user_agent": PHONE,
    }
    return Event.objects.create(run=run, ref=ref, kind=kind, **{**values, **fields})


def at_random(run: Run, dice: random.Random, count: int) -> None:
    for _number in range(count):
        kind = dice.choice(["open", "click", "open", "click", "bounce"])
        event(
            run,
            dice.randint(1, 6),
            kind,
            link=dice.randint(0, 2) if kind == "click" else None,
            machine=dice.choice(["", "", "scanner"]) if kind in ("open", "click") else "",
            at=BEGAN + timedelta(minutes=dice.randint(0, 300)),
            user_agent=dice.choice(list(AGENTS)),
            fault=dice.choice(["", "address", "mailbox"]) if kind == "bounce" else "",
        )


def by_hand(run: Run) -> dict[tuple[Any, ...], list[int]]:
    """(facet, kind, by_machine, key) → [events, people, anybody], from the rows alone."""
    found: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    met: Counter[tuple[Any, ...]] = Counter()
    for one in Event.objects.filter(run=run).order_by("id"):
        domain = "mail.example" if one.ref % 3 else "other.example"
        is_machine = one.machine != ""
        keys = [("", ""), ("domain", domain), ("hour", one.at.replace(minute=0))]
        if one.kind in ("open", "click"):
            keys.append(("device", AGENTS[one.user_agent]))
        if one.kind == "bounce":
            keys.append(("fault", one.fault))
        if is_machine:
            keys.append(("rule", one.machine))
        first_person = not is_machine and not met[one.kind, one.ref, "person"]
        first = not met[one.kind, one.ref]
        for facet, key in keys:
            row = found[facet, one.kind, is_machine, key]
            row[0] += 1
            row[1] += first_person
            row[2] += first
        if one.kind == "click":
            row = found["link", "click", is_machine, str(one.link)]
            row[0] += 1
            row[1] += not is_machine and not met[one.ref, "link", one.link, "person"]
            row[2] += not met[one.ref, "link", one.link]
            met[one.ref, "link", one.link] += 1
            met[one.ref, "link", one.link, "person"] += not is_machine
        met[one.kind, one.ref] += 1
        met[one.kind, one.ref, "person"] += not is_machine
    return dict(found)


def as_read(run: Run) -> dict[tuple[Any, ...], list[int]]:
    found: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in figures.read([run.pk]).rows:
        if row.kind in ("open", "click", "bounce") and not (row.facet == "hour" and row.kind == "bounce"):
            numbers = found[row.facet, row.kind, row.by_machine, row.hour or row.key]
            for place, number in enumerate((row.events, row.people, row.anybody)):
                numbers[place] += number
    return dict(found)


def expected(run: Run) -> dict[tuple[Any, ...], list[int]]:
    return {key: row for key, row in by_hand(run).items() if key[:2] != ("hour", "bounce")}


@pytest.mark.parametrize("seed", range(4))
def test_counts_and_tail_are_what_the_rows_say_wherever_the_watermark_stands(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    monkeypatch.setattr(counting, "PAGE", dice.randint(1, 9))
    run, other = a_run(), a_run()
    for _round in range(4):
        at_random(run, dice, dice.randint(0, 12))
        at_random(other, dice, 2)
        assert as_read(run) == expected(run)
        counting.move_forward(now=timezone.now())
        assert as_read(run) == expected(run)
    assert CountMark.objects.get().position == Event.objects.latest("id").pk
    before = sorted(
        Count.objects.exclude(run=None).values_list("run", "kind", "facet", "key", "hour", "events")
    )
    call_command("rebuild_counts")
    after = sorted(
        Count.objects.exclude(run=None).values_list("run", "kind", "facet", "key", "hour", "events")
    )
    assert after == before
    assert as_read(other) == expected(other)


def test_counting_twice_counts_once() -> None:
    run = a_run()
    event(run, 1, "open")
    counting.move_forward(now=timezone.now())
    assert counting.move_forward(now=timezone.now()) == 0
    assert figures.read([run.pk]).tally("open") == (1, 1, 1, 1)


def test_the_watermark_waits_for_the_rules_about_machines() -> None:
    run = a_run()
    event(run, 1, "open", judged=0)
    event(run, 2, "bounce")
    counting.move_forward(now=timezone.now())
    assert not Count.objects.filter(kind__in=["open", "bounce"]).exists()
    assert figures.read([run.pk]).tally("open").people == 1
    Event.objects.filter(kind="open").update(judged=1, machine="scanner")
    counting.move_forward(now=timezone.now())
    assert figures.read([run.pk]).tally("open") == (0, 1, 0, 1)
    assert Count.objects.filter(kind="bounce", facet="").get().people == 1


def test_a_clock_that_is_wrong_holds_up_nobody() -> None:
    run = a_run()
    event(run, 1, "open", judged=0, at=timezone.now() + timedelta(days=900))
    machines.judge(now=timezone.now())
    assert Event.objects.get().judged == machines.VERSION


def test_a_batch_is_counted_once_when_it_is_over() -> None:
    run = a_run()
    Attempt.objects.filter(ref=2).update(outcome="deferred")
    Attempt.objects.create(run=run, action=0, ref=2, n=2, outcome="failed", code="550", at=BEGAN)
    batch = Batch.objects.create(
        run=run, action=0, lo=1, hi=6, size=6, send_after=BEGAN, state="claimed", epoch=1
    )

    def told() -> list[Any]:
        read = figures.read([run.pk])
        domains = read.by("domain", lambda row: row.key)
        return [
            read.tally("accepted").events,
            read.tally("accepted", lambda row: row.variant == 1).events,
            read.tally("failed").events,
            read.tally("retried").events,
            domains["other.example"]["accepted"].events,
        ]

    assert told() == [5, 3, 1, 1, 2]
    counting.move_forward(now=timezone.now())
    assert not Count.objects.exists()
    Batch.objects.filter(pk=batch.pk).update(state="done")
    counting.move_forward(now=timezone.now())
    counting.move_forward(now=timezone.now())
    assert told() == [5, 3, 1, 1, 2]
    call_command("rebuild_counts")
    assert told() == [5, 3, 1, 1, 2]


def test_the_last_day_counts_only_its_hours() -> None:
    run = a_run()
    event(run, 1, "open")
    event(run, 2, "open", at=BEGAN - timedelta(days=3))
    counting.move_forward(now=timezone.now())
    event(run, 3, "open", at=BEGAN - timedelta(days=2))
    assert figures.read([run.pk]).tally("open").people == 3
    assert figures.read([run.pk], since=BEGAN).tally("open").people == 1


def test_the_last_day_counts_domains_devices_and_rules_of_its_hours() -> None:
    run = a_run()
    event(run, 1, "open")
    event(run, 3, "open", machine="scanner")
    event(run, 2, "open", at=BEGAN - timedelta(days=3))

    def told(since: datetime | None) -> dict[tuple[str, str], tuple[int, int]]:
        read = figures.read([run.pk], since=since)
        return {
            (facet, key): (kinds["open"].people, kinds["open"].all_events)
            for facet in ("domain", "device", "rule")
            for key, kinds in read.by(facet, lambda row: row.key).items()
            if "open" in kinds
        }

    lately = {
        ("domain", "mail.example"): (1, 1),
        ("domain", "other.example"): (0, 1),
        ("device", "phone"): (1, 2),
        ("rule", "scanner"): (0, 1),
    }
    ever = lately | {("domain", "mail.example"): (2, 2), ("device", "phone"): (2, 3)}
    assert (told(BEGAN), told(None)) == (lately, ever)  # all of it behind the watermark
    counting.move_forward(now=timezone.now())
    assert (told(BEGAN), told(None)) == (lately, ever)
    call_command("rebuild_counts")
    assert (told(BEGAN), told(None)) == (lately, ever)


def test_reading_costs_two_queries_whatever_there_is(django_assert_num_queries) -> None:
    runs = [a_run().pk for _number in range(3)]
    with django_assert_num_queries(2):
        figures.read(runs)


def test_a_robot_that_presses_everything_again_and_again_is_counted_in_no_time() -> None:
    run = a_run()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO campaigns_event (run_id, action, ref, kind, at, link, user_agent, machine, judged) "
            "SELECT %s, 0, 1, 'click', %s, n %% 3, 'curl/8', 'robot', 1 FROM generate_series(1, 30000) n",
            [run.pk, BEGAN],
        )
    counting.move_forward(now=timezone.now())
    tally = figures.read([run.pk]).tally("click")
    assert (tally.people, tally.anybody, tally.all_events) == (0, 1, 30000)
    links = figures.read([run.pk]).by("link", lambda row: row.key)
    assert [links[key]["click"].anybody for key in "012"] == [1, 1, 1]
