"""A JSON object whose texts are templates: the shape of a request that an administrator writes once.

It is read as JSON first and each text is filled in by itself, so nothing a person's message holds can change
its structure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from typing import Any

from django.utils.translation import gettext as _

from channels.sandbox import Template, compile_template
from common.errors import Invalid, Problem

MAX_LEAVES, MAX_NESTING = 100, 10


class Payload:
    """Raises Invalid `bad_payload` or a template's own code. `allowed` are the names it may use, or None."""

    def __init__(self, text: str, allowed: Set[str] | None = None) -> None:
        try:
            self.tree: Any = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            detail = _("The payload is not JSON: %(error)s") % {"error": error}
            raise Invalid(Problem("bad_payload", detail, "payload")) from error
        if not isinstance(self.tree, dict):
            raise Invalid(Problem("bad_payload", _("The payload must be a JSON object."), "payload"))
        leaves = list(_leaves(self.tree))
        if len(leaves) > MAX_LEAVES:
            raise Invalid(Problem("bad_payload", _("The payload has more than 100 values."), "payload"))
        self.templates: dict[str, Template] = {
            leaf: compile_template(leaf, html=False) for leaf in leaves if isinstance(leaf, str)
        }
        used = {name for made in self.templates.values() for name in made.names}
        if allowed is not None and (unknown := used - allowed):
            detail = _("There is no “%(name)s” in a payload.") % {"name": min(unknown)[:80]}
            raise Invalid(Problem("unknown_name", detail, "payload"))

    @property
    def is_flat(self) -> bool:
        return not any(isinstance(value, dict | list) for value in self.tree.values())

    def fill(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Raises RenderError."""
        filled = {text: template.render(dict(values)) for text, template in self.templates.items()}
        return dict(_filled(self.tree, filled))


def _refuse(name: str) -> None:
    """NaN and the infinities, which Python reads and JSON does not have."""
    raise ValueError(f"{name} is no JSON")


def _leaves(value: Any, depth: int = 0) -> Iterator[Any]:
    if depth > MAX_NESTING:
        raise Invalid(Problem("bad_payload", _("The payload nests too deeply."), "payload"))
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _leaves(one, depth + 1)
    else:
        yield value


def _filled(value: Any, filled: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(one, filled) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, filled) for one in value]
    return filled[value] if isinstance(value, str) else value
