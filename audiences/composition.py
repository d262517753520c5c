"""An audience put together from others: its language, its checks, its SQL and its sentence.

    {"exclusion": {"from": {"union": [{"audience": 1}, {"rule": {…}}]}, "remove": [{"audience": 2}]}}

Nodes: audience, rule, union, intersection, exclusion, split (by lot or by an attribute), rank. Faults carry
their place in the tree, as those of a rule do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from accounts.models import Workspace
from audiences.query import Query, all_of, any_of
from audiences.rules import audience, compile, describe, grammar, operators, references
from audiences.rules.compile import scope_of
from audiences.rules.field import converting
from audiences.rules.fields import BOOLEAN, CHOICE, DATE, DATE_TIME, NUMBER, TEXT, Field
from audiences.rules.grammar import Group
from audiences.rules.phrases import phrase, word
from audiences.rules.reading import Reader, Value, echo
from audiences.rules.scope import Scope
from common.errors import Invalid, Problem

MAX_DEPTH, MAX_NODES, MAX_PARTS, MAX_RANK, MAX_SEED = 8, 100, 50, 100_000_000, 100
SPLITTABLE = (TEXT, CHOICE, NUMBER, BOOLEAN)
RANKABLE = (NUMBER, DATE, DATE_TIME, TEXT, CHOICE)
ORDERS: dict[str, Any] = {
    "desc": gettext_lazy("the first %(limit)s of %(people)s by %(field)s, highest first"),
    "asc": gettext_lazy("the first %(limit)s of %(people)s by %(field)s, lowest first"),
}


@dataclass(frozen=True)
class Named:
    definition: dict[str, Any]


@dataclass(frozen=True)
class Ruled:
    rule: Group


@dataclass(frozen=True)
class Joined:
    kind: str  # union, intersection
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Without:
    source: Node
    removed: tuple[Node, ...]


@dataclass(frozen=True)
class Lot:
    """A person's place between 0 and 100 follows from their number and the seed, so it never changes."""

    of: Node
    low: float
    high: float
    seed: str


@dataclass(frozen=True)
class Branch:
    """`others`: those whose value is none of these, or missing."""

    of: Node
    field: Field
    values: tuple[Value, ...]
    others: bool


@dataclass(frozen=True)
class Ranked:
    """Ties are broken by the person's number; who has no value comes last in either order."""

    of: Node
    field: Field
    order: str
    limit: int


Node = Named | Ruled | Joined | Without | Lot | Branch | Ranked


def check(tree: Any, workspace: Workspace, self_id: int | None = None) -> None:
    """Raises Invalid with every fault. The tree must not reach `self_id`, the audience it is saved to."""
    scope = scope_of(tree, workspace)
    parse(tree, scope)
    references.check(tree, scope.audiences, self_id)


def sentence(tree: Any, workspace: Workspace) -> str:
    """Raises Invalid as `check` does."""
    scope = scope_of(tree, workspace)
    return words(parse(tree, scope), scope)


def parse(tree: Any, scope: Scope) -> Node:
    reader = Reader(scope)
    node = _Parser(reader).node(tree, "", 1)
    reader.finish()
    assert node is not None
    return node


# ---- reading ---------------------------------------------------------------------------------------------


