"""The kinds of condition as lines of a form, found by the first choice of the line.

A new kind of the rule language is one class and one place in KINDS. A condition that the inputs cannot hold
exactly is shown as JSON, so that opening and saving a rule changes nothing in it.
"""

from __future__ import annotations

import json
from typing import Any

from audiences.forms.lines.as_json import AsJson
from audiences.forms.lines.counting import OfEngagement, OfEvent
from audiences.forms.lines.field import OfField
from audiences.forms.lines.parts import UNTYPABLE, Given, Kind, first
from audiences.forms.lines.standing import InAudience, OfConsent, Reachable
from audiences.forms.lines.vocabulary import Vocabulary

AS_JSON = AsJson()
KINDS: tuple[Kind, ...] = (
    OfField(),
    OfEvent(),
    OfEngagement(),
    OfConsent(),
    Reachable(),
    InAudience(),
    AS_JSON,
)


def read(raw: Any, known: Vocabulary) -> Given:
    """The inputs that hold the condition exactly."""
    for kind in KINDS:
        given = kind.read(raw, known) if isinstance(raw, dict) else None
        if given and _is_typable(given) and _same(kind.write(given, known), raw):
            return given
    return AS_JSON.read(raw, known)


def kind_of(given: Given) -> Kind | None:
    """None while nothing is chosen, or for what is no choice of ours."""
    what = first(given, "what")
    return next((kind for kind in KINDS if kind.reads(what)), None)


def write(given: Given, known: Vocabulary) -> Any:
    kind = kind_of(given)
    return kind.write(given, known) if kind else {"field": first(given, "what"), "op": ""}


def _is_typable(given: Given) -> bool:
    return not any(UNTYPABLE.search(text) for texts in given.values() for text in texts)


def _same(one: Any, other: Any) -> bool:
    """Equal also in type: 1 is neither 1.0 nor true."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
