"""How a rendered message looks where it arrives, as far as its own words say: for previews.

A rich LINE message is read into what its bubbles show, a file of direct mail is written with this one
person's row. What stands at a provider only, such as the words of a WhatsApp template, is not invented.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from channels.mailfiles import SEPARATORS
from channels.messages import Rendered
from channels.models import ChannelConfiguration
from common.csvfiles import BOM, lines

Piece = tuple[str, str]  # "image", "title", "text", "button" or "note", and what it says
DEEPEST = 12  # deeper than LINE lets a flex message be
# In the order in which they stand in a bubble.
INNER = ("header", "hero", "body", "footer", "contents", "columns", "actions")


def bubbles(message: Rendered) -> list[list[Piece]]:
    """What each LINE message shows, from top to bottom."""
    written = message.extra.get("messages")
    if not isinstance(written, list) or not written:
        return [[("text", message.text)]] if message.text else []
    return [list(_line(one)) for one in written if isinstance(one, dict)]


def _line(one: dict[str, Any]) -> Iterator[Piece]:
    kind = one.get("type")
    if kind in ("text", "textV2"):
        yield "text", str(one.get("text", ""))
    elif kind in ("image", "video"):
        yield "image", str(one.get("previewImageUrl", ""))
        if kind == "video":
            yield "note", _("Video")
    elif kind == "location":
        yield "title", str(one.get("title", ""))
        yield "text", str(one.get("address", ""))
    elif kind == "sticker":
        yield "note", _("Sticker %(id)s") % {"id": f"{one.get('packageId')}/{one.get('stickerId')}"}
    elif kind == "audio":
        yield "note", _("Audio")
    elif kind in ("template", "flex"):
        yield from _shown(one.get("template") or one.get("contents"), 0)
        yield "note", _("In the list of chats: %(text)s") % {"text": one.get("altText", "")}
    else:
        yield "note", str(one.get("altText", ""))


def _shown(node: Any, depth: int) -> Iterator[Piece]:
    """The pictures, texts and buttons of a template or a flex message."""
    if depth > DEEPEST:
        return
    if isinstance(node, list):
        for one in node:
            yield from _shown(one, depth + 1)
        return
    if not isinstance(node, dict):
        return
    kind = node.get("type")
    if kind in ("image", "icon"):
        yield "image", str(node.get("url", ""))
        return
    if kind == "button" or (kind in ("uri", "message", "postback", "datetimepicker") and node.get("label")):
        action = node.get("action") if kind == "button" else node
        yield "button", str(action.get("label", "") if isinstance(action, dict) else "")
        return
    if thumbnail := node.get("thumbnailImageUrl"):
        yield "image", str(thumbnail)
    if node.get("title"):
        yield "title", str(node["title"])
    if node.get("text"):
        yield "text", str(node["text"])
    for name in INNER:
        yield from _shown(node.get(name), depth + 1)


def file_lines(message: Rendered, configuration: ChannelConfiguration | None) -> str:
    """The file of direct mail with one row, as it is written for its target."""
    columns = [one for one in message.extra.get("columns") or [] if isinstance(one, dict)]
    notes = [
        [[line] for line in str(message.extra.get(name) or "").splitlines()] for name in ("header", "footer")
    ]
    rows = [
        *notes[0],
        [one.get("label", "") for one in columns],
        [one.get("expression", "") for one in columns],
    ]
    chosen = configuration.settings.get("separator", "") if configuration else ""
    return "".join(lines([*rows, *notes[1]], SEPARATORS.get(chosen, ","))).removeprefix(BOM)


def body_of(text: str) -> str:
    """A webhook's JSON in lines; what is none stays as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text
