"""What the lines of a rule's form are made of: inputs, the texts in them, and values made of texts.

What a browser sends stays text until a kind's `write` makes a condition of it; what does not fit its type
stays as it was typed and is refused by the rule language.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.utils.translation import gettext_lazy

from audiences.forms.lines.vocabulary import Vocabulary
from audiences.rules.fields import BOOLEAN, NUMBER

Given = dict[str, list[str]]  # the texts of each input, by its name
Options = Sequence[tuple[str, Any]]
YES_NO = [("true", gettext_lazy("yes")), ("false", gettext_lazy("no"))]
# What an input of one line cannot hold: browsers change line ends and drop NUL.
UNTYPABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Input:
    """`place` is the key of the condition that the input fills, as in the pointer of a fault.

    `shows`: a change of it asks for other inputs. `begins`: it stands on a new row.
    """

    name: str
    label: Any
    widget: str  # select, text, number, date, datetime-local, lines, checks
    texts: list[str]
    options: Options = ()
    place: str = "value"
    hint: Any = ""
    is_labelled: bool = False  # the label is seen, not only heard
    shows: bool = False
    begins: bool = False


class Kind(Protocol):
    def subjects(self, known: Vocabulary) -> list[tuple[Any, Options]]:
        """Options of the first choice of a line, in titled groups."""

    def reads(self, what: str) -> bool:
        """Whether a line with this first choice is of this kind."""

    def read(self, raw: dict[str, Any], known: Vocabulary) -> Given | None:
        """None: the condition is of another kind."""

    def write(self, given: Given, known: Vocabulary) -> Any: ...

    def settle(self, given: Given, known: Vocabulary) -> None:
        """After another first choice: replaces what no longer fits."""

    def inputs(self, given: Given, known: Vocabulary) -> list[Input]: ...


def first(given: Given, name: str) -> str:
    return (given.get(name) or [""])[0]


def lines_of(texts: list[str]) -> list[str]:
    """The values of a list, however they were typed: one per line or one per box."""
    parts = (part.strip() for text in texts for part in re.split(r"\r\n|\r|\n", text))
    return [part for part in parts if part]


def written(value: Any) -> str:
    """A value as it is typed; `typed` reads the same value back."""
    return value if isinstance(value, str) else json.dumps(value)


def typed(kind: str, text: str) -> Any:
    if kind == NUMBER:
        return number(text)
    if kind == BOOLEAN:
        return {"true": True, "false": False}.get(text, text)
    return text


def number(text: str) -> Any:
    for make in (int, float):
        try:
            return make(text)
        except ValueError:
            continue
    return text


def label_of(phrase: Any) -> str:
    """A phrase of the language without its values: “is in the last … days”."""
    words = _Blank({"field": "", "what": ""})
    return " ".join(str(phrase % words).replace("“…”", "…").split()).removesuffix("…").strip()


class _Blank(Mapping[str, str]):
    """Every place of a phrase that is not named is “…”."""

    def __init__(self, named: dict[str, str]) -> None:
        self.named = named

    def __getitem__(self, key: str) -> str:
        return self.named.get(key, "…")

    def __iter__(self) -> Any:
        return iter(self.named)

    def __len__(self) -> int:
        return len(self.named)


def labels_of(phrases: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(op, label_of(phrase)) for op, phrase in phrases.items()]


def settle_choice(given: Given, name: str, options: Options) -> None:
    """The first option, unless one of them is chosen."""
    if first(given, name) not in [value for value, _label in options]:
        given[name] = [options[0][0]]


def dumps(value: Any) -> str:
    """Indented, and with plain letters unless they could not be sent."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return json.dumps(value, indent=2) if re.search("[\ud800-\udfff]", text) else text


def loads(text: str) -> Any:
    """What is no JSON comes back as the text itself, which the language refuses."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
