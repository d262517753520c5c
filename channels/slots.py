"""The quick way through a template: its fixed text in pieces, with places for values between them.

A value is looked up and written once, however often it is printed. Where something else stands (a condition,
a loop, a filter), Jinja2 runs that part alone. Whatever is out of the ordinary, such as a value that is
missing or a list, is left to the whole template, which knows what to say about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.runtime import Context

MOST_PARTS = 50  # each is compiled on its own
ORDINARY = (int, float, bool, type(None))

Part = Callable[[Context], Iterator[str]]
Print = Callable[[Any], str]


@dataclass(frozen=True)
class Slots:
    """`pieces` has an empty text at each place of `values` (a path, and where it is printed) and `parts`."""

    pieces: list[str]
    values: list[tuple[tuple[str, ...], list[int]]]
    parts: list[tuple[int, Part]]
    printed: Print

    def fill(self, context: dict[str, Any]) -> list[str] | None:
        """All but the parts; None where a value is out of the ordinary."""
        pieces, printed = self.pieces.copy(), self.printed
        for path, places in self.values:
            try:
                value: Any = reduce(getitem, path, context)
            except (KeyError, TypeError):  # missing, or below something that is no group of values
                return None
            if not isinstance(value, str) and type(value) not in ORDINARY:
                return None
            piece = printed(value)
            for place in places:
                pieces[place] = piece
        return pieces


def of(
    tree: nodes.Template,
    env: jinja2.Environment,
    path_of: Callable[[nodes.Node], Iterator[str]],
    printed: Print,
) -> Slots | None:
    """None for a template that gives names to values, or has too many parts."""
    if tree.find(nodes.Assign) is not None:
        return None
    pieces, values, parts = list[str](), dict[tuple[str, ...], list[int]](), list[tuple[int, Part]]()
    for node in tree.body:
        for one in node.nodes if isinstance(node, nodes.Output) else [node]:
            if isinstance(one, nodes.TemplateData):
                pieces.append(one.data)
                continue
            if path := tuple(path_of(one)):
                values.setdefault(path, []).append(len(pieces))
            else:
                parts.append((len(pieces), _part(one, env)))
            pieces.append("")
            if len(parts) > MOST_PARTS:
                return None
    return Slots(pieces, list(values.items()), parts, printed)


def _part(node: nodes.Node, env: jinja2.Environment) -> Part:
    if isinstance(node, nodes.Expr):
        node = nodes.Output([node], lineno=node.lineno)
    tree = nodes.Template([node], lineno=node.lineno)
    tree.set_environment(env)
    return env.template_class.from_code(env, env.compile(tree), {}).root_render_func
