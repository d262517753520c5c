"""The quick way through a template: its fixed text in pieces, with places for values between them.

A value is looked up and written once, however often it is printed. Where something else stands (a condition,
a loop, a filter), Jinja2 runs that part alone. Whatever is out of the ordinary, such as a value that is
missing or a list, is left to the whole template, which knows what to say about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
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
    """`pieces` has an empty text at each place of `values` and `parts`. `values` are by the group they stand
    in, which is looked up once: its path, and of each value the name and where it is printed.
    """

    pieces: list[str]
    values: dict[tuple[str, ...], list[tuple[str, list[int]]]]
    parts: list[tuple[int, Part]]
    printed: Print

    @cached_property
    def fixed_length(self) -> int:
        return sum(map(len, self.pieces))

    def fill(self, context: dict[str, Any]) -> tuple[list[str], int] | None:
        """All but the parts, and how many characters it is; None where a value is out of the ordinary."""
        pieces, length, printed = self.pieces.copy(), self.fixed_length, self.printed
        try:
            for path, values in self.values.items():
                group: Any = context
                for name in path:
                    group = group[name]
                for name, places in values:
                    value = group[name]
                    if not isinstance(value, str) and type(value) not in ORDINARY:
                        return None
                    piece = printed(value)
                    length += len(piece) * len(places)
                    for place in places:
                        pieces[place] = piece
        except (KeyError, TypeError):  # missing, or below something that is no group of values
            return None
        return pieces, length


def of(
    tree: nodes.Template,
    env: jinja2.Environment,
    path_of: Callable[[nodes.Node], Iterator[str]],
    printed: Print,
) -> Slots | None:
    """None for a template that gives names to values, or has too many parts."""
    if tree.find(nodes.Assign) is not None:
        return None
    pieces, places, parts = list[str](), dict[tuple[str, ...], list[int]](), list[tuple[int, Part]]()
    for node in tree.body:
        for one in node.nodes if isinstance(node, nodes.Output) else [node]:
            if isinstance(one, nodes.TemplateData):
                pieces.append(one.data)
                continue
            if path := tuple(path_of(one)):
                places.setdefault(path, []).append(len(pieces))
            else:
                parts.append((len(pieces), _part(one, env)))
            pieces.append("")
            if len(parts) > MOST_PARTS:
                return None
    values: dict[tuple[str, ...], list[tuple[str, list[int]]]] = {}
    for (*group, name), where in places.items():
        values.setdefault(tuple(group), []).append((name, where))
    return Slots(pieces, values, parts, printed)


def _part(node: nodes.Node, env: jinja2.Environment) -> Part:
    if isinstance(node, nodes.Expr):
        node = nodes.Output([node], lineno=node.lineno)
    tree = nodes.Template([node], lineno=node.lineno)
    tree.set_environment(env)
    return env.template_class.from_code(env, env.compile(tree), {}).root_render_func
