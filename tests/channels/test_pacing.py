"""Moments that are given away: strict over threads, fair between destinations, free where nothing limits."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from channels import pacing
from channels.limits import Limits
from channels.models import Pace as Row
from channels.pacing import MARGIN, Pace, Slot, steady, strict


def most_in_a_second(moments: list[float]) -> int:
    """The most moments that lie in any window of one second."""
    ordered = sorted(moments)
    return max(sum(at <= other < at + 1 for other in ordered) for at in ordered)


@pytest.mark.django_db
def test_without_a_limit_nothing_is_asked(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert pacing.reserve([(), ()], most=20).slots == [Slot(0, 0.0), Slot(1, 0.0)]


@pytest.mark.django_db
def test_neighbours_stand_apart_and_what_is_far_away_is_left(django_assert_num_queries: Any) -> None:
    pace, began = strict("c1", 10), time.monotonic()
    with django_assert_num_queries(6):  # a savepoint and its end, the row made, then read and moved
        first = pacing.reserve([(pace,)] * 50, most=50, ahead=1.0)
    waits = [slot.wait for slot in first.slots]
    assert waits == pytest.approx([n * MARGIN / 10 for n in range(len(waits))], abs=1e-6)
    assert len(waits) == 10 and waits[-1] <= 1.0
    later = pacing.reserve([(pace,)], most=1, ahead=0.1)
    passed = time.monotonic() - began
    assert later.slots == [] and 1.1 - passed - 0.01 <= later.wait <= 1.1


@pytest.mark.django_db
def test_a_slow_destination_holds_nobody_else_up() -> None:
    limits = Limits(rate=100, domains={"gmail": 1})
    addresses = ["a@gmail.com", "b@googlemail.com", "c@gmail.com", "d@example.com", "e@example.com"]
    wanted = [limits.paces(1, address, is_urgent=False) for address in addresses]
    slots = pacing.reserve(wanted, most=20, ahead=0.5).slots
    assert {slot.place for slot in slots} == {0, 3, 4}
    assert most_in_a_second([slot.wait for slot in slots]) == 3 and slots[-1].wait < 0.05
    assert Row.objects.get(key="c1:gmail").free_at - Row.objects.get(key="c1").free_at > 0.9


@pytest.mark.django_db
def test_the_urgent_lane_keeps_its_share_and_both_never_pass_the_limit() -> None:
    """Bulk takes the next six seconds and urgent asks for less than three, however long this machine takes
    in between: so what urgent gets is its own share.
    """
    limits = Limits(rate=10, urgent_share=20)
    (bulk,), (urgent,) = (limits.paces(1, "", is_urgent=is_urgent) for is_urgent in (False, True))
    many = pacing.reserve([(bulk,)] * 60, most=60, ahead=6).slots
    instead = limits.instead(1, is_urgent=True)
    few = pacing.reserve([(urgent,)] * 40, most=40, ahead=2.5, instead=instead).slots
    assert few[0].wait == 0.0
    assert (len(many), len(few)) == (44, 5)
    assert most_in_a_second([*on_the_clock(bulk, many), *on_the_clock(urgent, few)]) <= 10


def on_the_clock(pace: Pace, slots: list[Slot]) -> list[float]:
    """The moments on the database's clock: the last is one interval before the first that is still free."""
    last = Row.objects.get(key=pace.key).free_at - pace.interval
    return [last - slots[-1].wait + slot.wait for slot in slots]


@pytest.mark.django_db
def test_an_idle_bulk_lane_is_open_to_urgent_messages() -> None:
    limits = Limits(rate=10, urgent_share=20)
    wanted = [limits.paces(1, "", is_urgent=True)] * 40
    slots = pacing.reserve(wanted, most=40, ahead=1, instead=limits.instead(1, is_urgent=True)).slots
    assert len(slots) == 10 and most_in_a_second([slot.wait for slot in slots]) <= 10


@pytest.mark.django_db
def test_a_clock_that_was_put_back_stops_nobody() -> None:
    Row.objects.create(key="c1", free_at=time.time() + 3600)
    assert pacing.reserve([(steady("c1", 5),)], most=1).slots == [Slot(0, 0.0)]


def test_a_slow_answer_shifts_nobodys_moment_and_a_clock_that_was_set_is_believed_anew() -> None:
    clock = pacing._Clock()
    assert clock.moment(5000.0, asked=10.0, heard=10.001) == pytest.approx(10.001)
    assert clock.moment(5001.0, asked=10.2, heard=11.7) == pytest.approx(11.001)
    assert clock.moment(9000.0, asked=12.0, heard=12.5) == pytest.approx(12.5)
    assert clock.moment(9001.0, asked=13.3, heard=13.302) == pytest.approx(13.302)


@pytest.mark.django_db
def test_who_needs_time_to_get_ready_takes_no_moment_before_that() -> None:
    asked = time.monotonic()
    found = pacing.reserve([(strict("c1", 10),)] * 2, most=2, lead=0.5)
    assert [slot.wait for slot in found.slots] == pytest.approx([0.5, 0.5 + MARGIN / 10])
    assert asked <= found.moment(found.slots[0]) - 0.5 <= time.monotonic() + 0.01
    assert pacing.reserve([()], most=1).moment(Slot(0, 0.0)) == 0.0


@pytest.mark.parametrize(
    ("rate", "share", "kept"), [(10, 0, 0), (10, 20, 2), (2, 90, 1), (1, 50, 0), (2.5, 10, 1), (None, 50, 0)]
)
def test_what_is_kept_is_a_whole_number_below_the_limit(rate: float | None, share: int, kept: int) -> None:
    assert Limits(rate, share)._kept() == kept


@pytest.mark.django_db(transaction=True)
def test_four_workers_together_keep_the_limit() -> None:
    pace, moments = strict("c1", 40), list[float]()

    def work(_n: int) -> None:
        for _turn in range(5):
            taken = pacing.reserve([(pace,)] * 5, most=5, ahead=60)
            begun = time.monotonic()
            moments.extend(begun + slot.wait for slot in taken.slots)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(moments) == 100
    assert most_in_a_second(moments) <= 40
