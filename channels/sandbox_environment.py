"""What a message template can use while it runs: the filters, the tests, and a budget for each rendering.

Nothing of Jinja2's own filters and tests is taken over: several format or repeat text without bound
(`"%2000000000d" is even` formats). Every function here handles bounded amounts of plain data.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from functools import cache, wraps
from typing import Any

import jinja2
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from django.utils.translation import gettext as _
from jinja2 import StrictUndefined, Undefined, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from channels.mime import encoded_octets, encoded_piece
from common.errors import CarillonError

MAX_TEXT, MAX_OUTPUT, MAX_STEPS, MAX_WORK = 100_000, 1_000_000, 100_000, 20_000_000
MAX_SECONDS = 2.0
MAX_INTEGER = 10**18
STEPS, CONCATENATE = "_steps", "_concatenate"  # a source cannot name them: names begin with a letter
MARKUP = re.compile(r"""[&<>"']""")  # what is written otherwise in HTML
LOOP_FACTS = {"index", "index0", "revindex", "revindex0", "first", "last", "length"}


class RenderError(CarillonError):
    """A template could not be rendered for one person. `line` is 0 when it is not known."""

    status = 422

    def __init__(self, code: str, detail: str, line: int = 0) -> None:
        super().__init__(detail, code=code)
        self.line = line


