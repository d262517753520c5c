"""A short drill: a worker dies after it handed messages over and before it wrote so; nobody is missed.

`make drill` does the same with every fault, many times, on runs of 50,000.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drill.drill import Drill, Injected, as_json, copies_of_each
from tests.fakes.house import House, needs_broker

pytestmark = [pytest.mark.django_db(transaction=True), needs_broker, pytest.mark.slow]


def test_a_worker_that_dies_between_the_providers_yes_and_its_record_costs_nobody_a_message(
    tmp_path: Path,
) -> None:
    with House(tmp_path) as house:
        drill = Drill(house, tmp_path, people=400)
        drill.start()
        row = drill.inject("failpoint:before_record")
    assert row.is_good, row
    (told,) = as_json(1, row)
    assert (told["fault"], told["duplicates"]) == ("failpoint:before_record", row.duplicates)


def test_a_copy_counts_for_the_fault_that_came_while_it_was_under_way() -> None:
    done = [Injected("child", 1, 2), Injected("broker", 0, 4), Injected("main", 1, 5)]
    assert copies_of_each(["a", "b", "c", "b", "d", "d", "e", "e", "b"], done) == [1, 1, 2]
