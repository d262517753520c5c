"""Recurring times over a year, held against brute force, in the zones whose clocks behave oddly."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns import recurrence, schedule
from campaigns.recurrence import GAP, TWICE, Rule, in_zone
from campaigns.schedule import Timetable
from common.errors import Invalid

ZONES = [
    *("Asia/Taipei", "America/New_York", "Europe/Lisbon", "Australia/Lord_Howe", "Pacific/Chatham"),
    *("Africa/Casablanca", "Africa/Cairo", "America/Santiago", "Australia/Sydney", "America/Nuuk"),
]
OFFSETS = {
    name: {
        (datetime(2025, 12, 1, tzinfo=UTC) + timedelta(days=day)).astimezone(ZoneInfo(name)).utcoffset()
        for day in range(365 * 4)
    }
    for name in ZONES
}


def falls_on(rule: Rule, day: date, begins: date) -> bool:
    """Whether the rule names the day, by the calendar alone."""
    last = calendar.monthrange(day.year, day.month)[1]
    if rule.every == "day":
        return (day - begins).days % rule.interval == 0
    if rule.every == "week":
        monday, first = day - timedelta(day.weekday()), begins - timedelta(begins.weekday())
        weekdays = rule.weekdays or (begins.weekday(),)
        return (monday - first).days // 7 % rule.interval == 0 and day.weekday() in weekdays
    if ((day.year - begins.year) * 12 + day.month - begins.month) % rule.interval:
        return False
    if rule.nth:
        is_nth = day.day > last - 7 if rule.nth == -1 else (day.day - 1) // 7 + 1 == rule.nth
        return is_nth and day.weekday() in rule.weekdays
    days = {
        last if number == -1 else number for number in rule.days or (() if rule.weekdays else (begins.day,))
    }
    return (not days or day.day in days) and (not rule.weekdays or day.weekday() in rule.weekdays)


def moment(wanted: datetime, name: str) -> datetime:
    """The first moment at which a clock on that wall shows the time; after a jump, as much later."""
    zone, offsets = ZoneInfo(name), OFFSETS[name]
    shown = [
        at
        for offset in offsets
        if (at := (wanted - offset).replace(tzinfo=UTC)).astimezone(zone).replace(tzinfo=None) == wanted
    ]
    if shown:
        return min(shown)
    at = (wanted - max(offsets)).replace(tzinfo=UTC) - timedelta(hours=2)
    while at.astimezone(zone).replace(tzinfo=None) < wanted:
        before, at = at, at + timedelta(minutes=5)
    offset = before.astimezone(zone).utcoffset()
    assert offset is not None
    return (wanted - offset).replace(tzinfo=UTC)


def by_hand(rules: list[Rule], begins: datetime, name: str, until: datetime) -> list[datetime]:
    first = begins.astimezone(ZoneInfo(name)).date()
    found = {
        at
        for rule in rules
        for ahead in range((until.date() - first).days + 2)
        if falls_on(rule, day := first + timedelta(days=ahead), first)
        and begins <= (at := moment(datetime.combine(day, rule.at), name)) <= until
    }
    return sorted(found)


clocks = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
days = st.builds(
    Rule, every=st.just("day"), at=clocks | st.just(time(2, 30)), interval=st.sampled_from([1, 2, 10])
)
some_weekdays = st.lists(st.integers(0, 6), unique=True, max_size=3).map(lambda found: tuple(sorted(found)))
weeks = st.builds(Rule, every=st.just("week"), at=clocks, interval=st.integers(1, 3), weekdays=some_weekdays)
months = st.builds(
    Rule,
    every=st.just("month"),
    at=clocks,
    interval=st.sampled_from([1, 2, 12]),
    days=st.lists(st.sampled_from([1, 15, 29, 30, 31, -1]), unique=True, max_size=3).map(tuple),
)
nths = st.builds(
    Rule,
    every=st.just("month"),
    at=clocks,
    weekdays=some_weekdays.filter(bool),
    nth=st.sampled_from([1, 2, 3, 4, -1]),
)


@pytest.mark.parametrize("name", ZONES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(
    rules=st.lists(days | weeks | months | nths, min_size=1, max_size=3),
    begins=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
)
def test_a_year_of_sends_is_what_the_calendar_and_the_clocks_on_the_wall_say(
    name: str, rules: list[Rule], begins: datetime
) -> None:
    begins, until = begins.replace(microsecond=0), begins + timedelta(days=366)
    table = Timetable(zone=ZoneInfo(name), rules=tuple(rules), starts_at=begins, ends_at=until)
    assert [slot.due_at for slot in table.slots(since=begins)] == by_hand(rules, begins, name, until)


@pytest.mark.parametrize("name", ZONES)
def test_nine_o_clock_every_day_stays_nine_o_clock(name: str) -> None:
    zone = ZoneInfo(name)
    table = Timetable(zone=zone, rules=(Rule("day", time(9)),))
    slots = list(islice(table.slots(since=datetime(2026, 1, 1, tzinfo=UTC)), 730))
    there = [slot.due_at.astimezone(zone) for slot in slots]
    assert {(at.hour, at.minute) for at in there} == {(9, 0)}
    assert {later.date() - at.date() for at, later in pairwise(there)} == {timedelta(days=1)}


@pytest.mark.parametrize(
    ("wanted", "name", "at", "change"),
    [
        ("2027-03-14T02:30", "America/New_York", "2027-03-14T07:30+00:00", GAP),  # 03:30 there
        ("2027-11-07T01:30", "America/New_York", "2027-11-07T05:30+00:00", TWICE),  # the first of two
        ("2027-10-03T02:15", "Australia/Lord_Howe", "2027-10-02T15:45+00:00", GAP),  # half an hour
        ("2027-09-26T02:50", "Pacific/Chatham", "2027-09-25T14:05+00:00", GAP),
        ("2027-04-30T00:30", "Africa/Cairo", "2027-04-29T22:30+00:00", GAP),  # midnight itself is jumped
        ("2027-03-14T02:30", "Asia/Taipei", "2027-03-13T18:30+00:00", ""),
    ],
)
def test_what_the_clocks_do_to_one_time(wanted: str, name: str, at: str, change: str) -> None:
    found = in_zone(datetime.fromisoformat(wanted), ZoneInfo(name))
    assert (found.at, found.change) == (datetime.fromisoformat(at), change)


def test_two_times_that_a_jump_brings_together_are_one_send() -> None:
    zone = ZoneInfo("America/New_York")
    rules = (Rule("day", time(2, 30)), Rule("day", time(3, 0)), Rule("day", time(3, 30)))
    table = Timetable(zone=zone, rules=rules)
    night = islice(table.slots(since=datetime(2027, 3, 14, 5, tzinfo=UTC)), 4)
    assert [f"{slot.due_at.astimezone(zone):%d %H:%M}" for slot in night] == [
        *("14 03:00", "14 03:30", "15 02:30", "15 03:00")
    ]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"every": "month", "at": "09:00", "days": [31]}, ["01-31", "03-31", "05-31"]),
        ({"every": "month", "at": "09:00", "days": [-1]}, ["01-31", "02-28", "03-31"]),
        ({"every": "month", "at": "09:00", "weekdays": ["fri"], "nth": -1}, ["01-29", "02-26", "03-26"]),
        ({"every": "month", "interval": 12, "at": "09:00", "days": [1]}, ["01-01", "01-01", "01-01"]),
        ({"every": "week", "interval": 2, "at": "09:00", "weekdays": ["mon"]}, ["01-11", "01-25", "02-08"]),
    ],
)
def test_days_of_the_month_and_the_week(rule: dict[str, object], expected: list[str]) -> None:
    table = Timetable(zone=ZoneInfo("Asia/Taipei"), rules=recurrence.read([rule]))
    slots = islice(table.slots(since=datetime(2027, 1, 1, tzinfo=UTC)), 3)
    assert [f"{slot.due_at:%m-%d}" for slot in slots] == expected


def test_the_29th_of_february_comes_every_four_years_and_the_end_is_included() -> None:
    leap = Rule("month", time(9), interval=12, days=(29,))
    ends = datetime(2032, 2, 29, 9, tzinfo=UTC)
    table = Timetable(
        zone=ZoneInfo("UTC"), rules=(leap,), starts_at=datetime(2028, 2, 1, tzinfo=UTC), ends_at=ends
    )
    assert [slot.due_at.year for slot in table.slots(since=ends)] == [2028, 2032]
    never = Timetable(zone=ZoneInfo("UTC"), rules=(Rule("month", time(9), interval=12, days=(30,)),))
    february = datetime(2027, 2, 1, tzinfo=UTC)
    assert list(never.after(february, since=february)) == []


def faulty() -> Iterator[tuple[object, str]]:
    rule = {"every": "day", "at": "09:00"}
    yield [], "/schedule"
    yield {"rule": []}, "/schedule/rule"
    yield {"zone": "Mars/Olympus"}, "/schedule/zone"
    yield {"zone": "../etc/passwd"}, "/schedule/zone"
    yield {"occurrences": 0}, "/schedule/occurrences"
    yield {"occurrences": True}, "/schedule/occurrences"
    yield {"per_person": "yes"}, "/schedule/per_person"
    yield {"rules": {}}, "/schedule/rules"
    yield {"rules": [rule] * 11}, "/schedule/rules"
    for key, value in [
        *(("every", "hour"), ("every", []), ("at", "9:00"), ("at", "24:00"), ("at", 9), ("interval", 0)),
        *(
            ("interval", 1.5),
            ("weekdays", ["monday"]),
            ("weekdays", "mon"),
            ("weekdays", [[]]),
            ("days", [0]),
        ),
        *(("days", [0]), ("days", [32]), ("days", [-2]), ("nth", 5), ("hour", 9)),
    ]:
        yield {"rules": [rule, {**rule, key: value}]}, f"/schedule/rules/1/{key}"


@pytest.mark.parametrize(("given", "pointer"), list(faulty()), ids=str)
def test_a_faulty_schedule_is_refused_at_its_place(given: object, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        schedule.clean(given)
    assert pointer in [problem.pointer for problem in caught.value.problems]


def test_what_is_stored_reads_back_as_it_was() -> None:
    whole = {
        "zone": "Asia/Taipei",
        "per_person": True,
        "rules": [
            {"every": "week", "interval": 1, "at": "09:00", "weekdays": ["mon"], "nth": 0, "days": []},
            {"every": "month", "interval": 2, "at": "18:30", "weekdays": ["fri"], "nth": -1, "days": []},
            {"every": "month", "interval": 1, "at": "07:45", "weekdays": [], "nth": 0, "days": [-1, 15]},
        ],
        "occurrences": 12,
    }
    assert schedule.clean(whole) == whole
    assert schedule.clean({"zone": "", "per_person": False, "rules": [], "occurrences": 5}) == {}
