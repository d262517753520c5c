"""A content as a draft keeps it, and as a version freezes it.

A draft's content has the keys of `channels.messages.Content`, and what only its editor needs: `mjml`, the
design an email's HTML is made from, and `links`, what was said of single links ({address: {"label",
"is_untracked"}}). Freezing makes the HTML from the design, takes the fragments in, and marks the links that
are not counted; what is frozen reads nothing else any more.
"""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from typing import Any

from accounts.models import Workspace
from campaigns import designs
from campaigns.tracking.links import with_untracked
from channels.messages import Content
from common.errors import Invalid

PARTS = tuple(one.name for one in dataclasses.fields(Content))
EDITED = (*PARTS, "mjml", "links")


def content_of(kept: dict[str, Any]) -> Content:
    """The author's words without what only the editor needs."""
    return Content(**{name: kept[name] for name in PARTS if name in kept})


def is_empty(kept: dict[str, Any]) -> bool:
    return not any(kept.get(name) for name in EDITED)


def frozen(kept: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    """What a version keeps: everything that is sent, and nothing else.

    A design that cannot be read leaves the HTML it was last read as; `content_findings.py` blocks it.
    """
    parts = {name: kept[name] for name in PARTS if name in kept}
    if kept.get("mjml"):
        with suppress(Invalid):
            parts["html"] = designs.compiled(kept["mjml"])
    if parts.get("html"):
        skipped = {url for url, said in kept.get("links", {}).items() if said.get("is_untracked")}
        parts["html"] = with_untracked(parts["html"], skipped)
    return parts