class Budget:
    """What one rendering may still do."""

    KEY = "_budget"

    def __init__(self) -> None:
        self.steps = self.work = 0
        self.deadline = time.monotonic() + MAX_SECONDS

    def step(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS or (self.steps % 64 == 0 and time.monotonic() > self.deadline):
            raise RenderError(
                "template_too_slow", _("The loops take more than 100,000 steps or two seconds.")
            )

    def handle(self, characters: int) -> None:
        self.work += characters
        if self.work > MAX_WORK or (self.work > MAX_OUTPUT and time.monotonic() > self.deadline):
            raise RenderError("template_too_slow", _("The template handles too much text."))


def too_large() -> RenderError:
    return RenderError("template_too_large", _("The result is too long."))


def wrong_type(what: str) -> RenderError:
    return RenderError("template_value", what)


def budget_of(context: Context) -> Budget:
    budget = context.parent.get(Budget.KEY) or context.vars.get(Budget.KEY)
    assert isinstance(budget, Budget)
    return budget


class NotThere(StrictUndefined):
    """A name without a value: it can be tested and given a default, and nothing else."""

    @property
    def _undefined_message(self) -> str:
        return _("There is no value named “%(name)s”.") % {"name": str(self._undefined_name)[:80]}


class Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])
    intercepted_unops = frozenset(["+", "-"])

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """A key of plain data; never an attribute of a Python object."""
        if isinstance(obj, Undefined):
            return obj
        if isinstance(obj, LoopContext) and argument in LOOP_FACTS:
            return getattr(obj, argument)
        if type(obj) is dict and argument in obj:
            return obj[argument]
        if type(obj) in (list, tuple) and type(argument) is int and -len(obj) <= argument < len(obj):
            return obj[argument]
        return self.undefined(name=argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        left, right = _defined(left), _defined(right)
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return bounded(context, str(left), str(right))
        if operator == "**" or not (_is_number(left) and _is_number(right)):
            raise wrong_type(_("“%(operator)s” needs two numbers.") % {"operator": operator})
        return in_range(self.binop_table[operator](left, right))

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        if not _is_number(_defined(arg)):
            raise wrong_type(_("“%(operator)s” needs a number.") % {"operator": operator})
        return in_range(self.unop_table[operator](arg))


def _defined(value: Any) -> Any:
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def in_range(number: Any) -> Any:
    if isinstance(number, int) and abs(number) > MAX_INTEGER:
        raise RenderError("number_too_large", _("A number becomes too large."))
    return number


def text_of(value: Any) -> str:
    """A single value as text: what may be printed. Lists, groups of values and objects may not.

    A truth value is true or false, as in JSON and in the files we write; an author who wants other words
    writes {{ "yes" if profile.vip else "no" }}.
    """
    if isinstance(_defined(value), str):
        return value  # type: ignore[no-any-return]
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise RenderError("not_printable", _("This is not a single value. Name one of its parts."))


def bounded(context: Context, *parts: str) -> str:
    size = sum(map(len, parts))
    if size > MAX_TEXT:
        raise too_large()
    budget_of(context).handle(size)
    return "".join(parts)


@pass_context
def finalize(context: Context, value: Any) -> str:
    # Takes the context although it needs none: otherwise Jinja2 would print constants while compiling.
    return text_of(value)


class Ready(str):
    """A text without anything to escape, encoded once although it is printed many times."""

    __slots__ = ("octets", "piece")
    piece: str
    octets: bytes  # of the piece

    def __new__(cls, text: str) -> Ready:
        made = super().__new__(cls, text)
        made.octets = encoded_octets(text)
        made.piece = made.octets.decode("ascii")
        return made


def as_encoded_text(value: Any) -> str:
    if type(value) is Ready:
        return value.piece
    return encoded_piece(value if type(value) is str else str(text_of(value)))


def as_encoded_html(value: Any) -> str:
    """Escapes by itself: the environment's own escaping would take what is encoded for raw text."""
    if type(value) is Ready:
        return value.piece
    text = value if type(value) is str else text_of(value)
    if type(text) is str and not MARKUP.search(text):
        return encoded_piece(text)  # as in the text version: the same is encoded once
    return encoded_piece(str(escape(text)))


def encoded_twice(value: Any) -> tuple[bytes, bytes]:
    """As text and as HTML: mostly the same."""
    if type(value) is Ready:
        return value.octets, value.octets
    text = value if type(value) is str else text_of(value)
    piece = encoded_octets(text)
    is_plain = type(text) is str and not MARKUP.search(text)
    return piece, piece if is_plain else encoded_octets(str(escape(text)))


def as_html(value: Any) -> str:
    return str(escape(text_of(value)))


def as_text(value: Any) -> str:
    return str(text_of(value))


@pass_context
def finalize_encoded(context: Context, value: Any) -> str:
    return as_encoded_text(value)


@pass_context
def finalize_encoded_html(context: Context, value: Any) -> str:
    return as_encoded_html(value)


def printer(html: bool, encoded: bool) -> Callable[[Any], str]:
    """How a value is written by the environment for the same."""
    if encoded:
        return as_encoded_html if html else as_encoded_text
    return as_html if html else as_text


class Steps:
    """The values of a loop; each one taken counts."""

    def __init__(self, values: Any, budget: Budget) -> None:
        self.values, self.budget = values, budget

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        self.budget.step()
        for value in self.values:
            self.budget.step()
            yield value


@pass_context
def steps(context: Context, value: Any) -> Steps:
    if type(_defined(value)) not in (list, tuple, dict):
        raise wrong_type(_("A loop needs a list."))
    return Steps(value, budget_of(context))


@pass_context
def concatenate(context: Context, *values: Any) -> str:
    return bounded(context, *(str(text_of(value)) for value in values))


# ---- filters ----------------------------------------------------------------------------------
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
    if not isinstance(_defined(value), int) or not -MAX_TEXT <= value <= MAX_TEXT:
        raise wrong_type(_("A whole number of ordinary size is needed."))
    return value  # type: ignore[no-any-return]


@value_filter("escape")
def escape_filter(context: Context, value: Any) -> Markup:
    return escape(bounded(context, text_of(value)))


FILTERS["e"] = FILTERS["escape"]


@value_filter("length")
def length(context: Context, value: Any) -> int:
    if type(_defined(value)) not in (str, Markup, list, tuple, dict):
        raise wrong_type(_("Only a text or a list has a length."))
    return len(value)


FILTERS["count"] = FILTERS["length"]


def _number(value: Any) -> int | float:
    if isinstance(_defined(value), str) and len(value) <= 40:
        value = float(value) if not value.strip().lstrip("+-").isdecimal() else int(value)
    if not _is_number(value) or not math.isfinite(value):
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
    if type(_defined(value)) not in (str, Markup, list, tuple):
        raise wrong_type(_("Only a text or a list has a first and a last part."))
    return (
        str(value[index])
        if isinstance(value, str) and value
        else (value[index] if value else context.environment.undefined(name=_("first or last of nothing")))
    )


@value_filter("join")
def join(context: Context, value: Any, separator: Any = "") -> str:
    if type(_defined(value)) not in (list, tuple):
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
    if isinstance(_defined(value), date | datetime):
        return value  # type: ignore[no-any-return]
    try:
        text = str(text_of(value))[:40]
        return date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
    except ValueError as error:
        raise wrong_type(_("This is not a date such as 2026-11-23.")) from error


# ---- tests ------------------------------------------------------------------------------------
def _whole_test(value: Any) -> int:
    if not isinstance(_defined(value), int):
        raise wrong_type(_("A whole number is needed here."))
    return value  # type: ignore[no-any-return]


def _divisible(value: Any, by: Any) -> bool:
    return _whole_test(value) % _whole_test(by) == 0


TESTS.update(
    {
        "defined": lambda value: not isinstance(value, Undefined),
        "undefined": lambda value: isinstance(value, Undefined),
        "none": lambda value: _defined(value) is None,
        "number": lambda value: _is_number(_defined(value)),
        "string": lambda value: isinstance(_defined(value), str),
        "even": lambda value: _divisible(value, 2),
        "odd": lambda value: not _divisible(value, 2),
        "divisibleby": _divisible,
    }
)


@cache
def environment(html: bool, encoded: bool = False) -> Environment:
    """`encoded`: what is printed becomes quoted-printable."""
    printed = finalize_encoded_html if html else finalize_encoded
    env = Environment(
        autoescape=html and not encoded,
        undefined=NotThere,
        finalize=printed if encoded else finalize,
        optimized=False,  # the optimiser would run filters while compiling, outside any budget
        keep_trailing_newline=True,
        loader=None,
        cache_size=0,
    )
    env.globals.clear()
    env.filters.clear()
    env.tests.clear()
    env.filters.update({**FILTERS, STEPS: steps, CONCATENATE: concatenate})
    env.tests.update(TESTS)
    return env


__all__ = [
    "CONCATENATE",
    "FILTERS",
    "MAX_INTEGER",
    "MAX_OUTPUT",
    "STEPS",
    "TESTS",
    "Budget",
    "Ready",
    "RenderError",
    "environment",
    "jinja2",
    "printer",
    "too_large",
]
