"""How a figure in percent is cut to its last digit: never so that it claims more than it is.

What is below 100 is not shown as all of it, and a bound is not shown nearer than it lies: 94.96 percent of
confidence are 94.9, as 95 would be enough.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

from django.utils import formats
from django.utils.translation import gettext as _

HOW = {"": ROUND_HALF_UP, "down": ROUND_FLOOR, "up": ROUND_CEILING}
MOST_SURE = 99.9999  # nothing is certain, though the last digit of a float may say so


def cut(value: float, digits: int, toward: str = "") -> float:
    """To so many digits: to the nearest, or `down` or `up`."""
    exact, step = Decimal(str(value)), Decimal(1).scaleb(-digits)
    found = exact.quantize(step, HOW[toward])
    if exact < 100 <= found and toward != "up":
        found = exact.quantize(step, ROUND_FLOOR)
    return float(found) or 0.0  # no “−0”


def sure(value: float, digits: int) -> float:
    """A confidence: never up, and never 100."""
    return cut(min(value, MOST_SURE), digits, "down")


def in_words(value: float, digits: int | None = None) -> str:
    """“34.4 %” as the reader's language writes it; without `digits`, as many as the value has."""
    shown = f"{value:g}" if digits is None else formats.number_format(value, digits)
    return _("%(number)s %%") % {"number": shown}
