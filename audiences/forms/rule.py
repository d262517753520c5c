"""The form of an audience's rule: its plain fields, and the rule as a tree of inputs beside its JSON.

The tree counts, unless the JSON was changed since it was shown; when both were changed, the person decides.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiences import definitions
from audiences.forms import lines, rule_tree
from audiences.forms.lines.parts import Input, Options, dumps, first, loads
from audiences.forms.lines.vocabulary import Vocabulary
from audiences.forms.rule_tree import LINE, Node, Tree
from audiences.rules.describe import sentence
from common.errors import Invalid

MAX_JSON = 1_000_000  # characters
TOKEN = re.compile(r"[0-9a-f]{16}")


class AudienceForm(forms.Form):
    """What an audience is called; the rule is the Builder's."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    description = forms.CharField(label=gettext_lazy("Description"), max_length=500, required=False)
    tags = forms.CharField(
        label=gettext_lazy("Tags"),
        max_length=1100,
        required=False,
        help_text=gettext_lazy("Separate tags with commas."),
    )
    everybody = forms.BooleanField(label=gettext_lazy("Yes, everybody"), required=False)

    def given_tags(self) -> list[str]:
        return [tag.strip() for tag in self.cleaned_data["tags"].split(",") if tag.strip()]


class Builder:
    """A rule being built. `said` is announced after a change, `focus` is the node to stand on."""

    def __init__(self, tree: Tree, *, token: str = "") -> None:
        self.tree, self.known = tree, tree.known
        self.token = token if TOKEN.fullmatch(token) else secrets.token_hex(8)
        self.said = self.focus = self.focus_part = ""
        self.faults: list[Any] = []
        self.json_faults: list[str] = []
        self.json_given: str | None = None  # JSON that was typed and could not be taken over
        self.is_json_changed = False  # by hand, since it was shown

    @classmethod
    def of_rule(cls, rule: Any, known: Vocabulary) -> Builder:
        return cls(rule_tree.of_rule(rule, known))

    @classmethod
    def of_post(cls, post: QueryDict, known: Vocabulary) -> Builder:
        """Raises Invalid for inputs that no page of ours sends."""
        builder = cls(rule_tree.of_post(post.lists(), known), token=post.get("builder", ""))
        given, shown = post.get("json"), post.get("json_shown", "")
        if given is not None and _digest(given) != shown:
            builder._take_json(given, is_asked=post.get("do") == "json", shown=shown)
        return builder

    @property
    def is_json_pending(self) -> bool:
        return self.json_given is not None

    def _take_json(self, given: str, *, is_asked: bool, shown: str) -> None:
        if not given.strip():
            return
        self.json_given, self.is_json_changed = given, True
        if not is_asked and _digest(self._json()) != shown:
            detail = _("You changed the form and the JSON. Take over the JSON, or clear it to keep the form.")
            self.json_faults = [detail]
            return
        raw = loads(given) if len(given) <= MAX_JSON else given
        if isinstance(raw, str):
            self.json_faults = [_("This is not JSON. Check quotation marks, commas and brackets.")]
        elif not isinstance(raw, dict):
            self.json_faults = [_("A rule is an object such as {“all”: […]}.")]
        else:
            self._replace_tree(raw)

    def _replace_tree(self, raw: dict[str, Any]) -> None:
        try:
            self.tree = rule_tree.of_rule(raw, self.known)
        except Invalid as error:
            self.json_faults = [problem.detail for problem in error.problems]
        else:
            self.json_given, self.said = None, _("The form now shows the JSON.")

    # ---- changes ------------------------------------------------------------------------------

    def change(self, verb: str, arguments: list[str]) -> None:
        """What a button of the form asks for. Raises Invalid for what no button of ours asks."""
        tree = self.tree
        if verb in ("add", "group") and len(arguments) == 1:
            self.said, self.focus = tree.add(arguments[0], LINE if verb == "add" else verb)
        elif verb == "remove" and len(arguments) == 1:
            self.said, self.focus = tree.remove(arguments[0])
        elif verb in ("up", "down") and len(arguments) == 1:
            self.said, self.focus = tree.step(arguments[0], -1 if verb == "up" else 1)
            self.focus_part = verb
        elif verb == "move" and len(arguments) == 3 and re.fullmatch(r"\d{1,4}", arguments[2]):
            self.said, self.focus = tree.move(arguments[0], arguments[1], int(arguments[2]))
        self.settle()

    def settle(self) -> None:
        """Replaces what no longer fits the first choice of a line."""
        for node in self.tree.root.everything():
            if kind := lines.kind_of(node.given):
                kind.settle(node.given, self.known)

    # ---- what the page shows ------------------------------------------------------------------

    def rule(self) -> Any:
        return self.tree.rule()

    def draft(self) -> Any:
        """The rule without the lines where nothing was chosen yet."""
        return self.tree.rule(with_blanks=False)

    def check_named(self, rule: Any) -> None:
        """Raises Invalid for what the reader may not see and did not stand there before."""
        stood = self.known.audience.rule if self.known.audience else {}
        definitions.check_named(rule, stood, self.known.workspace, self.known.actor)

    def sentence(self) -> str:
        """Empty while some line cannot be read."""
        try:
            rule = self.draft()
            self.check_named(rule)
            if definitions.names_hidden(rule, self.known.workspace, self.known.actor):
                return str(definitions.HIDDEN)
            return sentence(rule, self.known.workspace)
        except Invalid:
            return ""

    def show_faults(self, error: Invalid) -> None:
        self.faults += self.tree.mark(error.problems)

    def subjects(self, node: Node) -> list[tuple[Any, Options]]:
        """The first choice of a line, in titled groups; what is no choice of ours stays visible."""
        groups = [group for kind in lines.KINDS for group in kind.subjects(self.known) if group[1]]
        what = first(node.given, "what")
        if what and not any(what == value for _title, options in groups for value, _label in options):
            groups.append((_("Other"), [(what, what)]))
        return groups

    def inputs(self, node: Node) -> list[Input]:
        kind = lines.kind_of(node.given)
        return kind.inputs(node.given, self.known) if kind else []

    def json(self) -> str:
        return self.json_given if self.json_given is not None else self._json()

    def json_digest(self) -> str:
        """Of what was shown without a change by hand."""
        return _digest(self._json())

    def _json(self) -> str:
        return dumps(self.draft())


def _digest(text: str) -> str:
    plain = re.sub(r"\r\n|\r", "\n", text).strip()
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()[:16]
