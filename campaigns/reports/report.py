"""One report: of a run, of one of its actions, or of all a campaign has sent, for all time or the last day.

Receives a campaign and what is asked of it; returns numbers with their definitions, the ledger that balances,
the curve, the tables by link, domain, device, treatment and language, and an experiment's result. The same
number of queries, whatever there is.
Pages, REST, CSV and PDF show the same object.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.utils import timezone

from audiences.reachability import CHANNELS
from campaigns.languages import language_name
from campaigns.models import Campaign, Event, Link, Run, Version
from campaigns.reports import counting, figures, outcomes, together
from campaigns.reports.definitions import DEVICES, FAULTS, FUNNEL, MEANINGS
from campaigns.reports.figures import Figures, Row, Tally
from campaigns.reports.outcomes import Outcomes, Reason
from campaigns.reports.together import Trials
from campaigns.reports.treatments import content_of, titles_of
from campaigns.reports.trials import Trial
from campaigns.tracking.machines import LABELS

DAY = timedelta(hours=24)
CURVE_HOURS = 48  # of one run, by the hour; more is told by the day
# What is done to messages that may have left before, or is a share of such.
DONE = {
    *(
        "bounced",
        "opened",
        "opened_by_any",
        "opened_estimated",
        "clicked",
        "clicked_by_any",
        "clicked_of_opened",
    ),
    *("unsubscribed", "complained"),
}
Kinds = dict[str, Tally]


class Hours(NamedTuple):
    """The last day's. `is_whole`: nothing was sent before them, so what was done in them is a share of what
    was delivered in them; else it may be more than all.
    """

    since: datetime
    is_whole: bool


@dataclass(frozen=True)
class Number:
    """`rate` is in percent of the number named `base`."""

    code: str
    value: int
    rate: float | None = None

    @property
    def label(self) -> str:
        return str(MEANINGS[self.code].label)

    @property
    def definition(self) -> str:
        return str(MEANINGS[self.code].definition)

    @property
    def base(self) -> str:
        return MEANINGS[self.code].base

    @property
    def drill(self) -> dict[str, str]:
        return MEANINGS[self.code].more


@dataclass(frozen=True)
class Part:
    """A line of a table: the same numbers for one treatment or domain; `drill` finds its messages."""

    key: str
    label: str
    kinds: Kinds
    drill: dict[str, str] = field(default_factory=dict)
    hours: Hours | None = None

    def of(self, kind: str) -> Tally:
        return self.kinds.get(kind, Tally())

    @property
    def accepted(self) -> int:
        return self.of("accepted").all_events

    @property
    def bounced(self) -> int:
        return self.of("bounce").anybody

    @property
    def delivered(self) -> int:
        back = self.bounced - self.of(counting.STRAY).anybody
        return max(self.accepted - (self.of(figures.CAME_BACK).anybody if self.hours else back), 0)

    @property
    def opened(self) -> int:
        return self.of("open").people

    @property
    def clicked(self) -> int:
        return self.of("click").people

    @property
    def unsubscribed(self) -> int:
        return self.of("unsubscribe").anybody

    @property
    def complained(self) -> int:
        return self.of("complaint").anybody

    def rate(self, name: str) -> float | None:
        is_told = self.hours is None or self.hours.is_whole
        return share(getattr(self, name), self.delivered) if is_told else None


@dataclass(frozen=True)
class LinkPart:
    version: int
    number: int
    action: int
    url: str
    label: str
    people: int
    clicks: int
    machine_clicks: int

    @property
    def drill(self) -> dict[str, str]:
        return {
            "event": "click",
            "who": "people",
            "link": str(self.number),
            "action": str(self.action),
            "version": str(self.version),
        }


class Ratio(NamedTuple):
    """Of two numbers of a reader's choice; `rate` is in percent, None where there is nothing to divide by."""

    number: Number
    per: Number
    rate: float | None


class Rule(NamedTuple):
    """By which opens and clicks were taken for machines'."""

    label: str
    events: int
    key: str

    @property
    def drill(self) -> dict[str, str]:
        return {"rule": self.key}


class Bounced(NamedTuple):
    """Why messages came back; `code` is empty where nobody told."""

    code: str
    label: str
    messages: int

    @property
    def drill(self) -> dict[str, str]:
        return {"event": "bounce", "fault": self.code or "-"}


@dataclass(frozen=True)
class Point:
    at: datetime
    opens: int
    clicks: int
    machine_opens: int
    machine_clicks: int
    accepted: int


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


