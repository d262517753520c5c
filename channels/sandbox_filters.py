"""The filters and tests of message templates, by name.

Nothing of Jinja2's own is taken over: several format or repeat text without bound (`"%2000000000d" is even`
formats). Every function here handles bounded amounts of plain data. Raises RenderError.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime
from functools import cache, wraps
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from django.utils.translation import gettext as _
from jinja2 import Undefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from channels.sandbox_values import (
    MAX_TEXT,
    RenderError,
    bounded,
    budget_of,
    defined,
    in_range,
    is_number,
    text_of,
    too_large,
    wrong_type,
)

FILTERS: dict[str, Callable[..., Any]] = {}
TESTS: dict[str, Callable[..., bool]] = {}


def text_filter(function: Callable[..., str]) -> Callable[..., str]:
    """A filter over text: bounded before and after, and counted."""

    @wraps(function)
    def run(context: Context, value: Any, *args: Any, **kwargs: Any) -> str:
        text = bounded(context, str(text_of(value)))
        return bounded(context, function(context, text, *args, **kwargs))

    FILTERS[function.__name__] = pass_context(run)
    return run


def value_filter(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        FILTERS[name] = pass_context(function)
        return function

    return register


@value_filter("default")
def default(context: Context, value: Any, other: Any = "") -> Any:
    """The other value when there is none, or only an empty one."""
    return other if isinstance(value, Undefined) or value is None or value in ("", [], {}) else value


@text_filter
def upper(context: Context, text: str) -> str:
    return text.upper()


@text_filter
def lower(context: Context, text: str) -> str:
    return text.lower()


@text_filter
def title(context: Context, text: str) -> str:
    return text.title()


@text_filter
def capitalize(context: Context, text: str) -> str:
    return text.capitalize()


@text_filter
def trim(context: Context, text: str) -> str:
    return text.strip()


@text_filter
def replace(context: Context, text: str, old: Any, new: Any) -> str:
    old, new = text_of(old), text_of(new)
    if not old:
        raise wrong_type(_("“replace” needs something to look for."))
    if len(text) + text.count(old) * (len(new) - len(old)) > MAX_TEXT:
        raise too_large()
    return text.replace(old, new)


@text_filter
def truncate(context: Context, text: str, length: Any = 255, end: Any = "…") -> str:
    """At most `length` characters, cut between words where there is a space."""
    length, end = _whole(length), text_of(end)
    if len(text) <= length:
        return text
    cut = text[: max(0, length - len(end))]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut) + end  # type: ignore[no-any-return]


def _whole(value: Any) -> int:
    if not isinstance(defined(value), int) or not -MAX_TEXT <= value <= MAX_TEXT:
        raise wrong_type(_("A whole number of ordinary size is needed."))
    return value  # type: ignore[no-any-return]


@value_filter("escape")
def escape_filter(context: Context, value: Any) -> Markup:
    return escape(bounded(context, text_of(value)))


FILTERS["e"] = FILTERS["escape"]


@value_filter("length")
def length(context: Context, value: Any) -> int:
    if type(defined(value)) not in (str, Markup, list, tuple, dict):
        raise wrong_type(_("Only a text or a list has a length."))
    return len(value)


FILTERS["count"] = FILTERS["length"]


def _number(value: Any) -> int | float:
    if isinstance(defined(value), str) and len(value) <= 40:
        value = float(value) if not value.strip().lstrip("+-").isdecimal() else int(value)
    if not is_number(value) or not math.isfinite(value):
        raise wrong_type(_("A number is needed here."))
    number: int | float = in_range(value)
    return number


@value_filter("round")
def round_filter(context: Context, value: Any, digits: Any = 0) -> int | float:
    digits = _whole(digits)
    if not 0 <= digits <= 10:
        raise wrong_type(_("Between 0 and 10 digits can be kept."))
    return round(_number(value), digits) if digits else round(_number(value))


@value_filter("int")
def int_filter(context: Context, value: Any, other: Any = 0) -> Any:
    try:
        return int(_number(value))
    except (RenderError, ValueError):
        return other


@value_filter("float")
def float_filter(context: Context, value: Any, other: Any = 0.0) -> Any:
    try:
        return float(_number(value))
    except (RenderError, ValueError):
        return other


@value_filter("first")
def first(context: Context, value: Any) -> Any:
    return _at(context, value, 0)


@value_filter("last")
def last(context: Context, value: Any) -> Any:
    return _at(context, value, -1)


def _at(context: Context, value: Any, index: int) -> Any:
    if type(defined(value)) not in (str, Markup, list, tuple):
        raise wrong_type(_("Only a text or a list has a first and a last part."))
    return (
        str(value[index])
        if isinstance(value, str) and value
        else (value[index] if value else context.environment.undefined(name=_("first or last of nothing")))
    )


@value_filter("join")
def join(context: Context, value: Any, separator: Any = "") -> str:
    if type(defined(value)) not in (list, tuple):
        raise wrong_type(_("Only a list can be joined."))
    between, budget, parts = str(text_of(separator)), budget_of(context), []
    size = 0
    for item in value:
        budget.step()
        text = str(text_of(item))
        size += len(text) + len(between)
        if size > MAX_TEXT + len(between):
            raise too_large()
        parts.append(text)
    return bounded(context, between.join(parts))


@cache
def _locale(name: str) -> Locale:
    return Locale.parse(name, sep="-" if "-" in name else "_")


def _known_locale(name: Any) -> Locale:
    try:
        return _locale(str(text_of(name))[:20])
    except (UnknownLocaleError, ValueError) as error:
        raise wrong_type(_("This language is not known; give one such as en or zh-Hant-TW.")) from error


@value_filter("number")
def number(context: Context, value: Any, digits: Any = None, locale: Any = "en") -> str:
    places = max(0, min(10, _whole(digits))) if digits is not None else None
    shown = _number(value) if places is None else round(_number(value), places)
    pattern = None if not places else "#,##0." + "0" * places
    return str(format_decimal(shown, format=pattern, locale=_known_locale(locale)))


@value_filter("date")
def date_filter(context: Context, value: Any, format: Any = "medium", locale: Any = "en") -> str:
    """`format` is short, medium, long, full, or a CLDR pattern such as y-MM-dd or y年M月d日."""
    pattern = str(text_of(format))
    if len(pattern) > 40:
        raise wrong_type(_("This date format is too long."))
    moment = _moment(value)
    show = format_datetime if isinstance(moment, datetime) and pattern not in NAMED else format_date
    return str(show(moment, format=pattern, locale=_known_locale(locale)))


NAMED = ("short", "medium", "long", "full")


def _moment(value: Any) -> date | datetime:
    if isinstance(defined(value), date | datetime):
        return value  # type: ignore[no-any-return]
    try:
        text = str(text_of(value))[:40]
        return date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
    except ValueError as error:
        raise wrong_type(_("This is not a date such as 2026-11-23.")) from error


# ---- tests ------------------------------------------------------------------------------------
def _whole_test(value: Any) -> int:
    if not isinstance(defined(value), int):
        raise wrong_type(_("A whole number is needed here."))
    return value  # type: ignore[no-any-return]


def _divisible(value: Any, by: Any) -> bool:
    return _whole_test(value) % _whole_test(by) == 0


TESTS.update(
    {
        "defined": lambda value: not isinstance(value, Undefined),
        "undefined": lambda value: isinstance(value, Undefined),
        "none": lambda value: defined(value) is None,
        "number": lambda value: is_number(defined(value)),
        "string": lambda value: isinstance(defined(value), str),
        "even": lambda value: _divisible(value, 2),
        "odd": lambda value: not _divisible(value, 2),
        "divisibleby": _divisible,
    }
)
