"""Files that travel with a mail: what an author may name, and how their bytes are come by.

A content names files by reference in `extra["attachments"]`: `[{"asset": "…", "name": "terms.pdf"}]`. Whoever
keeps the files registers how they are fetched. They are fetched once for a batch, and each is written as
base64 once, however many people it goes to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.utils.translation import gettext as _

from channels.checks import Check, bad, list_of, object_of, text
from channels.messages import Attachment, Content
from common.errors import Invalid, Problem, pointer_to

MOST, MOST_OCTETS = 10, 10_000_000  # of one mail; as base64 they are a third longer, and many take 20 MB
NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f/\\:*?\"<>|\u2028-\u202e\u2066-\u2069]{1,200}\Z")
# What mail servers turn away whatever it holds; the whole mail would bounce.
REFUSED = {
    "ade", "adp", "apk", "app", "bat", "chm", "cmd", "com", "cpl", "dll", "dmg", "exe", "hta", "ins", "iso",
    "jar", "js", "jse", "lib", "lnk", "mde", "msc", "msi", "msp", "mst", "pif", "ps1", "scr", "sct", "shb",
    "sys", "vb", "vbe", "vbs", "vxd", "wsc", "wsf", "wsh",
}  # fmt: skip
Fetch = Callable[[int, Sequence[str]], dict[str, Attachment]]
_sources: list[Fetch] = []


def register(fetch: Fetch) -> None:
    """`fetch` takes a workspace's id and references; it returns what it has of them, in one query."""
    _sources.append(fetch)


def forget(fetch: Fetch) -> None:
    _sources.remove(fetch)


def file_name(value: Any, pointer: str) -> Iterator[Problem]:
    if not isinstance(value, str) or not NAME.match(value) or not value.strip(". "):
        yield bad(pointer, _("Give a file name, such as terms.pdf."))
    elif value.rpartition(".")[2].lower() in REFUSED:
        yield bad(pointer, _("Mail servers refuse files of this kind."))


check: Check = list_of(
    object_of({"asset": text(64, is_plain=True), "name": file_name}, needed=("asset",)), most=MOST
)


def references(content: Content) -> list[dict[str, str]]:
    """What a content names, as it was checked when it was written."""
    found = content.extra.get("attachments") or []
    return [one for one in found if isinstance(one, dict) and one.get("asset")]


def fetch(workspace_id: int, named: Sequence[dict[str, str]]) -> tuple[Attachment, ...]:
    """The files in their order, under the names the author gave. Raises Invalid `attachment_missing` or
    `attachments_too_large`.
    """
    if not named:
        return ()
    wanted = list(dict.fromkeys(one["asset"] for one in named))
    held: dict[str, Attachment] = {}
    for source in _sources:
        held |= source(workspace_id, wanted)
    found = []
    for number, one in enumerate(named):
        file = held.get(one["asset"])
        if file is None:
            detail = _("The file “%(name)s” is no longer there.") % {"name": one.get("name") or one["asset"]}
            raise Invalid(Problem("attachment_missing", detail, "/extra/attachments" + pointer_to(number)))
        found.append(file.named(one.get("name") or file.name))
    if sum(len(one.octets) for one in found) > MOST_OCTETS:
        detail = _("The files of a mail have at most 10 MB together.")
        raise Invalid(Problem("attachments_too_large", detail, "/extra/attachments"))
    return tuple(found)
