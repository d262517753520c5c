"""How sure a treatment is better: against SciPy, by simulation of people who look after every conversion."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import numpy as np
import pytest

from campaigns.reports.experiments import Arm, best_of, bounds, compare, log_odds


def arms(*counts: tuple[int, int], shares: tuple[float, ...] = ()) -> list[Arm]:
    given = shares or (1 / len(counts),) * len(counts)
    return [
        Arm("ABCDE"[at], "ABCDE"[at], share, people, converted)
        for at, (share, (people, converted)) in enumerate(zip(given, counts, strict=True))
    ]


@pytest.mark.parametrize(
    ("share", "first", "second"), [(0.5, 0, 0), (0.5, 3, 9), (0.2, 40, 25), (0.5, 900, 1100)]
)
def test_the_odds_are_those_of_the_integral_over_the_mixture(share: float, first: int, second: int) -> None:
    from scipy import integrate  # here, for it takes seconds to load
    from scipy.special import betaln
    from scipy.stats import beta

    closed = [
        betaln(w * share + second, w * (1 - share) + first) - betaln(w * share, w * (1 - share))
        for w in (2, 100)
    ]
    expected = np.logaddexp(*closed) - math.log(2) - second * math.log(share) - first * math.log(1 - share)
    assert log_odds(share, first, second) == pytest.approx(float(expected), abs=1e-9)
    if first + second < 100:  # the integral itself, worked out by numbers

        def chance(part: float, weight: float) -> float:
            prior = beta.pdf(part, weight * share, weight * (1 - share))
            return float(prior * (part / share) ** second * ((1 - part) / (1 - share)) ** first)

        whole = sum(integrate.quad(chance, 0, 1, args=(w,), limit=200)[0] for w in (2, 100)) / 2
        assert log_odds(share, first, second) == pytest.approx(math.log(whole), abs=1e-4)


def test_the_odds_are_a_fair_bet_at_any_number_of_people() -> None:
    """Their mean over all that can happen without a difference is 1: nobody gains by looking often."""
    from scipy.stats import binom

    for share in (0.5, 0.2, 0.9):
        for people in (1, 2, 5, 30, 200):
            chances = binom.pmf(range(people + 1), people, share)
            odds = [math.exp(log_odds(share, people - n, n)) for n in range(people + 1)]
            assert float(np.dot(chances, odds)) == pytest.approx(1, abs=1e-9)


def test_the_interval_ends_where_the_odds_reach_twenty() -> None:
    low, high = bounds(0.5, 100, 200)
    assert high is not None and 1 < low < 2 < high
    for ratio in (low, high):
        part = ratio / (1 + ratio)
        moved = log_odds(0.5, 100, 200) + 300 * math.log(0.5)
        moved -= 200 * math.log(part) + 100 * math.log(1 - part)
        assert moved == pytest.approx(math.log(20), abs=1e-6)
    assert bounds(0.5, 0, 0) == (0.0, None)
    only_second = bounds(0.5, 0, 12)
    assert only_second[0] > 1 and only_second[1] is None
    only_first = bounds(0.5, 12, 0)
    assert only_first[0] == 0.0 and only_first[1] is not None and only_first[1] < 1


def conversions(dice: random.Random, rates: list[float], people: int) -> Iterator[tuple[int, ...]]:
    """The counts by treatment after each person who converts; everybody draws a treatment by lot."""
    counts = [0] * len(rates)
    for _person in range(people):
        mine = dice.randrange(len(rates))
        if dice.random() < rates[mine]:
            counts[mine] += 1
            yield tuple(counts)


def is_ever_sure(dice: random.Random, rates: list[float], people: int) -> bool:
    """As `compare` is sure: see `test_to_be_sure_is_to_pass_twenty_for_each_treatment`."""
    enough = math.log(20 * (len(rates) - 1))
    return any(
        any(log_odds(0.5, first, one) > enough for one in others)
        for first, *others in conversions(dice, rates, people)
    )


@pytest.mark.parametrize("second", [100, 140, 150, 160, 170])
@pytest.mark.parametrize("treatments", [2, 4])
def test_to_be_sure_is_to_pass_twenty_for_each_treatment(second: int, treatments: int) -> None:
    found = compare(arms((1000, 100), (1000, second), *[(1000, 100)] * (treatments - 2)))
    is_sure = log_odds(0.5, 100, second) > math.log(20 * (treatments - 1))
    assert found[1].is_conclusive == is_sure == (found[1].confidence > 95)
    assert is_sure == ((found[1].low or 0) > 0)  # the interval leaves out “no difference” just then


@pytest.mark.sampled(3)
@pytest.mark.parametrize("rates", [[0.5, 0.5], [0.05, 0.05], [0.2, 0.2, 0.2]], ids=str)
def test_who_looks_after_every_conversion_is_misled_in_less_than_five_of_a_hundred(
    rates: list[float],
) -> None:
    dice, times = random.Random(7), 400
    misled = sum(is_ever_sure(dice, rates, round(150 * len(rates) / rates[0])) for _time in range(times))
    assert misled / times < 0.05


@pytest.mark.slow
def test_the_interval_holds_the_truth_at_every_look() -> None:
    dice, times, missed = random.Random(11), 300, 0
    for _time in range(times):
        for first, second in conversions(dice, [0.30, 0.36], 800):
            low, high = bounds(0.5, first, second)
            if not low <= 1.2 <= (high or math.inf):
                missed += 1
                break
    assert missed / times < 0.05


def test_a_real_lift_is_found_and_a_test_that_looks_once_would_not_be_much_sooner() -> None:
    dice, times = random.Random(13), 60
    found = sum(is_ever_sure(dice, [0.10, 0.15], 12_000) for _time in range(times))
    assert found / times > 0.9
    large = sum(is_ever_sure(dice, [0.05, 0.25], 300) for _time in range(times))
    assert large / times > 0.8  # at some forty conversions


def test_a_common_test_misleads_where_this_one_does_not() -> None:
    """The check of the checks: with these dice a z-test after every conversion is wrong again and again."""
    dice, times, misled = random.Random(7), 200, 0
    for _time in range(times):
        misled += any(
            abs(second - first) / math.sqrt(first + second) > 1.96
            for first, second in conversions(dice, [0.5, 0.5], 600)
        )
    assert misled / times > 0.2


def test_several_treatments_need_more_evidence_and_the_best_conclusive_one_is_named() -> None:
    two = compare(arms((1000, 100), (1000, 160)))
    three = compare(arms((1000, 100), (1000, 160), (1000, 101)))
    assert two[1].confidence > three[1].confidence
    assert two[1].lift == pytest.approx(60) and two[1].low is not None and two[1].low > 0
    sure = compare(arms((1000, 100), (1000, 200), (1000, 230)))
    best = best_of(sure)
    assert best is not None and best.key == "C"
    assert best_of(compare(arms((1000, 100), (1000, 104)))) is None
    worse = best_of(compare(arms((1000, 200), (1000, 100))))
    assert worse is not None and worse.key == "A"
    from_none = best_of(compare(arms((1000, 0), (1000, 30))))
    assert from_none is not None and from_none.key == "B"
    none_left = best_of(compare(arms((1000, 0), (1000, 30))), is_fewer_better=True)
    assert none_left is not None and none_left.key == "A"
    fewer = best_of(compare(arms((1000, 200), (1000, 100))), is_fewer_better=True)
    assert fewer is not None and fewer.key == "B"


def test_shares_that_differ_are_no_difference() -> None:
    (_first, second) = compare(arms((900, 90), (100, 10), shares=(0.9, 0.1)))
    assert second.lift == pytest.approx(0) and not second.is_conclusive
    assert compare(arms((0, 0), (0, 0)))[1].lift is None
