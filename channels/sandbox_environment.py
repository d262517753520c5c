"""Where a message template runs: Jinja2 with none of its own filters, tests and globals.

Only plain data can be read, never an attribute of a Python object; every loop and every operator is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from django.utils.translation import gettext as _
from jinja2 import StrictUndefined, Undefined, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from channels.sandbox_filters import FILTERS, TESTS
from channels.sandbox_printing import finalize, finalize_encoded, finalize_encoded_html
from channels.sandbox_values import (
    Budget,
    bounded,
    budget_of,
    defined,
    in_range,
    is_number,
    text_of,
    wrong_type,
)

STEPS, CONCATENATE = "_steps", "_concatenate"  # a source cannot name them: names begin with a letter
LOOP_FACTS = {"index", "index0", "revindex", "revindex0", "first", "last", "length"}


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
        left, right = defined(left), defined(right)
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return bounded(context, str(left), str(right))
        if operator == "**" or not (is_number(left) and is_number(right)):
            raise wrong_type(_("“%(operator)s” needs two numbers.") % {"operator": operator})
        return in_range(self.binop_table[operator](left, right))

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        if not is_number(defined(arg)):
            raise wrong_type(_("“%(operator)s” needs a number.") % {"operator": operator})
        return in_range(self.unop_table[operator](arg))


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
    if type(defined(value)) not in (list, tuple, dict):
        raise wrong_type(_("A loop needs a list."))
    return Steps(value, budget_of(context))


@pass_context
def concatenate(context: Context, *values: Any) -> str:
    return bounded(context, *(str(text_of(value)) for value in values))


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
