"""Approval policies read: whether a policy applies to a campaign, and whether those it asks have all agreed.

Conditions: `{"match": "all" | "any", "rows": [{"field", "value"}, …]}`; without rows a policy applies to all.
Approvers: `{"match": "any" | "all", "of": [{"user": id} | {"role": id} | {"match", "of": [people]}, …]}`, two
levels deep; `{}` is anybody who may approve. "All of" means that many different people: one person's word
fills one place only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from accounts.models import Role, User
from audiences import evaluate
from campaigns.models import Campaign, Folder

Leaf = dict[str, int]
Place = list[Leaf]  # filled by one person who fits any of the leaves
ANYBODY: Leaf = {}


class Facts:
    """What conditions are asked of; each is looked up only where a condition needs it."""

    def __init__(self, campaign: Campaign, requester: User | None) -> None:
        self.campaign, self.requester = campaign, requester

    @cached_property
    def channels(self) -> set[str]:
        return set(self.campaign.actions.values_list("channel", flat=True))

    @cached_property
    def roles(self) -> set[int]:
        if self.requester is None:
            return set()
        held = Role.objects.filter(workspace=self.campaign.workspace_id, user=self.requester)
        return set(held.values_list("pk", flat=True))

    @cached_property
    def folders(self) -> set[int]:
        """The campaign's folder and those it lies in."""
        parents = dict(
            Folder.objects.filter(workspace=self.campaign.workspace_id).values_list("pk", "parent")
        )
        found: set[int] = set()
        at = self.campaign.folder_id
        while at is not None and at not in found:
            found.add(at)
            at = parents.get(at)
        return found

    @cached_property
    def audience_size(self) -> int:
        audience = self.campaign.audience
        return evaluate.count(evaluate.definition(audience), audience.workspace_id) if audience else 0


FIELDS: dict[str, Callable[[Facts, Any], bool]] = {
    "type": lambda facts, value: facts.campaign.type == value,
    "category": lambda facts, value: facts.campaign.category == value,
    "channel": lambda facts, value: value in facts.channels,
    "tag": lambda facts, value: str(value).casefold() in {tag.casefold() for tag in facts.campaign.tags},
    "name": lambda facts, value: str(value).casefold() in facts.campaign.name.casefold(),
    "audience_size": lambda facts, value: facts.audience_size >= int(value),
    "requester": lambda facts, value: facts.requester is not None and facts.requester.pk == value,
    "requester_role": lambda facts, value: value in facts.roles,
    "folder": lambda facts, value: value in facts.folders,
}


def applies(conditions: dict[str, Any], facts: Facts) -> bool:
    rows = conditions.get("rows", [])
    met = (FIELDS[row["field"]](facts, row["value"]) for row in rows)
    return not rows or (any(met) if conditions.get("match") == "any" else all(met))


@dataclass(frozen=True)
class Word:
    """One person's agreement: for whom they speak, and the roles that those hold."""

    by: int
    users: frozenset[int]
    roles: frozenset[int]

    def fits(self, leaf: Leaf) -> bool:
        if "user" in leaf:
            return leaf["user"] in self.users
        return "role" not in leaf or leaf["role"] in self.roles


def ways(tree: dict[str, Any]) -> list[list[Place]]:
    """Every way to agree, each a list of places that different people fill."""
    if not tree.get("of"):
        return [[[ANYBODY]]]
    if tree["match"] == "all":
        return [[place for child in tree["of"] for place in _places(child)]]
    return [way for child in tree["of"] for way in _ways(child)]


def _places(child: dict[str, Any]) -> list[Place]:
    if "of" not in child:
        return [[child]]
    return [[leaf] for leaf in child["of"]] if child["match"] == "all" else [list(child["of"])]


def _ways(child: dict[str, Any]) -> list[list[Place]]:
    if "of" not in child:
        return [[[child]]]
    if child["match"] == "all":
        return [[[leaf] for leaf in child["of"]]]
    return [[[leaf]] for leaf in child["of"]]


def missing(tree: dict[str, Any], words: Sequence[Word]) -> list[Place]:
    """The places still open, in the way that lacks the fewest; empty when all that is asked is there."""
    return min((_unfilled(way, words) for way in ways(tree)), key=len)


def _unfilled(way: list[Place], words: Sequence[Word]) -> list[Place]:
    """A largest matching of places and people (Kuhn's algorithm), so that order never decides."""
    holder: dict[int, int] = {}  # person → place

    def seat(place: int, tried: set[int]) -> bool:
        for word in words:
            if word.by in tried or not any(word.fits(leaf) for leaf in way[place]):
                continue
            tried.add(word.by)
            if word.by not in holder or seat(holder[word.by], tried):
                holder[word.by] = place
                return True
        return False

    return [way[place] for place in range(len(way)) if not seat(place, set())]


def leaves(tree: dict[str, Any]) -> Iterable[Leaf]:
    for child in tree.get("of", []):
        yield from child.get("of", [child])
