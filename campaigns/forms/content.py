"""What a message says, channel by channel: the form is made from the channel's own table of parts.

Lists are written line by line, so that a page without JavaScript can hold them: one text a line, or a label
and an address with a bar between.
"""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.forms.tab import DraftForm
from campaigns.models import Action
from channels.contents import SHAPES, Part
from channels.rendering import CONTROLS
from common.text import is_storable

PAIRS = {"buttons": ("label", "url"), "columns": ("label", "expression")}
LINES = {"body"}
HELP: dict[str, Any] = {
    "preheader": gettext_lazy("Shown after the subject in a mailbox."),
    "text": gettext_lazy("Empty: it is made from the message."),
    "buttons": gettext_lazy("One a line: what it says | https://where.it/leads"),
    "columns": gettext_lazy("One a line: name of the column | {{ profile.name }}"),
    "body": gettext_lazy("One a line, in the order of the template’s places."),
    "data": gettext_lazy("An object of texts in JSON, for the app to read."),
    "messages": gettext_lazy("Message objects of LINE in JSON; they are sent instead of the text."),
}
WHATSAPP_BUTTONS = gettext_lazy(
    "A list in JSON of what fills the template’s buttons. Types: url, quick_reply, copy_code. "
    'Such as [{"type": "url", "text": "spring-2027"}].'
)


def _area(rows: int, **attrs: str) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, "spellcheck": "false", "class": "mono", **attrs})


class JSONText(forms.CharField):
    """JSON as text; nothing written is None."""

    def prepare_value(self, value: Any) -> Any:
        return (
            value
            if isinstance(value, str) or value is None
            else json.dumps(value, ensure_ascii=False, indent=2)
        )

    def clean(self, value: Any) -> Any:
        text = super().clean(value).strip()
        if not text:
            return None
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            detail = _("This is not JSON: %(error)s") % {"error": str(error)[:200]}
            raise forms.ValidationError(detail) from error
        if not is_storable(found):
            raise forms.ValidationError(_("It holds a character or number that cannot be stored."))
        return found


class Lines(forms.CharField):
    def prepare_value(self, value: Any) -> Any:
        return "\n".join(str(one) for one in value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        return [line.strip() for line in super().clean(value).splitlines() if line.strip()]


class Pairs(forms.CharField):
    """`Label | address`, one a line."""

    def __init__(self, *args: Any, names: tuple[str, str], **kwargs: Any) -> None:
        self.names = names
        super().__init__(*args, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        first, second = self.names
        return "\n".join(
            f"{one.get(first, '')} | {one.get(second, '')}" for one in value if isinstance(one, dict)
        )

    def clean(self, value: Any) -> list[dict[str, str]]:
        found = []
        for line in super().clean(value).splitlines():
            if line.strip():
                first, bar, second = line.partition("|")
                if not bar:
                    detail = _("Write “%(line)s” as two parts with a | between.")
                    raise forms.ValidationError(detail % {"line": line.strip()[:80]})
                found.append(dict(zip(self.names, (first.strip(), second.strip()), strict=True)))
        return found


def _takes_parameters(part: Part, channel: str) -> bool:
    """The buttons of a WhatsApp template stand in the template; a message fills their places."""
    return channel == "whatsapp" and part.name == "buttons"


def field_of(part: Part, channel: str) -> forms.Field:
    common: dict[str, Any] = {"label": part.label, "required": False}
    if part.name in HELP and not (part.name == "text" and channel != "email"):
        common["help_text"] = WHATSAPP_BUTTONS if _takes_parameters(part, channel) else HELP[part.name]
    if part.form == "yes_no":
        return forms.BooleanField(**common)
    if part.form == "number":
        return forms.IntegerField(**common)
    if part.form == "list" and part.name in PAIRS and not _takes_parameters(part, channel):
        return Pairs(names=PAIRS[part.name], max_length=50_000, widget=_area(3), **common)
    if part.form == "list" and part.name in LINES:
        return Lines(max_length=100_000, widget=_area(3), **common)
    if part.form in ("json", "list") and part.name != "text":
        return JSONText(max_length=200_000, widget=_area(5, **{"data-code": "json"}), **common)
    common |= {"max_length": 500_000, "strip": False}
    if part.form in ("line", "url"):
        return forms.CharField(**{**common, "max_length": 2000 if part.form == "url" else 500})
    if part.form == "html":
        return forms.CharField(widget=_area(20, **{"data-code": "html"}), **common)
    if part.form == "json":
        return forms.CharField(widget=_area(12, **{"data-code": "json"}), **common)
    return forms.CharField(widget=forms.Textarea(attrs={"rows": 5}), **common)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


class ContentForm(DraftForm):
    """One content of one action."""

    def __init__(self, *args: Any, action: Action, kept: dict[str, Any], **kwargs: Any) -> None:
        self.action, self.shape = action, SHAPES[action.channel]
        # Files have a place of their own on the page.
        self._extra = [one for one in self.shape.extra if one.form != "files"]
        extra = kept.get("extra", {})
        present = {
            **{one.name: kept.get(one.name, "") for one in self.shape.parts},
            "mjml": kept.get("mjml", ""),
        }
        present |= {f"extra-{one.name}": extra.get(one.name) for one in self.shape.extra}
        kwargs.setdefault("initial", {"revision": action.campaign.revision, **present})
        super().__init__(*args, **kwargs)
        for part in self.shape.parts:
            self.fields[part.name] = field_of(part, action.channel)
        for part in self._extra:
            self.fields[f"extra-{part.name}"] = field_of(part, action.channel)
        if action.channel == "email":
            self.fields["mjml"] = forms.CharField(
                label=gettext_lazy("Design (MJML)"),
                required=False,
                strip=False,
                max_length=500_000,
                widget=_area(20, **{"data-code": "xml"}),
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        # Browsers send the ends of lines in their own way: a text that nobody changed must stay the same.
        cleaned.update({name: _lines(text) for name, text in cleaned.items() if isinstance(text, str)})
        for name in ("subject", "preheader", "url", "image"):
            if CONTROLS.search(str(cleaned.get(name, ""))):
                self.add_error(name, _("A line break or control character cannot stand here."))
        for name, value in cleaned.items():
            if isinstance(value, str) and not is_storable(value):
                self.add_error(name, _("A control character cannot stand here."))
        return cleaned

    def written(self) -> dict[str, Any]:
        """What `actions.write` takes: only what was sent along, so that one view saves its own fields."""
        sent = {name for name in self.fields if name in self.data}
        found = {one.name: self.cleaned_data[one.name] for one in self.shape.parts if one.name in sent}
        if "mjml" in sent:
            found["mjml"] = self.cleaned_data["mjml"]
            if found["mjml"].strip():
                found.pop("html", None)  # it is made from the design
        if self._extra:
            values = {one.name: self.cleaned_data[f"extra-{one.name}"] for one in self._extra}
            found["extra"] = {
                name: value for name, value in values.items() if value not in (None, "", [], False)
            }
        return found
