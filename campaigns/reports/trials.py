"""An experiment's result: who got which treatment, who did what is counted, and what follows from it.

Receives a run with its version; returns the numbers with their certainty (`experiments.py`). What is counted
is done until so many hours after the last message left. Opens and clicks are people's, not machines'. Who is
held out gets nothing to open or click, so only an event of the house's own can show the lift of having been
written to at all; both groups are then counted from the run's beginning, whatever became of their messages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.models import Event, Run, Version
from campaigns.reports import experiments, figures
from campaigns.reports.experiments import Arm, Compared
from campaigns.reports.treatments import content_of, titles_of
from campaigns.variants import HELD_OUT, treatments, weighted
from common.percents import in_words
from common.wording import listed

METRICS: dict[str, Any] = {
    "click": gettext_lazy("Clicked"),
    "open": gettext_lazy("Opened"),
    "unsubscribe": gettext_lazy("Unsubscribed"),
}
FEWER_IS_BETTER = "unsubscribe"
DEFAULT_HOURS = 72
# How the treatment of the rest was found: surely better, the best so far, the campaign's first, by somebody.
SURE, LEADING, FIRST, HAND = "sure", "leading", "first", "hand"
DECISIONS: dict[str, Any] = {
    SURE: gettext_lazy("“%(treatment)s” was sent to the rest, as it was surely better."),
    LEADING: gettext_lazy("Nothing was sure, so “%(treatment)s”, which was ahead, was sent to the rest."),
    FIRST: gettext_lazy("Nothing was sure, so “%(treatment)s”, the first, was sent to the rest."),
    HAND: gettext_lazy("%(who)s chose “%(treatment)s” for the rest."),
}

# In the run of an audience a message's number is its person's; a call's is not.
DID = """
WITH did AS MATERIALIZED (
    SELECT DISTINCT e.profile_id FROM campaigns_run r JOIN audiences_profileevent e
        ON e.workspace_id = %(workspace)s AND e.name = %(name)s AND e.at >= r.started_at
        AND (r.finished_at IS NULL OR e.at < r.finished_at + %(window)s)
    WHERE r.id = %(run)s
), theirs AS (
    SELECT m.profile_id, m.action, m.ref, m.variant, m.slot FROM did d JOIN campaigns_message m
        ON m.run_id = %(run)s AND m.ref = d.profile_id AND m.profile_id = d.profile_id
    WHERE m.action = %(action)s
    UNION ALL
    SELECT m.profile_id, m.action, m.ref, m.variant, m.slot FROM did d JOIN campaigns_message m
        ON m.profile_id = d.profile_id AND m.profile_id <> m.ref AND m.run_id = %(run)s
    WHERE m.action = %(action)s
), named AS (
    SELECT t.profile_id, t.variant, CASE WHEN last.outcome = 'excluded' AND last.code = %(held)s THEN 'held'
           WHEN last.outcome = 'accepted' THEN 'accepted' WHEN t.slot >= 0 THEN 'written' END AS became
    FROM theirs t LEFT JOIN LATERAL (
        SELECT a.outcome, a.code FROM campaigns_attempt a
        WHERE a.run_id = %(run)s AND a.action = t.action AND a.ref = t.ref ORDER BY a.n DESC LIMIT 1
    ) last ON TRUE
)
SELECT became, variant, count(DISTINCT profile_id) FROM named WHERE became IS NOT NULL GROUP BY 1, 2
"""
GROUPS = """
SELECT (SELECT count(*) FROM campaigns_attempt WHERE run_id = %(run)s AND action = %(action)s
        AND outcome = 'excluded' AND code = %(held)s),
       (SELECT COALESCE(sum(size), 0)::bigint FROM campaigns_batch
        WHERE run_id = %(run)s AND action = %(action)s)
