"""A short drill: a worker dies after it handed messages over and before it wrote so; nobody is missed.

`make drill` does the same with every fault, many times, on runs of 50,000.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drill.drill import Drill
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
