"""Takes fragments into a content: `{{ fragment("footer") }}` becomes what that fragment says.

It happens where a content is frozen, shown or judged, never while sending: what was approved is what is
sent, whatever is published later. A frozen campaign keeps the numbers of the versions it took, so that what
is shown of it stays the same too (`pinned`).

Where a text stands decides what fits and how it is written: a design takes all kinds, a page takes HTML and
text, everything else takes text alone. Text that goes into a page is escaped, but for its template tags.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Workspace
from campaigns.models import Fragment, FragmentVersion
from common.errors import Problem, pointer_to

# In JSON that is kept as text a quotation mark has a backslash before it.
NAMED = r"""\{\{-?\s*fragment\(\s*\\?(?P<q>["'])(?P<key>[a-z0-9_-]{1,50})\\?(?P=q)\s*\)\s*-?\}\}"""
TAG = re.compile(NAMED)
INLINE = NAMED.replace("<q>", "<q2>").replace("<key>", "<key2>").replace("=q)", "=q2)")
ALONE = re.compile(rf"<mj-raw\b[^<>]*>\s*{NAMED}\s*</mj-raw\s*>|{INLINE}")
LITERAL = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
DEEPEST = 5  # a fragment in a fragment in …
LARGEST = 500_000  # characters of one text with everything that it takes in
DESIGN, PAGE, PLAIN = "mjml", "html", "text"
FITS = {DESIGN: {"mjml", "html", "text"}, PAGE: {"html", "text"}, PLAIN: {"text"}}


@dataclass(frozen=True)
class Piece:
    """A fragment as it was published. `number` is 0, and `source` empty, where it was not, or is archived."""

    key: str
    name: str
    kind: str
    source: str
    number: int
    is_archived: bool = False


def keys_in(value: Any) -> set[str]:
    """The fragments that any text in it names itself."""
    if isinstance(value, str):
        return {match["key"] for match in TAG.finditer(value)}
    if isinstance(value, Mapping):
        return {key for one in value.values() for key in keys_in(one)}
    if isinstance(value, list):
        return {key for one in value for key in keys_in(one)}
    return set()


def pieces(workspace: Workspace, keys: set[str], pinned: Mapping[str, int] | None = None) -> dict[str, Piece]:
    """Those fragments and all that they name in turn, in a query or two for each level.

    `pinned` says which version of each; without it the one that is published now.
    """
    found: dict[str, Piece] = {}
    wanted = set(keys)
    for _level in range(DEEPEST + 1):
        if not wanted:
            break
        rows = Fragment.objects.filter(workspace=workspace, key__in=wanted).select_related("published")
        known = {row.key: _piece(row) for row in rows}
        if pinned:
            known |= _pinned(workspace, {key: pinned[key] for key in wanted if key in pinned})
        found |= known
        wanted = {key for one in known.values() for key in keys_in(one.source)} - found.keys()
    return found


def _piece(row: Fragment) -> Piece:
    version = None if row.archived_at else row.published
    said = (version.source, version.number) if version else ("", 0)
    return Piece(row.key, row.name, row.kind, *said, is_archived=row.archived_at is not None)


def _pinned(workspace: Workspace, numbers: dict[str, int]) -> dict[str, Piece]:
    rows = FragmentVersion.objects.filter(fragment__workspace=workspace, fragment__key__in=numbers)
    return {
        one.fragment.key: Piece(
            one.fragment.key, one.fragment.name, one.fragment.kind, one.source, one.number
        )
        for one in rows.select_related("fragment")
        if one.number == numbers[one.fragment.key]
    }


class Taking:
    """One content being filled: `problems` say what could not be taken in, `numbers` which versions were."""

    def __init__(self, known: Mapping[str, Piece]) -> None:
        self.known = known
        self.problems: list[Problem] = []
        self.numbers: dict[str, int] = {}
        self._made: dict[tuple[str, str], str] = {}

    def part(self, name: str, value: Any) -> Any:
        """A part of a content, whatever it is made of. Pointers are /html, /extra/columns/0/expression …"""
        if name in ("mjml", "html") and isinstance(value, str):
            return self._text(value, DESIGN if name == "mjml" else PAGE, f"/{name}")
        if isinstance(value, str) and TAG.search(value) and value.lstrip().startswith("{"):
            return self._json(value, f"/{name}")
        return self._leaves(value, f"/{name}")

    def _json(self, text: str, pointer: str) -> str:
        """A webhook's text is JSON: what is taken in may not change its structure."""
        try:
            tree = json.loads(text)
        except (ValueError, RecursionError):
            return self._text(text, PLAIN, pointer)
        return json.dumps(self._leaves(tree, pointer), ensure_ascii=False, indent=2)

    def _leaves(self, value: Any, pointer: str) -> Any:
        if isinstance(value, str):
            return self._text(value, PLAIN, pointer)
        if isinstance(value, dict):
            return {name: self._leaves(one, pointer + pointer_to(name)) for name, one in value.items()}
        if isinstance(value, list):
            return [self._leaves(one, pointer + pointer_to(place)) for place, one in enumerate(value)]
        return value

    def _text(self, text: str, medium: str, pointer: str, trail: tuple[str, ...] = ()) -> str:
        written: list[str] = []
        end = size = 0
        for match in (ALONE if medium == DESIGN else TAG).finditer(text):
            whole, groups = match.group(), match.groupdict()
            key = groups["key"] or groups["key2"]
            is_alone = medium == DESIGN and groups["key"] is not None
            taken = self._fragment(key, medium, pointer, trail, is_alone=is_alone)
            if is_alone and self._kind(key) != DESIGN:  # then the element around it stays
                taken = whole[: whole.index("{")] + taken + whole[whole.rindex("}") + 1 :]
            written += [text[end : match.start()], taken]
            end, size = match.end(), size + match.start() - end + len(taken)
            if size > LARGEST:
                detail = _("With its fragments the text is longer than 500,000 characters.")
                self._fault("fragment_too_large", detail, pointer)
                return ""
        return "".join([*written, text[end:]])

    def _kind(self, key: str) -> str:
        return self.known[key].kind if key in self.known else ""

    def _fragment(
        self, key: str, medium: str, pointer: str, trail: tuple[str, ...], *, is_alone: bool
    ) -> str:
        piece = self.known.get(key)
        if fault := self._fault_of(key, piece, medium, trail, is_alone):
            self._fault(*fault, pointer)
            return ""
        assert piece is not None
        self.numbers[key] = piece.number
        if (key, medium) not in self._made:
            source = piece.source
            if piece.kind == "text" and medium != PLAIN:
                source = escaped(source)
            self._made[key, medium] = self._text(source, medium, pointer, (*trail, key))
        return self._made[key, medium]

    def _fault_of(
        self, key: str, piece: Piece | None, medium: str, trail: tuple[str, ...], is_alone: bool
    ) -> tuple[str, str] | None:
        named = {"name": piece.name if piece else key}
        if piece is None:
            return "fragment_unknown", unknown(key)
        if key in trail:
            return "fragment_cycle", cycle([*trail[trail.index(key) :], key])
        if len(trail) >= DEEPEST:
            return "fragment_too_deep", too_deep()
        if piece.is_archived and not piece.number:
            return "fragment_archived", _("The fragment “%(name)s” is archived. Take another one.") % named
        if not piece.number:
            detail = _("The fragment “%(name)s” was never published. Publish it first.")
            return "fragment_not_published", detail % named
        if piece.kind not in FITS[medium]:
            detail = {
                "mjml": _("“%(name)s” is a part of a design and fits nowhere else."),
                "html": _("“%(name)s” is HTML and does not fit into a plain text."),
            }[piece.kind]
            return "fragment_kind", detail % named
        if piece.kind == "mjml" and not is_alone:
            detail = _("“%(name)s” is a part of a design: it stands alone in an mj-raw element.")
            return "fragment_place", detail % named
        return None

    def _fault(self, code: str, detail: str, pointer: str) -> None:
        problem = Problem(code, detail, pointer)
        if problem not in self.problems:
            self.problems.append(problem)


def unknown(key: str) -> str:
    return _("There is no fragment “%(key)s”, or you may not see it.") % {"key": key}


def cycle(keys: list[str]) -> str:
    return _("Fragments would hold each other: %(path)s.") % {"path": " → ".join(keys)}


def too_deep() -> str:
    return _("Fragments hold each other at most %(deepest)s deep.") % {"deepest": DEEPEST}


def escaped(source: str) -> str:
    """Text as a page shows it: what stands outside of template tags is escaped."""
    written, end = [], 0
    for match in LITERAL.finditer(source):
        written += [html.escape(source[end : match.start()], quote=False), match.group()]
        end = match.end()
    return "".join([*written, html.escape(source[end:], quote=False)])


def take(
    kept: Mapping[str, Any], workspace: Workspace, pinned: Mapping[str, int] | None = None
) -> tuple[dict[str, Any], Taking]:
    """The content with every fragment in its place; what cannot be taken leaves nothing there."""
    keys = keys_in({name: value for name, value in kept.items() if name != "links"})
    taking = Taking(pieces(workspace, keys, pinned) if keys else {})
    if not keys:
        return dict(kept), taking
    filled = {name: value if name == "links" else taking.part(name, value) for name, value in kept.items()}
    return filled, taking


def edges(workspace: Workspace) -> Iterator[tuple[str, set[str]]]:
    """What each fragment names, in its draft or as it is published."""
    for key, draft, published in Fragment.objects.filter(workspace=workspace).values_list(
        "key", "source", "published__source"
    ):
        yield key, keys_in([draft, published or ""])