def share(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


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
    since = _hour(now - DAY) if is_last_day else None
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
        numbers=last_day(read, hours) if hours else all_time(read, told),
        links=_links(read, list(versions)),
        curve=_curve(read, run, step, now, since),
        step=step,
        treatments=_treatments(read, versions, hours),
        languages=_languages(read, versions, hours),
        actions=_actions(read, versions, hours),
        domains=_facet(read, "domain", lambda key: key, hours),
        devices=_facet(read, "device", lambda key: str(DEVICES.get(key, key)), hours),
        rules=_rules(read),
        bounced=_bounced(read),
        trials=Trials() if is_last_day else together.of_campaign(runs, versions, action=action),
    )


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _is_whole(runs: Sequence[Run], since: datetime) -> bool:
    return all(run.started_at is None or run.started_at >= since for run in runs)


# ---- numbers ----------------------------------------------------------------------------------


def all_time(read: Figures, told: Outcomes) -> dict[str, Number]:
    book = told.book
    values = {
        name: getattr(book, name) for name in ("targeted", "accepted", "failed", "excluded", "cancelled")
    }
    values |= {name: getattr(book, name) for name in ("expired", "uncertain", "to_go")}
    values["sent"] = book.accepted + book.failed + book.uncertain
    return numbered({**values, **_events(read, book.accepted - read.returned)})


def last_day(read: Figures, hours: Hours | None = None) -> dict[str, Number]:
    """What was sent and done in the last day; who was targeted or left out has no hour. `hours` are those of
    what `figures.of_last_hours` read; without them what came back in them is taken for theirs.
    """
    values = {name: read.tally(name).all_events for name in ("accepted", "failed", "uncertain")}
    values["sent"] = sum(values.values())
    back = read.tally(figures.CAME_BACK).anybody if hours else read.returned
    found = numbered({**values, **_events(read, values["accepted"] - back)})
    if hours and not hours.is_whole:
        return {code: replace(one, rate=None) if code in DONE else one for code, one in found.items()}
    return found


def _events(read: Figures, delivered: int) -> dict[str, int]:
    opens, clicks = read.tally(Event.Kind.OPEN), read.tally(Event.Kind.CLICK)
    return {
        "bounced": read.tally(Event.Kind.BOUNCE).anybody,
        "delivered": max(delivered, 0),
        "retried": read.tally("retried").people,
        "opened": opens.people,
        "opened_by_any": opens.anybody,
        "opened_estimated": _estimated(opens, max(delivered, 0)),
        "opens": opens.events,
        "clicked": clicks.people,
        "clicked_by_any": clicks.anybody,
        "clicks": clicks.events,
        "clicked_of_opened": clicks.people,
        "unsubscribed": read.tally(Event.Kind.UNSUBSCRIBE).anybody,
        "complained": read.tally(Event.Kind.COMPLAINT).anybody,
    }


def _estimated(opens: Tally, delivered: int) -> int:
    """Nobody knows whether a person read what a machine had opened: as likely as where no machine did."""
    hidden = max(opens.anybody - opens.people, 0)
    rest = delivered - hidden
    return opens.people + (round(hidden * opens.people / rest) if rest > 0 else 0)


def numbered(values: dict[str, int]) -> dict[str, Number]:
    """Each with its rate, in the order of the definitions."""
    return {
        code: Number(code, values[code], share(values[code], values.get(meaning.base, 0)))
        for code, meaning in MEANINGS.items()
        if code in values
    }


# ---- tables -----------------------------------------------------------------------------------


def _links(read: Figures, versions: Sequence[int]) -> list[LinkPart]:
    """Every tracked link, the most clicked first; the same address in two versions is one."""
    clicked = read.by("link", lambda row: (row.version, row.action, row.key))
    found: dict[tuple[int, str], LinkPart] = {}
    for link in Link.objects.filter(version__in=versions).order_by("-version", "action", "number"):
        tally = clicked.get((link.version_id, link.action, str(link.number)), {}).get("click", Tally())
        known = found.get((link.action, link.url))
        found[link.action, link.url] = LinkPart(
            known.version if known else link.version_id,
            known.number if known else link.number,
            link.action,
            link.url,
            (known.label if known else link.label) or "",
            tally.people + (known.people if known else 0),
            tally.events + (known.clicks if known else 0),
            tally.machine_events + (known.machine_clicks if known else 0),
        )
    return sorted(found.values(), key=lambda one: (-one.people, -one.clicks, one.action, one.number))


