"""Gives the better treatment to more and more people, where a campaign sends again and again.

Thompson sampling (W. R. Thompson, Biometrika 25, 1933), in batches as S. L. Scott describes it (“A modern
Bayesian look at the multi-armed bandit”, 2010): a treatment's part of the people is the chance that its rate
is the best of all, from what all runs so far have shown and a uniform prior. Each keeps at least FLOOR
percent, so that one with bad luck at first is not lost. A run of an audience is weighed when it starts, a run
that takes calls every hour; the parts stand on the run. People are still placed by the hash of the
experiment's salt, so that only those change treatment whom the new parts move.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from campaigns.models import Run, Status
from campaigns.reports import trials
from campaigns.reports.experiments import Arm

MODE = "bandit"
FLOOR = 5.0
DRAWS = 4000
EVERY = timedelta(hours=1)
MOST_RUNS = 20  # of the past, the newest


def weigh(run: Run, *, now: datetime) -> dict[str, Any] | None:
    """`{"at", "percents": {treatment: percent}}` for the run; None where the planned parts hold."""
    experiment = run.version.definition.get("experiment") or {}
    if experiment.get("mode") != MODE:
        return None
    arms = _seen(run, experiment)
    if not any(one.people for one in arms):
        return None
    is_fewer_better = experiment.get("metric") == trials.FEWER_IS_BETTER
    percents = parts(arms, is_fewer_better=is_fewer_better, seed=f"{experiment.get('salt', '')}:{run.pk}")
    return {"at": now.isoformat(), "percents": percents}


def parts(arms: Sequence[Arm], *, is_fewer_better: bool = False, seed: str = "") -> dict[str, float]:
    """Percent by treatment, together 100. The same for the same counts and seed."""
    dice, best = random.Random(seed), max if not is_fewer_better else min  # noqa: S311  no secret
    wins: Counter[int] = Counter()
    for _draw in range(DRAWS):
        rates = [dice.betavariate(1 + one.converted, 1 + max(one.people - one.converted, 0)) for one in arms]
        wins[rates.index(best(rates))] += 1
    rest = 100 - FLOOR * len(arms)
    found = {one.key: round(FLOOR + rest * wins[at] / DRAWS, 2) for at, one in enumerate(arms)}
    found[arms[0].key] = round(found[arms[0].key] + 100 - sum(found.values()), 2)
    return found


def refresh(*, now: datetime) -> int:
    """Weighs the runs that take calls anew, each at most every hour; returns how many."""
    rows = Run.objects.filter(
        kind=Run.Kind.STANDING,
        state=Run.State.SENDING,
        campaign__status=Status.LIVE,
        version__definition__experiment__mode=MODE,
    )
    count = 0
    for run in rows.select_related("version", "campaign"):
        if run.weights and now - datetime.fromisoformat(run.weights["at"]) < EVERY:
            continue
        if found := weigh(run, now=now):
            count += Run.objects.filter(pk=run.pk).update(weights=found)
    return count


def _seen(run: Run, experiment: dict[str, Any]) -> list[Arm]:
    """All people so far, over the runs that drew by the same lots."""
    rows = Run.objects.filter(
        campaign=run.campaign_id,
        started_at__isnull=False,
        version__definition__experiment__salt=experiment.get("salt", ""),
    )
    found: dict[str, Arm] = {one.key: one for one in trials.planned(run.version)}
    for earlier in (
        rows.exclude(kind=Run.Kind.PROOF).select_related("version").order_by("-due_at")[:MOST_RUNS]
    ):
        for one in trials.arms_of(earlier, earlier.version):
            if known := found.get(one.key):
                found[one.key] = replace(
                    known, people=known.people + one.people, converted=known.converted + one.converted
                )
    return list(found.values())
