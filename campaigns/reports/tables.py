"""The tables and the curve of a report, of figures that are read already: by link, hour, treatment, language,
action, domain and device, by the rule that took an event for a machine's, and by why messages came back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from audiences.reachability import CHANNELS
from campaigns.languages import language_name
from campaigns.models import Link, Run, Version
from campaigns.reports import counting, figures
from campaigns.reports.definitions import FAULTS
from campaigns.reports.figures import Figures, Row, Tally
from campaigns.reports.numbers import Hours, share
from campaigns.reports.treatments import content_of, titles_of
from campaigns.tracking.machines import LABELS

CURVE_HOURS = 48  # of one run, by the hour; more is told by the day
Kinds = dict[str, Tally]


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


def hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def links(read: Figures, versions: Sequence[int]) -> list[LinkPart]:
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


def curve(read: Figures, run: Run | None, step: str, now: datetime, since: datetime | None) -> list[Point]:
    at = read.by("hour", lambda row: row.hour)
    if not at:
        return []
    first, last = min(at), max(at)
    if since:
        first, last = since, hour_of(now)
    elif run and step == "hour":
        first = hour_of(run.started_at or run.due_at)
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


def treatments(read: Figures, versions: dict[int, Version], hours: Hours | None) -> list[Part]:
    titles = titles_of(versions.values())
    if not titles:
        return []

    def name(row: Row) -> Any:
        return content_of(versions.get(row.version), row.action, row.variant).get("treatment")

    found = _parts(read, name, lambda key: titles.get(key, key), lambda key: {"treatment": key or "-"}, hours)
    return [part for part in found if part.key in titles]


def languages(read: Figures, versions: dict[int, Version], hours: Hours | None) -> list[Part]:
    given = [version.definition.get("languages") or {} for version in versions.values()]
    first = next((one["default"] for one in given if one.get("default")), None)
    if first is None:
        return []

    def name(row: Row) -> Any:
        return content_of(versions.get(row.version), row.action, row.variant).get("language")

    return _parts(
        read, name, lambda key: language_name(key or first), lambda key: {"language": key or "-"}, hours
    )


def actions(read: Figures, versions: dict[int, Version], hours: Hours | None) -> list[Part]:
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


def facet(read: Figures, facet: str, label: Callable[[str], str], hours: Hours | None) -> list[Part]:
    rows = read.by(facet, lambda row: row.key)
    parts = [Part(key, label(key), kinds, {facet: key}, hours) for key, kinds in rows.items()]
    return sorted(parts, key=lambda one: (-one.accepted, -one.opened - one.clicked, one.key))


def rules(read: Figures) -> list[Rule]:
    found: dict[str, int] = defaultdict(int)
    for row in read.rows:
        if row.facet == "rule":
            found[row.key] += row.events
    told = [Rule(str(LABELS.get(key, key)), count, key) for key, count in found.items()]
    return sorted(told, key=lambda one: (-one.events, one.label))


def bounced(read: Figures) -> list[Bounced]:
    """Bounces counted before reasons were kept have none."""
    found = {key: kinds["bounce"].anybody for key, kinds in read.by("fault", lambda row: row.key).items()}
    found[""] = read.tally("bounce").anybody - sum(count for key, count in found.items() if key)
    told = [Bounced(key, str(FAULTS.get(key, key)), count) for key, count in found.items() if count > 0]
    return sorted(told, key=lambda one: (-one.messages, one.code))
