"""A forecast's curve as places in a drawing of 100 by 100, for a picture that needs no script."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from campaigns.forecast import Forecast

SHADES = {  # each reason of exclusion its own
    "050020": "red-2",
    "050102": "red",
    "050101": "orange",
    "050002": "grey",
    "050018": "violet",
    "050019": "blue",
    "050026": "magenta",
    "050027": "magenta-2",
    "quiet_hours": "amber",
    "050103": "blue-2",
    "050106": "violet-2",
}
SPARE = ("grey-2", "orange-2", "amber-2", "green-2")


@dataclass(frozen=True)
class Curve:
    """`line` and `area` are SVG points; `ticks` are (percent, time) along the bottom; `most` is the top."""

    line: str
    area: str
    most: int
    ticks: list[tuple[float, datetime]]


def shade(code: str, place: int) -> str:
    return SHADES.get(code) or SPARE[place % len(SPARE)]


def curve(found: Forecast, zone: ZoneInfo) -> Curve | None:
    """None when everybody gets it in one moment: there is nothing to draw."""
    points = found.curve
    if len(points) < 2 or points[-1].at <= points[0].at or not points[-1].sent:
        return None
    begins, span = points[0].at, points[-1].at - points[0].at
    most = points[-1].sent
    places = [
        f"{100 * ((point.at - begins) / span):.2f},{100 - 100 * point.sent / most:.2f}" for point in points
    ]
    ticks = [(25.0 * at, (begins + _part(span, at)).astimezone(zone)) for at in range(5)]
    return Curve(" ".join(places), " ".join([*places, "100,100", "0,100"]), most, ticks)


def _part(span: timedelta, quarters: int) -> timedelta:
    return span * quarters / 4
