"""What a content asks of a call: the values it reads under `context.`, `profile.` and `audience.`, and which
must be there.

A value may be missing where the author says what stands in for it (`| default("…")`), where they ask whether
it is there (`is defined`), or where it stands inside a condition's branches only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jinja2 import nodes

from channels.messages import Content
from channels.sandbox import path_of
from channels.sandbox_environment import environment

LIST, NUMBER, TEXT = "list", "number", "text"
ARITHMETIC = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos)


@dataclass(frozen=True)
class Need:
    """`name` is the dotted path after `root`: context, profile or audience. `kind` is how it is used."""

    root: str
    name: str
    kind: str
    is_required: bool


def needs_of(content: Content) -> list[Need]:
    """Sorted by name. The content compiles; what does not is told elsewhere."""
    env = environment(False)
    return merged(need for source in _sources(content) for need in _walk(env.parse(source), is_guarded=False))


def merged(needs: Iterable[Need]) -> list[Need]:
    """One of each: required where one use requires it, of the kind that says most."""
    found: dict[tuple[str, str], Need] = {}
    for need in needs:
        known = found.setdefault((need.root, need.name), need)
        kind = known.kind if known.kind != TEXT else need.kind
        required = known.is_required or need.is_required
        found[need.root, need.name] = Need(need.root, need.name, kind, required)
    return [found[key] for key in sorted(found)]


def _sources(content: Content) -> Iterator[str]:
    for name in ("subject", "preheader", "html", "text", "url", "image"):
        yield getattr(content, name)
    yield from _texts(content.extra)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _walk(node: nodes.Node, *, is_guarded: bool, kind: str = TEXT) -> Iterator[Need]:
    path = list(path_of(node))
    if path:
        if path[0] in ("context", "profile", "audience") and len(path) > 1:
            yield Need(path[0], ".".join(path[1:]), kind, not is_guarded)
        return
    for child, guarded, wanted in _children(node, is_guarded):
        yield from _walk(child, is_guarded=guarded, kind=wanted)


def _children(node: nodes.Node, is_guarded: bool) -> Iterator[tuple[nodes.Node, bool, str]]:
    """Each child, whether it may be left out there, and the kind of value it stands for."""
    stands_in = isinstance(node, nodes.Filter) and node.name in ("default", "d")
    asks = isinstance(node, nodes.Test) and node.name in ("defined", "undefined")
    is_branching = isinstance(node, nodes.If | nodes.CondExpr | nodes.For)
    for name, value in node.iter_fields():
        children = value if isinstance(value, list) else [value]
        optional = stands_in or asks or (is_branching and name not in ("test", "iter"))
        optional = optional or (isinstance(node, nodes.And | nodes.Or) and name == "right")
        kind = LIST if isinstance(node, nodes.For) and name == "iter" else TEXT
        kind = NUMBER if isinstance(node, ARITHMETIC) else kind
        for child in children:
            if isinstance(child, nodes.Node):
                yield child, is_guarded or optional, kind
