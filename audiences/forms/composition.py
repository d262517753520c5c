"""An audience put together from others, as a browser sends it: whom to take and leave out, a split, a rank.

What is nested deeper is written as JSON. The form makes the tree; its meaning is checked by `composition.py`.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.access import Actor
from accounts.models import Workspace
from audiences.access import choosable
from audiences.composition import RANKABLE, SPLITTABLE
from audiences.forms.rule import AudienceForm
from audiences.models import Audience, Topic
from audiences.rules.fields import BOOLEAN, NUMBER, Field, fields_of
from common.errors import Invalid, Problem

YES, NO = ("yes", "true", "是", "1"), ("no", "false", "否", "0")
# The field that a place in the tree came from, by its name there.
FIELDS = {"percent": "percent_to", "others_than": "values", "remove": "remove", "from": "include"}
FIELDS |= {name: name for name in ("seed", "attribute", "values", "by", "order", "limit")}
NONE, PERCENT, VALUES, OTHERS = "", "percent", "values", "others_than"


class CompositionForm(AudienceForm):
    """`tree()` is what was put together; `initial_of` shows a saved one in the same fields, or as JSON."""

    join = forms.ChoiceField(
        label=gettext_lazy("Take people who are in"),
        choices=[
            ("union", gettext_lazy("any of these audiences")),
            ("intersection", gettext_lazy("all of these audiences")),
        ],
        initial="union",
    )
    include = forms.MultipleChoiceField(label=gettext_lazy("Audiences"), required=False)
    remove = forms.MultipleChoiceField(label=gettext_lazy("Leave out everybody in"), required=False)
    split = forms.ChoiceField(
        label=gettext_lazy("Of these, take"),
        required=False,
        choices=[
            (NONE, gettext_lazy("everybody")),
            (PERCENT, gettext_lazy("a part by lot")),
            (VALUES, gettext_lazy("those whose attribute is one of")),
            (OTHERS, gettext_lazy("those whose attribute is none of")),
        ],
    )
    percent_from = forms.FloatField(label=gettext_lazy("From %"), required=False, min_value=0, max_value=100)
    percent_to = forms.FloatField(label=gettext_lazy("To %"), required=False, min_value=0, max_value=100)
    seed = forms.CharField(
        label=gettext_lazy("Name of the draw"),
        required=False,
        max_length=100,
        help_text=gettext_lazy(
            "With the same name the same people are drawn, in every audience. Left empty, it is today’s date."
        ),
    )
    attribute = forms.ChoiceField(label=gettext_lazy("Attribute"), required=False)
    values = forms.CharField(
        label=gettext_lazy("Values"),
        required=False,
        max_length=2000,
        help_text=gettext_lazy("Separate them with commas."),
    )
    by = forms.ChoiceField(label=gettext_lazy("Order by"), required=False)
    order = forms.ChoiceField(
        label=gettext_lazy("Direction"),
        choices=[("desc", gettext_lazy("highest first")), ("asc", gettext_lazy("lowest first"))],
        required=False,
    )
    limit = forms.IntegerField(label=gettext_lazy("Take the first"), required=False, min_value=1)
    json = forms.CharField(
        label=gettext_lazy("Composition as JSON"),
        required=False,
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "spellcheck": "false"}),
        help_text=gettext_lazy("When something stands here, it counts instead of the fields above."),
    )
    seen_at = forms.CharField(widget=forms.HiddenInput, required=False)
    builder = forms.CharField(widget=forms.HiddenInput, required=False)  # what its counts run under

    def __init__(
        self, *args: Any, workspace: Workspace, actor: Actor, audience: Audience | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("builder", secrets.token_hex(8))
        self.known = fields_of(workspace)
        self.offered = {
            str(row.pk): row
            for row in choosable(actor, workspace)
            if audience is None or row.pk != audience.pk
        }
        for name in ("include", "remove"):
            self._offer(name, [(key, row.name) for key, row in self.offered.items()])
        self._offer("attribute", self._fields(SPLITTABLE))
        self._offer("by", self._fields(RANKABLE))

    def _fields(self, types: tuple[str, ...]) -> list[tuple[str, Any]]:
        fits = [(key, field.label) for key, field in self.known.items() if field.type in types]
        return [("", "—"), *fits]

    def _offer(self, name: str, choices: list[tuple[str, Any]]) -> None:
        chooser = self.fields[name]
        assert isinstance(chooser, forms.ChoiceField)
        chooser.choices = choices

    def rows(self, name: str) -> list[tuple[Audience, bool]]:
        """Every audience that may be chosen, and whether it is."""
        chosen = {str(value) for value in self[name].value() or ()}
        return [(row, key in chosen) for key, row in self.offered.items()]

    def missing(self) -> list[str]:
        """What keeps it from being counted, as one reads it beside the number."""
        return list(dict.fromkeys(str(text) for texts in self.errors.values() for text in texts))

    def clean(self) -> None:
        given = self.cleaned_data
        if given.get("json", "").strip():
            return
        if not given.get("include") and "include" not in self.errors:
            self.add_error("include", _("Choose at least one audience."))
        if given.get("split") == PERCENT and not given.get("seed", "").strip():
            given["seed"] = timezone.localdate().isoformat()
        low, high = given.get("percent_from") or 0, given.get("percent_to")
        if given.get("split") == PERCENT and high is not None and low >= high:
            self.add_error("percent_to", _("Write the lower number first, such as 0 and 10."))
        if given.get("split") in (VALUES, OTHERS) and not given.get("attribute"):
            self.add_error("attribute", _("Choose an attribute."))
        if bool(given.get("by")) != bool(given.get("limit")) and "limit" not in self.errors:
            self.add_error("limit", _("Give both what to order by and how many to take."))

    def by_field(self, error: Invalid) -> Invalid:
        """The faults of the tree where their fields are; of what was written as JSON, below it by place."""
        if self.cleaned_data["json"].strip():
            return error
        return Invalid(Problem(one.code, one.detail, _field_of(one.pointer)) for one in error.problems)

    def tree(self) -> Any:
        """The composition as JSON; None after noting that what was written is no JSON."""
        given = self.cleaned_data
        if written := given["json"].strip():
            try:
                return json.loads(written)
            except (ValueError, RecursionError):
                self.add_error("json", _("This is not JSON. Check quotation marks, commas and brackets."))
                return None
        parts = [{"audience": int(key)} for key in given["include"]]
        node: dict[str, Any] = parts[0] if len(parts) == 1 else {given["join"]: parts}
        if given["remove"]:
            removed = [{"audience": int(key)} for key in given["remove"]]
            node = {"exclusion": {"from": node, "remove": removed}}
        node = self._split(node, given)
        if given["by"]:
            ranked = {"by": given["by"], "order": given["order"] or "desc", "limit": given["limit"]}
            node = {"rank": {"of": node, **ranked}}
        return node

    def _split(self, node: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        if given["split"] == PERCENT:
            low, high = given["percent_from"] or 0, given["percent_to"]
            share = [_whole(low), _whole(100 if high is None else high)]
            return {"split": {"of": node, "percent": share, "seed": given["seed"].strip()}}
        if given["split"] in (VALUES, OTHERS):
            field = self.known[given["attribute"]]
            values = [_typed(field, part.strip()) for part in given["values"].split(",") if part.strip()]
            return {"split": {"of": node, "attribute": field.key, given["split"]: values}}
        return node


def _field_of(pointer: str) -> str:
    if not pointer.startswith("/"):
        return pointer
    names = [FIELDS[part] for part in pointer.split("/") if part in FIELDS]
    return names[-1] if names else "include"


def _whole(number: float) -> float:
    return int(number) if float(number).is_integer() else number


def _typed(field: Field, text: str) -> Any:
    """What was typed in the attribute's type; what does not fit stays text and is refused by its meaning."""
    if field.type == BOOLEAN and text.lower() in YES + NO:
        return text.lower() in YES
    if field.type == NUMBER:
        try:
            return _whole(float(text))
        except (ValueError, OverflowError):
            return text
    return text


