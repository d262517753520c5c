"""Many campaigns in a few numbers each: the workspace of late, and several side by side.

Receives campaigns the reader may see; promises the same number of queries for one and for a hundred.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from campaigns.models import Campaign, Run
from campaigns.reports import figures, outcomes
from campaigns.reports.figures import Figures
from campaigns.reports.numbers import Number, all_time, numbered
from campaigns.reports.tables import Point, points_of

DAYS = (7, 30, 90)
MOST_COMPARED = 5
MOST_RUNS = 2000  # of one page
COMPARED = (
    *(
        "targeted",
        "excluded",
        "sent",
        "accepted",
        "delivered",
        "bounced",
        "failed",
        "opened",
        "opened_by_any",
        "opened_estimated",
    ),
    *("clicked", "clicked_by_any", "clicked_of_opened", "unsubscribed", "complained"),
)


@dataclass(frozen=True)
class Line:
    campaign: Campaign
    last: Run
    runs: int
    numbers: dict[str, Number]


@dataclass(frozen=True)
class Overview:
    lines: list[Line]
    total: dict[str, Number]
    curve: list[Point]


def days_of(given: str) -> int:
    return int(given) if given in map(str, DAYS) else 30


def of_workspace(campaigns: QuerySet[Campaign], *, days: int, now: datetime) -> Overview:
    """Of the runs that began in so many days, and those that take calls; the newest campaign first."""
    recent = Run.objects.filter(campaign__in=campaigns, due_at__gte=now - timedelta(days=days))
    open_ones = Run.objects.filter(campaign__in=campaigns, kind=Run.Kind.STANDING, finished_at=None)
    lines, read = _lines(recent | open_ones, step="day")
    values: dict[str, int] = defaultdict(int)
    for line in lines:
        for code, number in line.numbers.items():
            values[code] += number.value
    return Overview(lines, numbered(values), points_of(read))


def compared(campaigns: QuerySet[Campaign], wanted: list[int]) -> list[Line]:
    """All their runs; in the order they were asked for."""
    lines, _read = _lines(Run.objects.filter(campaign__in=campaigns.filter(pk__in=wanted)))
    return sorted(lines, key=lambda line: wanted.index(line.campaign.pk))


def completed(campaigns: QuerySet[Campaign], *, most: int) -> list[Line]:
    """The runs that ended last, campaign by campaign."""
    rows = Run.objects.filter(campaign__in=campaigns, state=Run.State.COMPLETED).exclude(kind=Run.Kind.PROOF)
    last = rows.order_by("-finished_at").values_list("pk", flat=True)[:most]
    lines, _read = _lines(Run.objects.filter(pk__in=list(last)))
    return lines


def _lines(rows: QuerySet[Run], *, step: str = "day") -> tuple[list[Line], Figures]:
    told = rows.exclude(kind=Run.Kind.PROOF).exclude(state__in=[Run.State.MISSED, Run.State.DUE])
    runs = list(told.select_related("campaign").order_by("-due_at")[:MOST_RUNS])
    keys = [run.pk for run in runs]
    read = figures.read(keys, step=step, zone=timezone.get_current_timezone_name())
    books = outcomes.of_runs(keys)
    by_campaign: dict[int, list[Run]] = defaultdict(list)
    for run in runs:
        by_campaign[run.campaign_id].append(run)
    by_run: dict[int, list[figures.Row]] = defaultdict(list)
    for row in read.rows:
        if row.facet == "":
            by_run[row.run].append(row)
    lines = []
    for own in by_campaign.values():
        part = Figures([row for run in own for row in by_run[run.pk]])
        book = outcomes.together(books[run.pk] for run in own)
        lines.append(Line(own[0].campaign, own[0], len(own), all_time(part, book)))
    return lines, read
