"""What a message consists of on each channel: one table, asked by the editor, the API and the renderer.

`parts` are fields of Content; `extra` are keys of `Content.extra`, JSON that is checked here before any text
in it is taken for a template. Every text leaf of it is filled in by itself (see `payload.py`), so no
person's values can change its structure. What a vendor allows is said where a check has its limit from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels import attachments, checks
from channels.checks import Check
from channels.messages import Content
from common.errors import Problem, pointer_to
from common.text import is_blank


@dataclass(frozen=True)
class Part:
    """One thing to write. `form` says what it looks like: line, text, html, url, json, list, files,
    choice, yes_no.

    `check` yields what is wrong with an extra part's value; what a template makes of it is seen later.
    """

    name: str
    label: Any
    form: str = "text"
    is_needed: bool = False
    check: Check | None = None


@dataclass(frozen=True)
class Shape:
    """`one_of`: at least one of these must be written."""

    parts: tuple[Part, ...]
    extra: tuple[Part, ...] = ()
    one_of: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(part.name for part in self.parts)


# ---- the table ----------------------------------------------------------------------------------
_TITLE = Part("subject", gettext_lazy("Title"), "line", is_needed=True)
_BODY = Part("text", gettext_lazy("Text"))
_URL = Part("url", gettext_lazy("Opens"), "url")
_IMAGE = Part("image", gettext_lazy("Picture"), "url")
_DATA = Part("data", gettext_lazy("Data for the app"), "json", check=checks.texts)
_SILENT = Part("silent", gettext_lazy("Without sound"), "yes_no", check=checks.yes_no)


def _buttons(most: int) -> Part:
    return Part("buttons", gettext_lazy("Buttons"), "list", check=checks.list_of(checks.button, most=most))


SHAPES: dict[str, Shape] = {
    "email": Shape(
        (
            Part("subject", gettext_lazy("Subject"), "line", is_needed=True),
            Part("preheader", gettext_lazy("Preheader"), "line"),
            Part("html", gettext_lazy("Message"), "html", is_needed=True),
            Part("text", gettext_lazy("Text version")),
        ),
        (Part("attachments", gettext_lazy("Attached files"), "files", check=attachments.check),),
    ),
    "sms": Shape((Part("text", gettext_lazy("Text"), is_needed=True),)),
    "push": Shape(
        (_TITLE, _BODY, _URL, _IMAGE),
        (
            _buttons(3),
            _DATA,
            _SILENT,
            Part("background", gettext_lazy("Data only, nothing is shown"), "yes_no", check=checks.yes_no),
        ),
    ),
    "webpush": Shape(
        (_TITLE, _BODY, _URL, _IMAGE),
        (Part("icon", gettext_lazy("Icon"), "url", check=checks.text(2000)), _buttons(2), _DATA, _SILENT),
    ),
    "line": Shape(
        (Part("text", gettext_lazy("Text")),),
        (
            Part("messages", gettext_lazy("LINE messages"), "json",
                 check=checks.list_of(checks.line_message, most=5, least=1)),  # at most five in one request
            _SILENT,
        ),
        one_of=("text", "messages"),
    ),
    "whatsapp": Shape(
        (_IMAGE,),
        (
            Part("template", gettext_lazy("Template"), "line", is_needed=True,
                 check=checks.matches(r"[a-z0-9_]{1,512}", gettext_lazy("Small letters, digits and _."))),
            Part("language", gettext_lazy("Language"), "line", is_needed=True,
                 check=checks.matches(r"[a-z]{2,3}(_[A-Z]{2,3})?", gettext_lazy("Write it like zh_TW."))),
            Part("header", gettext_lazy("Header’s parameter"), "line", check=checks.text(60)),
            Part("body", gettext_lazy("Body’s parameters"), "list",
                 check=checks.list_of(checks.text(1024), most=100)),
            Part("buttons", gettext_lazy("Buttons’ parameters"), "list",
                 check=checks.list_of(checks.template_button, most=10)),
        ),
    ),
    "webhook": Shape((Part("text", gettext_lazy("JSON"), "json", is_needed=True),)),
    "direct_mail": Shape(
        (),
        (
            Part("filename", gettext_lazy("File name"), "line", is_needed=True, check=checks.filename),
            Part("timestamp", gettext_lazy("Put the time behind the name"), "yes_no", check=checks.yes_no),
            Part("columns", gettext_lazy("Columns"), "list", is_needed=True, check=checks.columns),
            Part("sort_by", gettext_lazy("Sort by column"), "line", check=checks.text(100, is_plain=True)),
            Part("header", gettext_lazy("Note before the rows"), check=checks.text(2000, is_plain=True)),
            Part("footer", gettext_lazy("Note after the rows"), check=checks.text(2000, is_plain=True)),
        ),
    ),
    "inapp": Shape(
        (_TITLE, _BODY, _URL, _IMAGE),
        (
            _buttons(3),
            _DATA,
            Part("days", gettext_lazy("Days it is shown"), "number", check=checks.number(1, 365)),
        ),
    ),
}  # fmt: skip


def extra_problems(content: Content, channel: str) -> Iterator[Problem]:
    """What is wrong with `extra` as it is written; pointers are /extra/….  An empty value is none."""
    known = {part.name: part for part in SHAPES[channel].extra}
    for name, value in content.extra.items():
        pointer = pointer_to("extra", name)
        if name not in known:
            detail = _("“%(name)s” is no part of this channel’s messages.") % {"name": name[:80]}
            yield Problem("unknown_part", detail, pointer)
        elif (check := known[name].check) and not _is_empty(value):
            yield from check(value, pointer)
    columns, sort_by = content.extra.get("columns"), content.extra.get("sort_by")
    if channel == "direct_mail" and sort_by and isinstance(columns, list):
        labels = [one.get("label") for one in columns if isinstance(one, dict)]
        if sort_by not in labels:
            yield checks.bad("/extra/sort_by", _("There is no column with this name."))


def missing(content: Content, channel: str) -> Iterator[Problem]:
    """What has still to be written before anything can be sent; a draft may be without it."""
    shape = SHAPES[channel]
    for part, where in [(one, "") for one in shape.parts] + [(one, "/extra") for one in shape.extra]:
        if part.is_needed and _is_empty(value_of(content, part.name, is_extra=bool(where))):
            detail = _("“%(part)s” is still empty.") % {"part": part.label}
            yield Problem(f"{part.name}_missing", detail, f"{where}/{part.name}")
    if shape.one_of and all(
        _is_empty(value_of(content, name, is_extra=name not in shape.names)) for name in shape.one_of
    ):
        yield Problem(f"{shape.one_of[0]}_missing", _("Write the message."), f"/{shape.one_of[0]}")


def value_of(content: Content, name: str, *, is_extra: bool) -> Any:
    return content.extra.get(name) if is_extra else getattr(content, name)


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {}) or (isinstance(value, str) and is_blank(value))
