"""Checks of the JSON that stands in a message's `extra`: small functions that yield what is wrong, and where.

Each takes a value and its JSON pointer. `contents.py` says which part is checked by which.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.errors import Problem, pointer_to

Check = Callable[[Any, str], Iterable[Problem]]
TEMPLATE = re.compile(r"\{[{%#]")
PATH = re.compile(r"[^\x00-\x1f\x7f<>:\"|?*\\]{1,200}")
MOST_COLUMNS = 50  # of a direct-mail file (feature catalogue, 7.75)


def bad(pointer: str, detail: str) -> Problem:
    return Problem("bad_extra", detail, pointer)


def text(most: int, *, is_plain: bool = False) -> Check:
    def check(value: Any, pointer: str) -> Iterator[Problem]:
        if not isinstance(value, str) or len(value) > most:
            yield bad(pointer, _("Give a text of at most %(most)s characters.") % {"most": most})
        elif is_plain and TEMPLATE.search(value):
            yield bad(pointer, _("This is the same for everybody: it can hold no personal field."))

    return check


def matches(pattern: str, detail: Any) -> Check:
    def check(value: Any, pointer: str) -> Iterator[Problem]:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            yield bad(pointer, str(detail))

    return check


def yes_no(value: Any, pointer: str) -> Iterator[Problem]:
    if not isinstance(value, bool):
        yield bad(pointer, _("Say yes or no."))


def number(least: int, most: int) -> Check:
    def check(value: Any, pointer: str) -> Iterator[Problem]:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            yield bad(
                pointer,
                _("Give a number from %(least)s to %(most)s.") % {"least": least, "most": most},
            )

    return check


def list_of(of: Check, *, most: int, least: int = 0) -> Check:
    def check(value: Any, pointer: str) -> Iterator[Problem]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            yield bad(pointer, _("Give a list of at most %(most)s entries.") % {"most": most})
            return
        for number, one in enumerate(value):
            yield from of(one, f"{pointer}/{number}")

    return check


def object_of(fields: dict[str, Check], *, needed: Iterable[str] = ()) -> Check:
    def check(value: Any, pointer: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield bad(pointer, _("Give an object."))
            return
        for name in needed:
            if value.get(name) in (None, ""):
                yield Problem("missing_part", _("“%(name)s” is missing.") % {"name": name}, pointer)
        for name, one in value.items():
            if name in fields:
                yield from fields[name](one, pointer + pointer_to(name))
            else:
                detail = _("There is no “%(name)s” here.") % {"name": name[:80]}
                yield Problem("unknown_part", detail, pointer + pointer_to(name))

    return check


def texts(value: Any, pointer: str) -> Iterator[Problem]:
    """An object of texts, as FCM's `data` and a notification's own data are."""
    if not isinstance(value, dict) or len(value) > 50:
        yield bad(pointer, _("Give an object of at most %(most)s entries.") % {"most": 50})
        return
    for name, one in value.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}", name):
            yield bad(pointer, _("“%(name)s” cannot be a name.") % {"name": name[:80]})
        yield from text(2000)(one, pointer + pointer_to(name))


def line_message(value: Any, pointer: str) -> Iterator[Problem]:
    """https://developers.line.biz/en/reference/messaging-api/#message-objects"""
    if not isinstance(value, dict) or value.get("type") not in LINE_TYPES:
        yield bad(pointer, _("A LINE message is one of: %(types)s.") % {"types": ", ".join(LINE_TYPES)})
        return
    missing = [name for name in LINE_TYPES[value["type"]] if value.get(name) in (None, "")]
    for name in missing:
        yield Problem("missing_part", _("“%(name)s” is missing.") % {"name": name}, pointer)


LINE_TYPES: dict[str, tuple[str, ...]] = {
    "text": ("text",),
    "textV2": ("text",),
    "sticker": ("packageId", "stickerId"),
    "image": ("originalContentUrl", "previewImageUrl"),
    "video": ("originalContentUrl", "previewImageUrl"),
    "audio": ("originalContentUrl", "duration"),
    "location": ("title", "address", "latitude", "longitude"),
    "imagemap": ("baseUrl", "altText", "baseSize", "actions"),
    "template": ("altText", "template"),
    "flex": ("altText", "contents"),
}
button = object_of({"label": text(60), "url": text(2000)}, needed=("label", "url"))
column = object_of(
    {"label": text(100, is_plain=True), "expression": text(2000)}, needed=("label", "expression")
)
template_button = object_of(
    {
        "index": number(0, 9),
        "type": matches("url|quick_reply|copy_code", gettext_lazy("Choose from the list.")),
        "text": text(2000),
    },
    needed=("type", "text"),
)


def columns(value: Any, pointer: str) -> Iterator[Problem]:
    yield from list_of(column, most=MOST_COLUMNS, least=1)(value, pointer)
    labels = [one.get("label") for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    if len({str(label) for label in labels}) < len(labels):
        yield bad(pointer, _("Two columns have the same name."))


def filename(value: Any, pointer: str) -> Iterator[Problem]:
    """It may contain a path below the target's own folder, and never lead out of it."""
    yield from text(200, is_plain=True)(value, pointer)
    steps = value.split("/") if isinstance(value, str) else []
    if not steps or not all(PATH.fullmatch(step) and step.strip(". ") for step in steps):
        yield bad(pointer, _("Give a file name, such as letters/spring.csv."))
