"""Which treatment is better, and how sure that is however often somebody looks.

Method: any-time-valid inference for counts by treatment, after Lindon and Malek, “Anytime-Valid Inference for
Multinomial Count Data” (NeurIPS 2022). Each person's treatment is drawn by a hash, with known shares,
whatever they will do. If two treatments have the same rate, then each person who converts belongs to the
second with the probability `share`, independently of all before. So the odds of a Beta mixture over that
probability against `share` are a nonnegative martingale that starts at 1, and by Ville's inequality (1939) it
ever exceeds 1/α with a probability of at most α: over all looks together, at any counts, small ones too, with
nothing approximated. Inverting the same odds gives a confidence sequence for the ratio of the two rates: it
covers the true one at all moments together with a probability of 1 − α. How late people convert does not
matter as long as delays do not depend on the treatment; who never converts carries no weight but in the rate.

The mixture is half Beta around the share with the weight of 2 people, which finds large lifts at small
counts, and half with the weight of 100, which finds lifts of some percent sooner (the method of
mixtures, Robbins 1970). Several treatments are each held against the first at α divided by their number
(Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ALPHA = 0.05
WEIGHTS = (2.0, 100.0)
STEPS = 60  # halvings of an interval: to the last digit of a float


@dataclass(frozen=True)
class Arm:
    """`share` is the planned part of all people, above 0; `converted` of `people` did what is counted."""

    key: str
    label: str
    share: float
    people: int
    converted: int

    @property
    def rate(self) -> float | None:
        """In percent."""
        return 100 * self.converted / self.people if self.people else None


@dataclass(frozen=True)
class Compared:
    """An arm against the first one. `lift` and its bounds are in percent of the first one's rate: `low` and
    `high` hold the true one with 95 % at all looks together; None where nothing bounds it. `confidence`, in
    percent, is how sure the two differ; conclusive above 95.
    """

    arm: Arm
    lift: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.0
    is_conclusive: bool = False
    is_first: bool = False


def log_odds(share: float, first: int, second: int) -> float:
    """ln of the odds of the mixture against `share`, of `first` and `second` people who converted."""
    return _log_mixture(share, first, second) - second * math.log(share) - first * math.log1p(-share)


def bounds(share: float, first: int, second: int, alpha: float = ALPHA) -> tuple[float, float | None]:
    """The ratio of the second's rate to the first's: at least, and at most; None without an upper bound."""
    mixture, enough = _log_mixture(share, first, second), math.log(1 / alpha)

    def is_in(part: float) -> bool:
        return mixture - second * math.log(part) - first * math.log1p(-part) < enough

    # The odds fall up to the part that was seen, and rise behind it. At 0 and 1 there is no logarithm.
    seen = min(max(second / (first + second), 1e-12), 1 - 1e-12) if first + second else share
    low = _edge(is_in, seen, 1e-12)
    high = _edge(is_in, seen, 1 - 1e-12)
    fair = share / (1 - share)
    lowest = low / (1 - low) / fair if second else 0.0
    return lowest, high / (1 - high) / fair if first else None


def compare(arms: Sequence[Arm], *, alpha: float = ALPHA) -> list[Compared]:
    """Every arm against the first, which stands in front."""
    first, *others = arms
    return [Compared(first, is_first=True), *(_against(first, one, alpha / len(others)) for one in others)]


def best_of(compared: Sequence[Compared], *, is_fewer_better: bool = False) -> Arm | None:
    """The arm with the best rate, if that is beyond doubt: every other one is worse than the first, or the
    first is worse than it. None as long as nothing is conclusive.
    """
    first, *others = compared
    sign = -1 if is_fewer_better else 1

    def gain(one: Compared) -> float:
        return sign * (math.inf if one.lift is None else one.lift)  # of nobody, anybody is endlessly more

    better = [one for one in others if one.is_conclusive and gain(one) > 0]
    if better:
        return max(better, key=lambda one: sign * (one.arm.rate or 0)).arm
    worse = [one for one in others if one.is_conclusive and gain(one) < 0]
    return first.arm if len(worse) == len(others) else None


def _against(first: Arm, second: Arm, alpha: float) -> Compared:
    share = second.share / (first.share + second.share)
    evidence = log_odds(share, first.converted, second.converted)
    doubt = min(1.0, ALPHA / alpha * math.exp(-max(evidence, 0.0)))
    low, high = bounds(share, first.converted, second.converted, alpha)
    ratio = _ratio(first, second)
    return Compared(
        second,
        lift=None if ratio is None else 100 * (ratio - 1),
        low=100 * (low - 1),
        high=None if high is None else 100 * (high - 1),
        confidence=100 * (1 - doubt),
        is_conclusive=doubt < ALPHA,
    )


def _ratio(first: Arm, second: Arm) -> float | None:
    """Of those who converted, by the planned shares: what the interval is about."""
    return second.converted / second.share / (first.converted / first.share) if first.converted else None


def _log_mixture(share: float, first: int, second: int) -> float:
    """ln of the mean over WEIGHTS of the chance of just this order of people."""
    parts = []
    for weight in WEIGHTS:
        a, b = weight * share, weight * (1 - share)
        parts.append(_log_beta(a + second, b + first) - _log_beta(a, b))
    most = max(parts)
    return most + math.log(sum(math.exp(one - most) for one in parts) / len(parts))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _edge(is_in: Callable[[float], bool], inside: float, end: float) -> float:
    """Where the interval ends between a point inside and `end`."""
    if is_in(end):
        return end
    for _step in range(STEPS):
        middle = (inside + end) / 2
        inside, end = (middle, end) if is_in(middle) else (inside, middle)
    return end
