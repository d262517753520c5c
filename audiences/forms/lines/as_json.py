"""Whatever no other kind of line can hold exactly, written as JSON."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from audiences.forms.lines.parts import Given, Input, Options, dumps, first, loads
from audiences.forms.lines.vocabulary import Vocabulary


class AsJson:
    def subjects(self, known: Vocabulary) -> list[tuple[Any, Options]]:
        return [(_("Other"), [("json", _("Condition as JSON"))])]

    def reads(self, what: str) -> bool:
        return what == "json"

    def read(self, raw: Any, known: Vocabulary) -> Given:
        return {"what": ["json"], "json": [dumps(raw)]}

    def write(self, given: Given, known: Vocabulary) -> Any:
        return loads(first(given, "json"))

    def settle(self, given: Given, known: Vocabulary) -> None:
        if not first(given, "json"):
            given["json"] = ['{"field": "", "op": "is", "value": ""}']

    def inputs(self, given: Given, known: Vocabulary) -> list[Input]:
        return [Input("json", _("Condition as JSON"), "lines", [first(given, "json")], place="")]
