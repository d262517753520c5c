"""One report: of a run, of one of its actions, or of all a campaign has sent, for all time or the last day.

Receives a campaign and what is asked of it; returns numbers with their definitions, the ledger that balances,
the curve, the tables by link, domain, device, treatment and language, and an experiment's result. The same
number of queries, whatever there is.
Pages, REST, CSV and PDF show the same object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.utils import timezone

from campaigns.models import Campaign, Run, Version
from campaigns.reports import figures, numbers, outcomes, tables, together
from campaigns.reports.definitions import DEVICES, FUNNEL
from campaigns.reports.figures import Figures
from campaigns.reports.numbers import Hours, Number, share
from campaigns.reports.outcomes import Outcomes, Reason
from campaigns.reports.tables import Bounced, LinkPart, Part, Point, Rule
from campaigns.reports.together import Trials
from campaigns.reports.trials import Trial

DAY = timedelta(hours=24)


class Ratio(NamedTuple):
    """Of two numbers of a reader's choice; `rate` is in percent, None where there is nothing to divide by."""

    number: Number
    per: Number
    rate: float | None


@dataclass(frozen=True)
class Report:
    campaign: Campaign
    run: Run | None
    action: int | None
    hours: Hours | None
    runs: list[Run]
    outcomes: Outcomes
    figures: Figures
    numbers: dict[str, Number]
    links: list[LinkPart]
    curve: list[Point]
    step: str
    treatments: list[Part]
    languages: list[Part]
    actions: list[Part]
    domains: list[Part]
    devices: list[Part]
    rules: list[Rule]
    bounced: list[Bounced]
    trials: Trials = field(default_factory=Trials)

    @property
    def since(self) -> datetime | None:
        return self.hours.since if self.hours else None

    @property
    def trial(self) -> Trial | None:
        return self.trials.shown

    @property
    def funnel(self) -> list[Number]:
        return [self.numbers[code] for code in FUNNEL if code in self.numbers]

    @property
    def failed(self) -> list[Reason]:
        return self.outcomes.reasons("failed")

    @property
    def excluded(self) -> list[Reason]:
        return self.outcomes.reasons("excluded")

    def ratio(self, number: str, per: str) -> Ratio | None:
        """None unless both are numbers of this report."""
        one, other = self.numbers.get(number), self.numbers.get(per)
        return Ratio(one, other, share(one.value, other.value)) if one and other else None

    def where(self, **more: Any) -> str:
        """The query of the messages behind one of its numbers."""
        asked = {"action": self.action, "window": "24h" if self.since else None, **more}
        return urlencode({key: value for key, value in asked.items() if value not in (None, "")})


def runs_of(campaign: Campaign) -> list[Run]:
    """What is reported of: no proofs and no copies for a seed list (catalogue 9.6)."""
    rows = Run.objects.filter(campaign=campaign).exclude(kind=Run.Kind.PROOF)
    return list(rows.exclude(state=Run.State.MISSED).order_by("-due_at"))


def make(
    campaign: Campaign,
    *,
    run: Run | None = None,
    action: int | None = None,
    is_last_day: bool = False,
    now: datetime,
) -> Report:
    runs = [run] if run else runs_of(campaign)
    since = tables.hour_of(now - DAY) if is_last_day else None
    hours = Hours(since, _is_whole(runs, since)) if since else None
    step = "hour" if is_last_day or (run and run.kind != Run.Kind.STANDING) else "day"
    keys = [one.pk for one in runs]
    read = figures.read(
        keys, action=action, since=since, step=step, zone=timezone.get_current_timezone_name()
    )
    if since:
        read = figures.of_last_hours(keys, read, action=action, since=since)
    told = outcomes.together(outcomes.of_runs(keys, action=action).values())
    versions = {one.pk: one for one in Version.objects.filter(pk__in={row.version_id for row in runs})}
    return Report(
        campaign=campaign,
        run=run,
        action=action,
        hours=hours,
        runs=runs,
        outcomes=told,
        figures=read,
        numbers=numbers.last_day(read, hours) if hours else numbers.all_time(read, told),
        links=tables.links(read, list(versions)),
        curve=tables.curve(read, run, step, now, since),
        step=step,
        treatments=tables.treatments(read, versions, hours),
        languages=tables.languages(read, versions, hours),
        actions=tables.actions(read, versions, hours),
        domains=tables.facet(read, "domain", lambda key: key, hours),
        devices=tables.facet(read, "device", lambda key: str(DEVICES.get(key, key)), hours),
        rules=tables.rules(read),
        bounced=tables.bounced(read),
        trials=Trials() if is_last_day else together.of_campaign(runs, versions, action=action),
    )


def _is_whole(runs: Sequence[Run], since: datetime) -> bool:
    return all(run.started_at is None or run.started_at >= since for run in runs)