"""


@dataclass(frozen=True)
class Trial:
    """`compared` is empty where there is only a hold-out; `groups` are the held out and those written to,
    empty where no lift can be measured.
    """

    run: Run
    metric: str
    hours: int
    compared: list[Compared]
    best: Arm | None
    groups: list[Compared]
    is_lift_unknown: bool
    run_count: int = 1  # together, see `together.py`

    @property
    def parts(self) -> str:
        """Who gets which treatment now, where that follows the results; else empty."""
        if not self.run.weights:
            return ""
        titles = titles_of([self.run.version])
        percents = self.run.weights["percents"]
        told = [f"{titles.get(key, key)} {in_words(round(part, 1), 1)}" for key, part in percents.items()]
        return listed(told)

    @property
    def decided(self) -> str:
        """What the rest got, and why; empty before, and where nobody waits for it."""
        return words(self.run.decision, self.run.version) if self.run.decision else ""

    @property
    def metric_label(self) -> str:
        return str(METRICS.get(self.metric, self.metric.removeprefix("event:")))

    @property
    def is_fewer_better(self) -> bool:
        return self.metric == FEWER_IS_BETTER

    @property
    def sentence(self) -> str:
        """What the comparison comes to, in plain words."""
        if not any(one.arm.converted for one in self.compared):
            return _("Nobody has done what is counted yet.")
        if self.best is None:
            return _(
                "No treatment is surely better yet: the difference may be chance. Look again as often as you"
                " like."
            )
        first = self.compared[0].arm
        if self.best == first:
            return _(
                "“%(first)s” is better than every other treatment, with at least 95 percent confidence."
            ) % {"first": first.label}
        told = _("“%(best)s” is better than “%(first)s”, with at least 95 percent confidence.")
        return told % {"best": self.best.label, "first": first.label}

    @property
    def holdout_sentence(self) -> str:
        if not self.groups:
            return ""
        lift = self.groups[1]
        if not lift.is_conclusive:
            return _("It is not sure yet that the campaign changes anything.")
        if lift.lift is None or lift.lift > 0:
            return _("Who got the message did it more often, with at least 95 percent confidence.")
        return _("Who got the message did it less often, with at least 95 percent confidence.")


def asked_of(version: Version, action: int | None = None) -> tuple[int, timedelta]:
    """Whose messages count, the first action's unless told, and until when after the last one left."""
    experiment = version.definition["experiment"]
    position = action if action is not None else min(one["position"] for one in version.definition["actions"])
    return position, timedelta(hours=experiment.get("window_hours") or DEFAULT_HOURS)


def of_run(
    run: Run, version: Version, *, action: int | None = None, read: figures.Figures | None = None
) -> Trial:
    """By the messages of one action: nobody counts twice. `read` are its figures, if somebody has them."""
    experiment = version.definition["experiment"]
    metric, (position, window) = experiment.get("metric") or "click", asked_of(version, action)
    if read is None:
        read = figures.read([run.pk], action=position, window=window)
    did = _did(run, version, position, metric, window) if metric.startswith("event:") else {}
    arms = _arms(run, version, position, _counted(read, version, position, metric, did))
    if run.decision:  # afterwards the winner's messages are no test any more
        arms = _as_decided(arms, run.decision)
    # Parts that changed from hour to hour say nothing of chance any more; those of one run stand still.
    moves = run.kind == Run.Kind.STANDING and bool(run.weights)
    compared = experiments.compare(arms) if len(arms) > 1 and not moves else []
    has_holdout = bool(experiment.get("holdout"))
    held = _held_out(run, experiment, position, did) if has_holdout and metric.startswith("event:") else []
    return Trial(
        run=run,
        metric=metric,
        hours=int(window / timedelta(hours=1)),
        compared=compared,
        best=experiments.best_of(compared, is_fewer_better=metric == FEWER_IS_BETTER) if compared else None,
        groups=experiments.compare(held) if held else [],
        is_lift_unknown=has_holdout and not held,
    )


Did = dict[tuple[str, int], int]  # by what became of the message, and its variant
Counted = Callable[[str], tuple[int, int]]  # of a treatment: people, and who did it


def _did(run: Run, version: Version, action: int, metric: str, window: timedelta) -> Did:
    values: dict[str, Any] = {
        "run": run.pk,
        "action": action,
        "name": metric.removeprefix("event:"),
        "workspace": version.campaign.workspace_id,
        "window": window,
        "held": HELD_OUT,
    }
    with connection.cursor() as cursor:
        cursor.execute(DID, values)
        return {(became, variant): people for became, variant, people in cursor.fetchall()}


