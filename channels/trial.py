"""A template tried before anybody is written to: what fails whoever it is filled in for.

Its names are given stand-ins of several kinds in turn. A fault that stays the same with all of them is the
template's own; one that goes away with another kind of value may be right for real people, and the
pre-flight tells. So nothing is refused here that could be sent to somebody.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.utils.translation import get_language

from channels.sandbox import RenderError, Template, compile_template

STAND_INS: tuple[Any, ...] = ("1", "2026-11-23", 1)
BY_ITSELF = {"template_too_slow", "template_too_large", "template_too_complex"}  # no stand-in is that large
REMEMBERED = 64  # sources; a page asks for the same one several times, and a bad one takes seconds


def fault(source: str, *, html: bool) -> RenderError | None:
    """What a source that compiles fails with for everybody; None where somebody could get it."""
    return _fault(source, html, get_language()) if "{" in source else None


@lru_cache(maxsize=REMEMBERED)
def _fault(source: str, html: bool, language: str | None) -> RenderError | None:
    template, found = compile_template(source, html=html), None
    for stand_in in STAND_INS:
        try:
            template.render(_values(template, stand_in))
        except RenderError as error:
            if error.code in BY_ITSELF:
                return error.with_traceback(None)
            if error.code == "undefined_name" or (found and _told(found) != _told(error)):
                return None
            found = error.with_traceback(None)
        else:
            return None
    return found


def _told(error: RenderError) -> tuple[str, int, str]:
    return error.code, error.line, str(error.detail)


def _values(template: Template, stand_in: Any) -> dict[str, Any]:
    """Every name it reads, filled; a list is empty, for nobody knows what it holds."""
    values: dict[str, Any] = {}
    for name in sorted(template.names):  # `profile` before `profile.name`, which takes its place
        inner, (*branches, leaf) = values, name.split(".")
        for branch in branches:
            if not isinstance(inner.get(branch), dict):
                inner[branch] = {}
            inner = inner[branch]
        inner[leaf] = [] if name in template.lists else stand_in
    return values
