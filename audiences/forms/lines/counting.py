"""How often something happened, as a line of a form: events, and what people did with our messages."""

from __future__ import annotations

import json
import re
from typing import Any

from django.utils.translation import gettext as _

from audiences.forms.lines.parts import (
    Given,
    Input,
    Options,
    first,
    label_of,
    labels_of,
    number,
    settle_choice,
    written,
)
from audiences.forms.lines.vocabulary import Vocabulary
from audiences.rules.event import MAX_WHERE, PROPERTY_OPERATORS
from audiences.rules.phrases import COUNTS, PHRASES

NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


def read_count(raw: dict[str, Any]) -> Given:
    given = {"op": [str(raw.get("op", ""))]}
    return given | {name: [written(raw[name])] for name in ("count", "days") if name in raw}


def write_count(given: Given) -> dict[str, Any]:
    """An empty input stands for what the language takes when nothing is said: once, and ever."""
    numbers = {name: first(given, name) for name in ("count", "days")}
    return {
        "op": first(given, "op"),
        **{name: number(text) for name, text in numbers.items() if text.strip()},
    }


def count_inputs(given: Given) -> list[Input]:
    boxes = {name: given.get(name) or [""] for name in ("op", "count", "days")}
    return [
        Input("op", _("How often"), "select", boxes["op"], labels_of(COUNTS), place="op"),
        Input("count", _("how many times"), "number", boxes["count"], place="count", is_labelled=True),
        Input(
            "days",
            _("days back"),
            "number",
            boxes["days"],
            place="days",
            is_labelled=True,
            hint=_("empty: ever"),
        ),
    ]


def settle_count(given: Given) -> None:
    settle_choice(given, "op", labels_of(COUNTS))
    if first(given, "was") != first(given, "what"):
        given.setdefault("count", ["1"])
        given.setdefault("days", ["30"])


class OfEvent:
    """{"event": …, "op": …, "count": …, "days": …, "where": […]}"""

    def subjects(self, known: Vocabulary) -> list[tuple[Any, Options]]:
        return [(_("Behaviour"), [("event", _("Event"))])]

    def reads(self, what: str) -> bool:
        return what == "event"

    def read(self, raw: dict[str, Any], known: Vocabulary) -> Given | None:
        where = raw.get("where", [])
        if not isinstance(raw.get("event"), str) or not isinstance(where, list):
            return None
        rows = [row for row in where if isinstance(row, dict)]
        return {
            "what": ["event"],
            "event": [raw["event"]],
            **read_count(raw),
            "where_property": [str(row.get("property", "")) for row in rows],
            "where_op": [str(row.get("op", "")) for row in rows],
            "where_value": [_written(row.get("value")) for row in rows],
        }

    def write(self, given: Given, known: Vocabulary) -> Any:
        where = [
            {"property": key, "op": op, "value": _typed(text)}
            for key, op, text in _rows(given)
            if key or text
        ]
        return {"event": first(given, "event"), **write_count(given), **({"where": where} if where else {})}

    def settle(self, given: Given, known: Vocabulary) -> None:
        settle_count(given)

    def inputs(self, given: Given, known: Vocabulary) -> list[Input]:
        name = Input("event", _("Name of the event"), "text", [first(given, "event")], place="event")
        shown = [name, *count_inputs(given)]
        rows = [row for row in _rows(given) if row[0] or row[2]]
        for key, op, text in [*rows, ("", "is", "")][:MAX_WHERE]:
            shown += [
                Input(
                    "where_property", _("where"), "text", [key], place="where", is_labelled=True, begins=True
                ),
                Input("where_op", _("Condition"), "select", [op], _property_operators(), place="where"),
                Input("where_value", _("Value"), "text", [text], place="where"),
            ]
        return shown


def _rows(given: Given) -> list[tuple[str, str, str]]:
    parts = [given.get(name, []) for name in ("where_property", "where_op", "where_value")]
    return list(zip(*parts, strict=False))


def _property_operators() -> Options:
    names = dict.fromkeys(op for ops in PROPERTY_OPERATORS.values() for op in ops)
    return [(op, label_of(PHRASES[op])) for op in names]


def _typed(text: str) -> Any:
    """A property has no definition: what reads as a number or truth value is one, unless put in quotes."""
    if text in ("true", "false"):
        return text == "true"
    if NUMBER.fullmatch(text):
        return number(text)
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _unquoted(text)
    return text


def _unquoted(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _written(value: Any) -> str:
    if isinstance(value, str) and _typed(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


class OfEngagement:
    """{"engagement": …, "op": …, "count": …, "days": …, "campaign": …, "channel": …}"""

    def subjects(self, known: Vocabulary) -> list[tuple[Any, Options]]:
        words = {"what": _("a message"), "times": "", "when": ""}
        options = [
            (f"engagement:{name}", " ".join(str(lent.did % words).split()))
            for name, lent in known.engagements.items()
        ]
        return [(_("Behaviour"), options)]

    def reads(self, what: str) -> bool:
        return what.startswith("engagement:")

    def read(self, raw: dict[str, Any], known: Vocabulary) -> Given | None:
        if raw.get("engagement") not in known.engagements:
            return None
        more: Given = {name: [written(raw[name])] for name in ("campaign", "channel") if name in raw}
        return {"what": [f"engagement:{raw['engagement']}"], **read_count(raw), **more}

    def write(self, given: Given, known: Vocabulary) -> Any:
        name = first(given, "what").removeprefix("engagement:")
        campaign, channel = first(given, "campaign"), first(given, "channel")
        return {
            "engagement": name,
            **write_count(given),
            **({"campaign": number(campaign)} if campaign else {}),
            **({"channel": channel} if channel else {}),
        }

    def settle(self, given: Given, known: Vocabulary) -> None:
        settle_count(given)

    def inputs(self, given: Given, known: Vocabulary) -> list[Input]:
        any_campaign, any_channel = ("", _("any campaign")), ("", _("any channel"))
        campaigns = [any_campaign, *known.campaigns]
        channels = [any_channel, *known.channels.items()]
        return [
            *count_inputs(given),
            Input(
                "campaign", _("Campaign"), "select", given.get("campaign", [""]), campaigns, place="campaign"
            ),
            Input("channel", _("Channel"), "select", given.get("channel", [""]), channels, place="channel"),
        ]
