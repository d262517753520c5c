"""Two versions of a campaign side by side, field by field, with the words that went and those that came."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Workspace
from audiences import membership
from campaigns import schedule, sentences
from campaigns.models import Campaign
from channels import rendering
from channels.models import ChannelConfiguration
from channels.sandbox import RenderError
from common.errors import Invalid
from common.percents import in_words
from common.wording import listed

GONE, NEW = "del", "ins"
EAST = r"\u2e80-\u9fff\uac00-\ud7a3\uff00-\uffef"  # written without spaces: each sign is a word
WORDS = re.compile(rf"\s+|[{EAST}]|[^\s{EAST}]+")
LONGEST, MOST_LINES = 4000, 2000  # what is compared word by word, and line by line
Definition = dict[str, Any]


@dataclass(frozen=True)
class Piece:
    text: str
    kind: str = ""


@dataclass(frozen=True)
class Difference:
    label: str
    before: list[Piece] = field(default_factory=list)
    after: list[Piece] = field(default_factory=list)

    @property
    def is_changed(self) -> bool:
        return any(piece.kind for piece in (*self.before, *self.after))


def differences(
    before: Definition,
    after: Definition,
    workspace: Workspace,
    *,
    hides_audience: bool = False,
    hidden: Collection[int] = (),
) -> list[Difference]:
    """Every field of both versions, in the editor's order. A hidden audience is told to differ, not how.

    `hidden` are the channel configurations whose names are not told.
    """
    old = dict(_fields(before, workspace, hidden))
    new = dict(_fields(after, workspace, hidden))
    found = [_difference(label, old.get(label, ""), new.get(label, "")) for label in {**new, **old}]
    if not hides_audience:
        return found
    secret = {_("Audience"), _("Left out")}
    return [_veiled(one) if one.label in secret else one for one in found]


def _veiled(one: Difference) -> Difference:
    text = _("An audience you may not see")
    kinds = (GONE, NEW) if one.is_changed else ("", "")
    return Difference(one.label, [Piece(text, kinds[0])], [Piece(text, kinds[1])])


def _fields(
    definition: Definition, workspace: Workspace, hidden: Collection[int]
) -> Iterator[tuple[str, str]]:
    """(label, text) of everything that a version freezes."""
    if definition["type"] == Campaign.Type.SCHEDULED:
        yield _("Audience"), _audience(definition.get("audience"), workspace)
        left_out = [_audience(one, workspace) for one in definition.get("exclusions", [])]
        yield _("Left out"), " / ".join(left_out)
        yield _("When"), _told(lambda: sentences.sentence(schedule.of_version(definition)))
        yield _("Waves"), _told(lambda: sentences.waves_sentence(definition.get("waves") or {}))
    else:
        yield _("Start"), _moment(definition.get("starts_at"))
        yield _("End"), _moment(definition.get("ends_at"))
        yield _("Creates profiles"), _yes_or_no(definition.get("create_profiles"))
    rate = definition.get("rate")
    yield _("Delivery rate"), _("%(rate)s a second") % {"rate": rate} if rate else ""
    if len(definition["actions"]) > 1:
        yield _("Reach"), _label(Campaign.Reach, definition.get("reach"))
    yield _("Tells feedback webhooks"), _yes_or_no(definition.get("enable_webhooks", True))
    untracked = definition.get("untracked", [])
    yield _("Opens are not recorded"), _yes_or_no("opens" in untracked)
    yield _("Clicks are not recorded"), _yes_or_no("clicks" in untracked)
    yield _("When it is uncertain"), _label(Campaign.OnUncertain, definition.get("on_uncertain"))
    yield _("Languages"), _languages(definition.get("languages") or {})
    yield _("Experiment"), _experiment(definition.get("experiment") or {})
    for action in definition["actions"]:
        yield from _action(action, len(definition["actions"]) > 1, hidden)


def _action(action: Definition, is_one_of_many: bool, hidden: Collection[int]) -> Iterator[tuple[str, str]]:
    head = f"{action['channel']} {action['position'] + 1} · " if is_one_of_many else ""
    chosen = ChannelConfiguration.objects.filter(pk=action.get("configuration") or 0).first()
    name = chosen.name if chosen else ""
    if chosen and chosen.pk in hidden:
        name = _("A configuration you may not see")
    yield head + _("Channel configuration"), name
    for content in action.get("contents", []):
        whose = " ".join(filter(None, (content.get("treatment"), content.get("language"))))
        for name, value in content["content"].items():
            label = CONTENT_LABELS[name]() if name in CONTENT_LABELS else name
            yield _named(head, label, whose), _content(name, value)
            if name == "html" and value:
                digest = hashlib.sha256(str(value).encode()).hexdigest()[:8]
                yield _named(head, _("Design"), whose), _("fingerprint %(digest)s") % {"digest": digest}


def _named(head: str, label: str, whose: str) -> str:
    return f"{head}{label} ({whose})" if whose else head + label


CONTENT_LABELS: dict[str, Callable[[], str]] = {
    "subject": lambda: _("Subject"),
    "preheader": lambda: _("Preview line"),
    "html": lambda: _("Message"),
    "text": lambda: _("Text version"),
    "url": lambda: _("Link"),
    "image": lambda: _("Picture"),
}


def _content(name: str, value: Any) -> str:
    """A page is compared by what one reads and where its links lead."""
    if name == "html" and value:
        try:
            return rendering.text_of(str(value))
        except RenderError:
            return str(value)
    if isinstance(value, str):
        return value
    return "\n".join(f"{key}: {one}" for key, one in value.items()) if isinstance(value, dict) else str(value)


def _audience(frozen: Definition | None, workspace: Workspace) -> str:
    return _told(lambda: membership.sentence(frozen, workspace)) if frozen else ""


def _told(say: Callable[[], str]) -> str:
    try:
        return say()
    except Invalid as error:
        return str(error.detail)


def _moment(text: str | None) -> str:
    return sentences.told(datetime.fromisoformat(text)) if text else ""


def _yes_or_no(value: Any) -> str:
    return _("yes") if value else _("no")


def _label(choices: Any, value: Any) -> str:
    return str(choices(value).label) if value in choices.values else ""


def _languages(given: Definition) -> str:
    return listed([given["default"], *given.get("others", [])]) if given.get("default") else ""


def _experiment(given: Definition) -> str:
    shares = [f"{one['key']} {in_words(one['percent'])}" for one in given.get("treatments", [])]
    holdout = [_("held out %(percent)s %%") % {"percent": given["holdout"]}] if given.get("holdout") else []
    return listed([*shares, *holdout])


def _difference(label: str, before: str, after: str) -> Difference:
    if before == after:
        return Difference(label, [Piece(before)], [Piece(after)])
    if len(before) + len(after) > LONGEST:
        return _by_lines(label, before, after)
    return Difference(label, *_pieces(WORDS.findall(before), WORDS.findall(after)))


def _by_lines(label: str, before: str, after: str) -> Difference:
    """A long text: only the lines that differ, each in its place."""
    old, new = _pieces(*(text.splitlines(keepends=True)[:MOST_LINES] for text in (before, after)))
    return Difference(label, [one for one in old if one.kind], [one for one in new if one.kind])


def _pieces(before: list[str], after: list[str]) -> tuple[list[Piece], list[Piece]]:
    old: list[Piece] = []
    new: list[Piece] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=len(before) > 500)
    for verb, a, b, c, d in matcher.get_opcodes():
        if verb == "equal":
            old.append(Piece("".join(before[a:b])))
            new.append(Piece("".join(after[c:d])))
            continue
        if a < b:
            old.append(Piece("".join(before[a:b]), GONE))
        if c < d:
            new.append(Piece("".join(after[c:d]), NEW))
    return old, new
