"""Sentences that are kept and read later: each reader gets them in their own language.

`worded` reads like gettext and gives a text in the language of the moment that remembers what it was made of.
`kept` turns such a text into JSON, and `spoken` turns that JSON into words for whoever reads it now. What the
other side said is plain text and stays as it was said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.utils.translation import gettext, pgettext


class Worded(str):
    """A translated text with its source text and the values in it."""

    source: str
    values: Mapping[str, Any]

    def __new__(cls, source: str, values: Mapping[str, Any] | None = None) -> Worded:
        words = gettext(source) if source else source
        made = super().__new__(cls, words % values if values else words)
        made.source, made.values = source, values or {}
        return made

    def __mod__(self, values: Any) -> str:
        return Worded(self.source, values) if isinstance(values, Mapping) else super().__mod__(values)


def worded(source: str) -> Worded:
    return Worded(source)


def comma() -> str:
    return pgettext("between the words of a list", ", ")


def listed(words: Iterable[object]) -> str:
    """“a, b, c” as the reader's language writes it."""
    return comma().join(map(str, words))


def colon() -> str:
    return pgettext("between a word and what it tells of", ": ")


def joined(before: str, after: str, *, by: str = " ") -> str:
    """Two texts as one; where one is empty, the other."""
    if not before or not after:
        return before or after
    return Worded(f"%(before)s{by}%(after)s", {"before": before, "after": after})


def rewritten(text: str, rewrite: Callable[[str], str]) -> str:
    """The text with `rewrite` applied to what is not ours to word: the values, or a plain text as a whole."""
    if not isinstance(text, Worded):
        return rewrite(text)
    values = {
        name: rewritten(value, rewrite) if isinstance(value, str) else value
        for name, value in text.values.items()
    }
    return Worded(text.source, values)


def kept(text: Any) -> Any:
    """JSON: the text itself, or `{"text": …, "with": {name: …}}` of one that is worded."""
    if not isinstance(text, Worded):
        return str(text)
    values = {
        name: value if isinstance(value, int | float) else kept(value) for name, value in text.values.items()
    }
    return {"text": text.source, "with": values}


def spoken(told: Any) -> str:
    """What `kept` made, in the reader's language."""
    if not isinstance(told, dict):
        return str(told)
    values = {
        name: spoken(value) if isinstance(value, dict) else value for name, value in told["with"].items()
    }
    return Worded(told["text"], values)