def initial_of(tree: Any) -> dict[str, Any]:
    """A saved composition in the form's fields where it has their shape, else as JSON."""
    first: dict[str, Any] = {}
    node = tree
    if set(node) == {"rank"}:
        first |= {key: node["rank"][key] for key in ("by", "order", "limit")}
        node = node["rank"]["of"]
    if set(node) == {"split"}:
        first |= _split_initial(node["split"])
        node = node["split"]["of"]
    removed: list[Any] = []
    if set(node) == {"exclusion"}:
        node, removed = node["exclusion"]["from"], node["exclusion"]["remove"]
    kind, parts = next(iter(node.items()))
    if kind == "audience":
        kind, parts = "union", [node]
    named = isinstance(parts, list) and all(set(part) == {"audience"} for part in [*parts, *removed])
    if kind not in ("union", "intersection") or not named or "," in first.pop("odd", ""):
        return {"json": json.dumps(tree, indent=2, ensure_ascii=False)}
    chosen = {"include": [part["audience"] for part in parts], "remove": [p["audience"] for p in removed]}
    return {**first, **chosen, "join": kind}


def _split_initial(split: dict[str, Any]) -> dict[str, Any]:
    """`odd` holds a comma when a value does, which cannot be typed between commas."""
    if "percent" in split:
        low, high = split["percent"]
        return {"split": PERCENT, "percent_from": low, "percent_to": high, "seed": split["seed"]}
    key = VALUES if VALUES in split else OTHERS
    texts = [(_("yes") if one else _("no")) if isinstance(one, bool) else str(one) for one in split[key]]
    odd = "," if any("," in text or text != text.strip() or not text for text in texts) else ""
    return {"split": key, "attribute": split["attribute"], "values": ", ".join(texts), "odd": odd}


class SubscriptionForm(AudienceForm):
    """Everybody who subscribed to one topic."""

    topic = forms.ModelChoiceField(
        label=gettext_lazy("Topic"), queryset=Topic.objects.none(), empty_label=gettext_lazy("Choose one")
    )

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["everybody"]
        chooser = self.fields["topic"]
        assert isinstance(chooser, forms.ModelChoiceField)
        chooser.queryset = Topic.objects.filter(workspace=workspace, archived_at=None)