def _counted(read: figures.Figures, version: Version, action: int, metric: str, did: Did) -> Counted:
    def of(treatment: str) -> tuple[int, int]:
        def is_mine(row: figures.Row) -> bool:
            return content_of(version, row.action, row.variant).get("treatment") == treatment

        people = read.tally("accepted", is_mine).all_events
        if metric.startswith("event:"):
            mine = [
                count
                for (became, variant), count in did.items()
                if became == "accepted" and content_of(version, action, variant).get("treatment") == treatment
            ]
            return people, sum(mine)
        found = read.tally(metric, is_mine)
        return people, found.anybody if metric == Event.Kind.UNSUBSCRIBE else found.people

    return of


def planned(version: Version) -> list[Arm]:
    """The treatments with nobody counted yet."""
    experiment = version.definition["experiment"]
    titles = titles_of([version])
    return [
        Arm(name, titles.get(name, name), float(one["percent"]) / 100, 0, 0)
        for name, one in zip(treatments(experiment), experiment.get("treatments", []), strict=False)
        if one.get("percent")
    ]


def arms_of(run: Run, version: Version) -> list[Arm]:
    """How many got each treatment of a run, and did what is counted; by its first message."""
    experiment = version.definition["experiment"]
    position = min(one["position"] for one in version.definition["actions"])
    metric = experiment.get("metric") or "click"
    window = timedelta(hours=experiment.get("window_hours") or DEFAULT_HOURS)
    read = figures.read([run.pk], action=position, window=window)
    did = _did(run, version, position, metric, window) if metric.startswith("event:") else {}
    return _arms(run, version, position, _counted(read, version, position, metric, did))


def _arms(run: Run, version: Version, action: int, counted: Counted) -> list[Arm]:
    experiment = weighted(version.definition, run.weights)["experiment"]
    titles = titles_of([version])
    return [
        Arm(name, titles.get(name, name), float(one["percent"]) / 100, *counted(name))
        for name, one in zip(treatments(experiment), experiment.get("treatments", []), strict=False)
        if one.get("percent")
    ]


def _held_out(run: Run, experiment: dict[str, Any], action: int, did: Did) -> list[Arm]:
    """The held out and the others, whatever became of their messages; none for calls, and none while a part
    still waits for its winner.
    """
    waits = experiment.get("mode") == "winner" and run.finished_at is None
    if run.kind == Run.Kind.STANDING or waits:
        return []
    with connection.cursor() as cursor:
        cursor.execute(GROUPS, {"run": run.pk, "action": action, "held": HELD_OUT})
        held, others = cursor.fetchone()
    share = float(experiment["holdout"]) / 100
    did_held = sum(count for (became, _variant), count in did.items() if became == "held")
    did_others = sum(count for (became, _variant), count in did.items() if became != "held")
    return [
        Arm("held_out", _("Held out"), share, held, did_held),
        Arm("written_to", _("Written to"), 1 - share, others, did_others),
    ]


# ---- what was decided by it ---------------------------------------------------------------------


def decision(trial: Trial, *, treatment: str, how: str, by: str, at: datetime) -> dict[str, Any]:
    """As the run keeps it: `treatment` as contents bear it, and the numbers it was found by."""
    arms = [
        {"key": one.arm.key, "people": one.arm.people, "converted": one.arm.converted}
        for one in trial.compared
    ]
    return {"treatment": treatment, "how": how, "by": by, "at": at.isoformat(), "arms": arms}


def words(decided: dict[str, Any], version: Version) -> str:
    name = titles_of([version]).get(decided["treatment"], decided["treatment"] or "A")
    return str(DECISIONS[decided["how"]]) % {"treatment": name, "who": decided["by"]}


def _as_decided(arms: list[Arm], decided: dict[str, Any]) -> list[Arm]:
    kept = {one["key"]: one for one in decided["arms"]}
    return [
        replace(arm, people=kept[arm.key]["people"], converted=kept[arm.key]["converted"])
        if arm.key in kept
        else arm
        for arm in arms
    ]
