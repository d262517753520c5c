"""How a person stands with us, as a line of a form: what they allow, whether they can be reached, whose
audience they are in.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from audiences.forms.lines.parts import Given, Input, Options, first, label_of, number, settle_choice, written
from audiences.forms.lines.vocabulary import Vocabulary
from audiences.rules import audience, consent
from audiences.rules.phrases import PHRASES

IS = ("is", "is_not")


def is_or_not() -> Options:
    return [(op, label_of(PHRASES[op])) for op in IS]


class OfConsent:
    """{"consent": "email", "topic": …, "op": …, "value": …}"""

    def subjects(self, known: Vocabulary) -> list[tuple[Any, Options]]:
        named = [
            (f"consent:{name}", _("Consent · %(channel)s") % {"channel": label})
            for name, label in known.channels.items()
        ]
        return [(_("Permission"), named)]

    def reads(self, what: str) -> bool:
        return what.startswith("consent:")

    def read(self, raw: dict[str, Any], known: Vocabulary) -> Given | None:
        if raw.get("consent") not in known.channels:
            return None
        texts: Given = {name: [str(raw[name])] for name in ("topic", "op", "value") if name in raw}
        return {"what": [f"consent:{raw['consent']}"], **texts}

    def write(self, given: Given, known: Vocabulary) -> Any:
        topic = first(given, "topic")
        return {
            "consent": first(given, "what").removeprefix("consent:"),
            **({"topic": topic} if topic else {}),
            "op": first(given, "op"),
            "value": first(given, "value"),
        }

    def settle(self, given: Given, known: Vocabulary) -> None:
        settle_choice(given, "op", is_or_not())
        settle_choice(given, "value", list(consent.VALUES.items()))

    def inputs(self, given: Given, known: Vocabulary) -> list[Input]:
        topics = [("", _("the whole channel")), *known.topics]
        values = list(consent.VALUES.items())
        return [
            Input("topic", _("Topic"), "select", given.get("topic", [""]), topics, place="topic"),
            Input("op", _("Condition"), "select", [first(given, "op")], is_or_not(), place="op"),
            Input("value", _("Value"), "select", [first(given, "value")], values),
        ]


class Reachable:
    """{"reachable": "email", "op": …}"""

    def subjects(self, known: Vocabulary) -> list[tuple[Any, Options]]:
        named = [
            (f"reachable:{name}", _("Reachable · %(channel)s") % {"channel": label})
            for name, label in known.channels.items()
        ]
        return [(_("Permission"), named)]

    def reads(self, what: str) -> bool:
        return what.startswith("reachable:")

    def read(self, raw: dict[str, Any], known: Vocabulary) -> Given | None:
        if raw.get("reachable") not in known.channels:
            return None
        return {"what": [f"reachable:{raw['reachable']}"], "op": [str(raw.get("op", ""))]}

    def write(self, given: Given, known: Vocabulary) -> Any:
        return {"reachable": first(given, "what").removeprefix("reachable:"), "op": first(given, "op")}

    def settle(self, given: Given, known: Vocabulary) -> None:
        settle_choice(given, "op", [(op, op) for op in IS])

    def inputs(self, given: Given, known: Vocabulary) -> list[Input]:
        options = [("is", _("yes")), ("is_not", _("no"))]
        return [Input("op", _("Condition"), "select", [first(given, "op")], options, place="op")]


class InAudience:
    """{"audience": 12, "op": "in"}"""

    def subjects(self, known: Vocabulary) -> list[tuple[Any, Options]]:
        return [(_("Audiences"), [("audience", _("Another audience"))])]

    def reads(self, what: str) -> bool:
        return what == "audience"

    def read(self, raw: dict[str, Any], known: Vocabulary) -> Given | None:
        if "audience" not in raw:
            return None
        return {"what": ["audience"], "op": [str(raw.get("op", ""))], "audience": [written(raw["audience"])]}

    def write(self, given: Given, known: Vocabulary) -> Any:
        return {"audience": number(first(given, "audience")), "op": first(given, "op")}

    def settle(self, given: Given, known: Vocabulary) -> None:
        settle_choice(given, "op", list(audience.OPERATORS.items()))

    def inputs(self, given: Given, known: Vocabulary) -> list[Input]:
        operators = [("in", _("is in")), ("not_in", _("is not in"))]
        named = [("", _("Choose …")), *known.audiences]
        return [
            Input("op", _("Condition"), "select", [first(given, "op")], operators, place="op"),
            Input("audience", _("Audience"), "select", [first(given, "audience")], named, place="audience"),
        ]
