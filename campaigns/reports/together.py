"""An experiment over all runs of a recurring campaign: each run's result, and all of them together.

A person has the same treatment in every run (a sticky hash), so their doings in several runs are not
independent: together each person counts once, as one who did it in any run or in none. That holds for runs
of one experiment whose parts stood still. Where the parts followed the results, or a winner was sent to the
rest, a treatment's people are no fair part of all, and only the single runs are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection

from campaigns.models import Event, Run, Version
from campaigns.reports import experiments, figures, trials
from campaigns.reports.experiments import Arm
from campaigns.reports.figures import Figures
from campaigns.reports.treatments import content_of
from campaigns.reports.trials import FEWER_IS_BETTER, Trial

MOST_RUNS = 12
MOST_MESSAGES = 2_000_000  # that are looked through one by one while somebody waits for a page
PEOPLE = """
WITH runs AS MATERIALIZED (
    SELECT id, version_id, finished_at + %(window)s::interval AS until
    FROM campaigns_run WHERE id = ANY(%(runs)s)
), did AS MATERIALIZED (
    SELECT DISTINCT e.run_id, e.ref FROM campaigns_event e JOIN runs r ON r.id = e.run_id
    WHERE e.run_id = ANY(%(runs)s) AND e.kind = %(kind)s AND e.action = %(action)s
      AND (e.machine = '' OR e.kind = 'unsubscribe') AND (r.until IS NULL OR e.at < r.until)
), sent AS MATERIALIZED (
    SELECT m.run_id, r.version_id, m.profile_id, m.variant, d.ref IS NOT NULL AS did
    FROM runs r JOIN campaigns_message m ON m.run_id = r.id AND m.action = %(action)s
    LEFT JOIN did d ON d.run_id = m.run_id AND d.ref = m.ref
    WHERE m.run_id = ANY(%(runs)s) AND m.profile_id IS NOT NULL AND EXISTS (
        SELECT 1 FROM campaigns_attempt a WHERE a.run_id = m.run_id AND a.action = m.action AND a.ref = m.ref
        AND a.outcome = 'accepted')
)
SELECT version_id, variant, count(*), count(*) FILTER (WHERE did) FROM (
    SELECT DISTINCT ON (profile_id) version_id, variant, bool_or(did) OVER (PARTITION BY profile_id) AS did
    FROM sent ORDER BY profile_id, run_id
) once GROUP BY 1, 2
"""


@dataclass(frozen=True)
class Trials:
    """Of each run, the newest first; `together` is None where there is one run, or it cannot be told."""

    runs: list[Trial] = field(default_factory=list)
    together: Trial | None = None

    @property
    def shown(self) -> Trial | None:
        return self.together or (self.runs[0] if self.runs else None)


def of_campaign(runs: Sequence[Run], versions: dict[int, Version], *, action: int | None = None) -> Trials:
    """Of the newest runs that made one; those of opens, clicks and unsubscribes in a few queries together."""
    tested = [one for one in runs if one.started_at and versions[one.version_id].definition.get("experiment")]
    tested = tested[:MOST_RUNS]
    reads = _read_all(tested, versions, action)
    found = [
        trials.of_run(one, versions[one.version_id], action=action, read=reads.get(one.pk)) for one in tested
    ]
    return Trials(found, _together(tested, versions, action) if len(tested) > 1 else None)


def _read_all(runs: Sequence[Run], versions: dict[int, Version], action: int | None) -> dict[int, Figures]:
    """The figures of the runs, read once for all that ask the same."""
    asking: dict[tuple[int, timedelta], list[int]] = {}
    for run in runs:
        asking.setdefault(trials.asked_of(versions[run.version_id], action), []).append(run.pk)
    found: dict[int, Figures] = {}
    for (position, window), keys in asking.items():
        read = figures.read(keys, action=position, window=window)
        for key in keys:
            found[key] = Figures([row for row in read.rows if row.run == key])
    return found


def _together(runs: Sequence[Run], versions: dict[int, Version], action: int | None) -> Trial | None:
    newest = versions[runs[0].version_id]
    alike = [one for one in runs if _is_alike(versions[one.version_id], newest)]
    metric = newest.definition["experiment"].get("metric") or "click"
    moves = any(one.weights or one.decision or one.dropped_at for one in alike)
    is_many = sum(one.targeted for one in alike) > MOST_MESSAGES
    if len(alike) < 2 or moves or is_many or metric.startswith("event:"):
        return None
    position, window = trials.asked_of(newest, action)
    people, did = _counted(alike, versions, position, metric, window)
    arms: list[Arm] = [
        Arm(arm.key, arm.label, arm.share, people[arm.key], did[arm.key]) for arm in trials.planned(newest)
    ]
    compared = experiments.compare(arms) if len(arms) > 1 else []
    return Trial(
        run=alike[0],
        metric=metric,
        hours=int(window / timedelta(hours=1)),
        compared=compared,
        best=experiments.best_of(compared, is_fewer_better=metric == FEWER_IS_BETTER) if compared else None,
        groups=[],
        is_lift_unknown=False,
        run_count=len(alike),
    )


def _is_alike(version: Version, newest: Version) -> bool:
    mine, theirs = version.definition["experiment"], newest.definition["experiment"]
    return all(mine.get(name) == theirs.get(name) for name in ("salt", "treatments", "metric", "holdout"))


def _counted(
    runs: Sequence[Run], versions: dict[int, Version], action: int, metric: str, window: timedelta
) -> tuple[Counter[str], Counter[str]]:
    values: dict[str, Any] = {"runs": [one.pk for one in runs], "action": action, "window": window}
    values["kind"] = Event.Kind(metric)
    people: Counter[str] = Counter()
    did: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE, values)
        for version_id, variant, count, converted in cursor.fetchall():
            name = content_of(versions[version_id], action, variant).get("treatment", "")
            people[name] += count
            did[name] += converted
    return people, did