class _Parser:
    """Each method returns None after it noted a fault."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.count = 0

    def node(self, raw: Any, pointer: str, depth: int) -> Node | None:
        self.count += 1
        if self.count > MAX_NODES or depth > MAX_DEPTH:
            detail = _("A composition may hold %(nodes)s parts in %(depth)s levels.")
            words = {"nodes": MAX_NODES, "depth": MAX_DEPTH}
            raise Invalid(Problem("composition_too_large", detail % words, pointer))
        if not isinstance(raw, dict) or len(raw) != 1 or next(iter(raw)) not in READERS:
            detail = _("A part has exactly one of: %(keys)s.") % {"keys": ", ".join(READERS)}
            self.reader.fault("composition_bad_part", detail, pointer)
            return None
        key, given = next(iter(raw.items()))
        return READERS[key](self, given, f"{pointer}/{key}", depth)

    def named(self, given: Any, pointer: str, depth: int) -> Node | None:
        definition = audience.named(given, self.reader, pointer)
        return Named(definition) if definition else None

    def ruled(self, given: Any, pointer: str, depth: int) -> Node | None:
        group = grammar.read(given, self.reader, pointer)
        return Ruled(group) if group else None

    def union(self, given: Any, pointer: str, depth: int) -> Node | None:
        parts = self.parts(given, pointer, depth)
        return Joined("union", parts) if parts else None

    def intersection(self, given: Any, pointer: str, depth: int) -> Node | None:
        parts = self.parts(given, pointer, depth)
        return Joined("intersection", parts) if parts else None

    def parts(self, given: Any, pointer: str, depth: int) -> tuple[Node, ...] | None:
        if not isinstance(given, list) or not 0 < len(given) <= MAX_PARTS:
            detail = _("Give a list of 1 to %(most)s parts.") % {"most": MAX_PARTS}
            self.reader.fault("composition_too_large", detail, pointer)
            return None
        found = [self.node(item, f"{pointer}/{place}", depth + 1) for place, item in enumerate(given)]
        parts = tuple(node for node in found if node is not None)
        return parts if len(parts) == len(found) else None

    def exclusion(self, given: Any, pointer: str, depth: int) -> Node | None:
        if not self.has_keys(given, [("from", "remove")], pointer):
            return None
        source = self.node(given["from"], f"{pointer}/from", depth + 1)
        removed = self.parts(given["remove"], f"{pointer}/remove", depth)
        return Without(source, removed) if source and removed else None

    def split(self, given: Any, pointer: str, depth: int) -> Node | None:
        forms = [("of", "percent", "seed"), ("of", "attribute", "values"), ("of", "attribute", "others_than")]
        if not self.has_keys(given, forms, pointer):
            return None
        of = self.node(given["of"], f"{pointer}/of", depth + 1)
        if "percent" in given:
            return self.lot(given, of, pointer)
        key = "values" if "values" in given else "others_than"
        field = self.field(given["attribute"], SPLITTABLE, f"{pointer}/attribute")
        values = self.reader.values(field.type, given[key], f"{pointer}/{key}") if field else None
        return Branch(of, field, values, key == "others_than") if of and field and values else None

    def lot(self, given: dict[str, Any], of: Node | None, pointer: str) -> Node | None:
        share, seed = given["percent"], self.reader.text(given["seed"], f"{pointer}/seed")
        if seed is not None and not 0 < len(seed) <= MAX_SEED:
            detail = _("The seed is a text of 1 to %(most)s characters.") % {"most": MAX_SEED}
            self.reader.fault("composition_bad_seed", detail, f"{pointer}/seed")
            return None
        if not (isinstance(share, list) and len(share) == 2 and all(map(_is_percent, share))):
            share = [1, 0]
        if share[0] >= share[1]:
            detail = _("Give two numbers from 0 to 100, such as [0, 10]; the first is the lower one.")
            self.reader.fault("composition_bad_percent", detail, f"{pointer}/percent")
            return None
        return Lot(of, float(share[0]), float(share[1]), seed) if of and seed else None

    def rank(self, given: Any, pointer: str, depth: int) -> Node | None:
        if not self.has_keys(given, [("of", "by", "order", "limit")], pointer):
            return None
        of = self.node(given["of"], f"{pointer}/of", depth + 1)
        field = self.field(given["by"], RANKABLE, f"{pointer}/by")
        order = self.reader.choice(given["order"], ORDERS, "composition_bad_order", f"{pointer}/order")
        limit = self.reader.whole(given["limit"], 1, MAX_RANK, "composition_bad_limit", f"{pointer}/limit")
        return Ranked(of, field, order, limit) if of and field and order and limit else None

    def has_keys(self, given: Any, forms: Sequence[tuple[str, ...]], pointer: str) -> bool:
        if isinstance(given, dict) and any(set(given) == set(form) for form in forms):
            return True
        shown = " / ".join("{" + ", ".join(form) + "}" for form in forms)
        self.reader.fault("composition_bad_part", _("Give exactly %(keys)s.") % {"keys": shown}, pointer)
        return False

    def field(self, given: Any, types: tuple[str, ...], pointer: str) -> Field | None:
        field = self.reader.scope.fields.get(given) if isinstance(given, str) else None
        if field and field.is_converting:
            self.reader.fault("attribute_converting", converting(field), pointer)
            return None
        if field and field.type in types:
            return field
        detail = _("“%(name)s” is no field that can be used here.") % {"name": echo(given)}
        self.reader.fault("composition_bad_field", detail, pointer)
        return None


READERS: dict[str, Callable[[_Parser, Any, str, int], Node | None]] = {
    "audience": _Parser.named,
    "rule": _Parser.ruled,
    "union": _Parser.union,
    "intersection": _Parser.intersection,
    "exclusion": _Parser.exclusion,
    "split": _Parser.split,
    "rank": _Parser.rank,
}


def _is_percent(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= 100


# ---- SQL ---------------------------------------------------------------------------------------------------

# The first 32 bits of MD5 as a number from 0 to 100: the same on every machine and for ever.
PLACE = "(('x' || left(md5(%s::text || ':' || p.id), 8))::bit(32)::bigint * 100.0 / 4294967296)"


def condition(node: Node, scope: Scope) -> Query:
    """TRUE for the people `p` the part stands for."""
    if isinstance(node, Named):
        return audience.members(node.definition, scope)
    if isinstance(node, Ruled):
        return compile.condition(node.rule, scope)
    if isinstance(node, Joined):
        return _joined(node, scope)
    if isinstance(node, Without):
        removed = [condition(part, scope).opposite() for part in node.removed]
        return all_of([condition(node.source, scope), *removed])
    if isinstance(node, Ranked):
        return _ranked(node, scope)
    return all_of([condition(node.of, scope), own_condition(node, scope)])


def own_condition(node: Lot | Branch, scope: Scope) -> Query:
    """What a split asks beside being in what it splits."""
    if isinstance(node, Lot):
        between = Query(f"{PLACE} >= %s AND {PLACE} < %s", (node.seed, node.low, node.seed, node.high))
        return Query(f"({between.sql})", between.params)
    found = _one_of(node.field, node.values, scope.zone)
    return found.opposite() if node.others else found


def _one_of(field: Field, values: tuple[Value, ...], zone: str) -> Query:
    if field.type == BOOLEAN:
        return any_of(operators.ask(field, "is", (value,), zone) for value in values)
    return operators.ask(field, "one_of", values, zone)


def _joined(node: Joined, scope: Scope) -> Query:
    parts = [condition(part, scope) for part in node.parts]
    if node.kind == "intersection":
        return all_of(parts)
    if not any(isinstance(part, Ranked) for part in node.parts):
        return any_of(parts)
    # Each part by itself, as a rank inside an OR would be worked out again for each person.
    people = Query(
        "SELECT p.id FROM audiences_profile p WHERE p.workspace_id = %s AND ", (scope.workspace.pk,)
    )
    united = people + parts[0]
    for part in parts[1:]:
        united += Query(" UNION ALL ") + people + part
    return _among(united)


def _ranked(node: Ranked, scope: Scope) -> Query:
    by = operators.sortable(operators.of_field(node.field))
    return _among(
        Query("SELECT p.id FROM audiences_profile p WHERE p.workspace_id = %s AND ", (scope.workspace.pk,))
        + condition(node.of, scope)
        + Query(" ORDER BY ")
        + by
        + Query(f" {'DESC' if node.order == 'desc' else 'ASC'} NULLS LAST, p.id LIMIT %s", (node.limit,))
    )


def _among(people: Query) -> Query:
    found = f"EXISTS (SELECT 1 FROM ({people.sql}) chosen WHERE chosen.id = p.id)"
    return Query(found, people.params, f"NOT {found}")


# ---- the sentence ------------------------------------------------------------------------------------------


def words(node: Node, scope: Scope) -> str:
    if isinstance(node, Named):
        return _("the audience “%(name)s”") % {"name": node.definition["name"]}
    if isinstance(node, Ruled):
        return _("people for whom: %(rule)s") % {"rule": describe.words(node.rule, scope)}
    if isinstance(node, Joined):
        return _listed(node.parts, scope, is_union=node.kind == "union")
    if isinstance(node, Without):
        removed = _listed(node.removed, scope, is_union=True)
        return _("%(people)s without %(removed)s") % {
            "people": _inner(node.source, scope),
            "removed": removed,
        }
    if isinstance(node, Ranked):
        named = {"people": _inner(node.of, scope), "field": node.field.label, "limit": word(node.limit, "")}
        return str(ORDERS[node.order] % named)
    return _("those of %(people)s: %(which)s") % {
        "people": _inner(node.of, scope),
        "which": own_words(node, scope),
    }


def own_words(node: Lot | Branch, scope: Scope) -> str:
    if isinstance(node, Lot):
        share = word(round(node.high - node.low, 6), "")
        named = {"share": share, "low": word(node.low, ""), "high": word(node.high, ""), "seed": node.seed}
        return _("%(share)s %% by lot (from %(low)s to %(high)s of the draw “%(seed)s”)") % named
    op = "not_one_of" if node.others else "one_of"
    return phrase(str(node.field.label), op, node.values, scope.zone)


def _inner(node: Node, scope: Scope) -> str:
    text = words(node, scope)
    return text if isinstance(node, Named) else _("(%(conditions)s)") % {"conditions": text}


def _listed(parts: tuple[Node, ...], scope: Scope, *, is_union: bool) -> str:
    joiner = pgettext("between conditions", " or ") if is_union else pgettext("between conditions", " and ")
    return joiner.join(_inner(part, scope) if len(parts) > 1 else words(part, scope) for part in parts)
