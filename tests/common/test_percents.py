"""A figure in percent claims no more than it is."""

from __future__ import annotations

import pytest
from django.utils.translation import override

from common.percents import cut, in_words, sure


@pytest.mark.parametrize(
    ("value", "digits", "toward", "shown"),
    [
        (66.666, 1, "", 66.7),
        (16.6649, 2, "", 16.66),
        (2.25, 1, "", 2.3),
        (0.29, 2, "down", 0.29),
        (99.96, 1, "", 99.9),
        (99.9994, 2, "", 99.99),
        (100.0, 1, "", 100.0),
        (100.04, 1, "", 100.0),
        (94.96, 1, "down", 94.9),
        (-0.03, 1, "", 0.0),
        (-0.03, 1, "down", -0.1),
        (0.03, 1, "down", 0.0),
        (0.03, 1, "up", 0.1),
        (99.96, 1, "up", 100.0),
        (1e-17, 1, "", 0.0),
    ],
)
def test_no_figure_is_shown_beyond_what_it_is(value: float, digits: int, toward: str, shown: float) -> None:
    assert cut(value, digits, toward) == shown and str(cut(value, digits, toward)) == str(shown)


def test_nobody_is_ever_quite_sure() -> None:
    assert [sure(one, 1) for one in (0.0, 94.96, 94.999999, 95.0, 99.97, 100.0)] == [
        0,
        94.9,
        94.9,
        95,
        99.9,
        99.9,
    ]
    assert (sure(94.99996, 4), sure(100.0, 4)) == (94.9999, 99.9999)


def test_a_figure_in_percent_is_written_as_the_reader_writes_it() -> None:
    assert (in_words(34.4, 1), in_words(50.0), in_words(12.5)) == ("34.4 %", "50 %", "12.5 %")
    with override("zh-hant"):
        assert (in_words(34.4, 1), in_words(50)) == ("34.4%", "50%")