def _curve(read: Figures, run: Run | None, step: str, now: datetime, since: datetime | None) -> list[Point]:
    at = read.by("hour", lambda row: row.hour)
    if not at:
        return []
    first, last = min(at), max(at)
    if since:
        first, last = since, _hour(now)
    elif run and step == "hour":
        first = _hour(run.started_at or run.due_at)
        last = min(max(last, first), first + timedelta(hours=CURVE_HOURS - 1))
    if step == "day":
        moments = sorted(at)
    else:
        hours = int((last - first) / timedelta(hours=1)) + 1
        moments = [first + timedelta(hours=number) for number in range(hours)]
    return [_point(moment, at.get(moment, {})) for moment in moments]


def points_of(read: Figures) -> list[Point]:
    """Every moment at which anything happened."""
    at = read.by("hour", lambda row: row.hour)
    return [_point(moment, at[moment]) for moment in sorted(at)]


def _point(moment: datetime, kinds: Kinds) -> Point:
    opens, clicks = kinds.get("open", Tally()), kinds.get("click", Tally())
    accepted = kinds.get("accepted", Tally()).all_events
    return Point(moment, opens.events, clicks.events, opens.machine_events, clicks.machine_events, accepted)


def _parts(
    read: Figures,
    name: Callable[[Row], Any],
    label: Callable[[Any], str],
    drill: Callable[[Any], dict[str, str]],
    hours: Hours | None,
) -> list[Part]:
    found: list[Part] = [
        Part(str(key), label(key), kinds, drill(key), hours)
        for key, kinds in read.by("", name).items()
        if key is not None
    ]
    return sorted(found, key=lambda part: (part.key, part.label))


def _treatments(read: Figures, versions: dict[int, Version], hours: Hours | None) -> list[Part]:
    titles = titles_of(versions.values())
    if not titles:
        return []

    def name(row: Row) -> Any:
        return content_of(versions.get(row.version), row.action, row.variant).get("treatment")

    found = _parts(read, name, lambda key: titles.get(key, key), lambda key: {"treatment": key or "-"}, hours)
    return [part for part in found if part.key in titles]


def _languages(read: Figures, versions: dict[int, Version], hours: Hours | None) -> list[Part]:
    given = [version.definition.get("languages") or {} for version in versions.values()]
    first = next((one["default"] for one in given if one.get("default")), None)
    if first is None:
        return []

    def name(row: Row) -> Any:
        return content_of(versions.get(row.version), row.action, row.variant).get("language")

    return _parts(
        read, name, lambda key: language_name(key or first), lambda key: {"language": key or "-"}, hours
    )


def _actions(read: Figures, versions: dict[int, Version], hours: Hours | None) -> list[Part]:
    channels = {
        one["position"]: str(one["channel"]) for row in versions.values() for one in row.definition["actions"]
    }
    if len(channels) < 2:
        return []
    return _parts(
        read,
        lambda row: row.action,
        lambda key: f"{key + 1}. {CHANNELS.get(channels.get(key, ''), '')}",
        lambda key: {"action": str(key)},
        hours,
    )


def _facet(read: Figures, facet: str, label: Callable[[str], str], hours: Hours | None) -> list[Part]:
    rows = read.by(facet, lambda row: row.key)
    parts = [Part(key, label(key), kinds, {facet: key}, hours) for key, kinds in rows.items()]
    return sorted(parts, key=lambda one: (-one.accepted, -one.opened - one.clicked, one.key))


def _rules(read: Figures) -> list[Rule]:
    found: dict[str, int] = defaultdict(int)
    for row in read.rows:
        if row.facet == "rule":
            found[row.key] += row.events
    told = [Rule(str(LABELS.get(key, key)), count, key) for key, count in found.items()]
    return sorted(told, key=lambda one: (-one.events, one.label))


def _bounced(read: Figures) -> list[Bounced]:
    """Bounces counted before reasons were kept have none."""
    found = {key: kinds["bounce"].anybody for key, kinds in read.by("fault", lambda row: row.key).items()}
    found[""] = read.tally("bounce").anybody - sum(count for key, count in found.items() if key)
    told = [Bounced(key, str(FAULTS.get(key, key)), count) for key, count in found.items() if count > 0]
    return sorted(told, key=lambda one: (-one.messages, one.code))
