"""What a message template may hold and do: plain values of bounded size, and a budget for each rendering."""

from __future__ import annotations

import time
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext as _
from jinja2 import Undefined
from jinja2.runtime import Context

from common.errors import CarillonError

MAX_TEXT, MAX_OUTPUT, MAX_STEPS, MAX_WORK = 100_000, 1_000_000, 100_000, 20_000_000
MAX_SECONDS = 2.0
MAX_INTEGER = 10**18


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


def defined(value: Any) -> Any:
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    return value


def is_number(value: Any) -> bool:
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
    if isinstance(defined(value), str):
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
