"""The numbers of a report, each with its rate and its definition: of all time, or of the last day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from campaigns.models import Event
from campaigns.reports import figures
from campaigns.reports.definitions import MEANINGS
from campaigns.reports.figures import Figures, Tally
from campaigns.reports.outcomes import Outcomes

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


def share(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


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
