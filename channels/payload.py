"""A JSON object whose texts are templates: the shape of a request that an administrator writes once.

It is read as JSON first and each text is filled in by itself, so nothing a person's message holds can change
its structure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import replace
from typing import Any

from channels.sandbox import Template, compile_template
from common.errors import Invalid, Problem, pointer_to
from common.wording import worded as _

MAX_LEAVES, MAX_NESTING = 100, 10


class Tree:
    """Parsed JSON of which every text leaf is a template.

    Raises Invalid `bad_payload` when it is too large, or a template's own code, pointing to the leaf.
    """

    def __init__(
        self, tree: Any, pointer: str, *, most: int = MAX_LEAVES, nesting: int = MAX_NESTING
    ) -> None:
        self.tree = tree
        leaves = list(_leaves(tree, pointer, nesting))
        if len(leaves) > most:
            detail = _("The payload has more than %(most)s values.") % {"most": most}
            raise Invalid(Problem("bad_payload", detail, pointer))
        self.templates: dict[str, Template] = {}
        problems: list[Problem] = []
        for leaf, where in leaves:
            try:
                if isinstance(leaf, str) and leaf not in self.templates:
                    self.templates[leaf] = compile_template(leaf, html=False)
            except Invalid as error:
                problems += [replace(problem, pointer=where) for problem in error.problems]
        if problems:
            raise Invalid(problems)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for made in self.templates.values() for name in made.names)

    def fill(self, values: Mapping[str, Any]) -> Any:
        """Raises RenderError."""
        filled = {text: template.render(dict(values)) for text, template in self.templates.items()}
        return _filled(self.tree, filled)


class Payload(Tree):
    """Raises Invalid `bad_payload` or a template's own code. `allowed` are the names it may use, or None."""

    def __init__(self, text: str, allowed: Set[str] | None = None) -> None:
        try:
            tree: Any = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            detail = _("The payload is not JSON: %(error)s") % {"error": error}
            raise Invalid(Problem("bad_payload", detail, "payload")) from error
        if not isinstance(tree, dict):
            raise Invalid(Problem("bad_payload", _("The payload must be a JSON object."), "payload"))
        try:
            super().__init__(tree, "payload")
        except Invalid as error:
            raise Invalid(replace(problem, pointer="payload") for problem in error.problems) from error
        if allowed is not None and (unknown := self.names - allowed):
            detail = _("There is no “%(name)s” in a payload.") % {"name": min(unknown)[:80]}
            raise Invalid(Problem("unknown_name", detail, "payload"))

    @property
    def is_flat(self) -> bool:
        return not any(isinstance(value, dict | list) for value in self.tree.values())


def _refuse(name: str) -> None:
    """NaN and the infinities, which Python reads and JSON does not have."""
    raise ValueError(f"{name} is no JSON")


def _leaves(value: Any, pointer: str, nesting: int) -> Iterator[tuple[Any, str]]:
    """Each leaf with where it stands."""
    if nesting < 0:
        raise Invalid(Problem("bad_payload", _("The payload nests too deeply."), pointer))
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(one, pointer + pointer_to(name), nesting - 1)
    else:
        yield value, pointer


def _filled(value: Any, filled: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(one, filled) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, filled) for one in value]
    return filled[value] if isinstance(value, str) else value
