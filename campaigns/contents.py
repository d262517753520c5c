"""A content as a draft keeps it, and as a version freezes it.

A draft's content has the keys of `channels.messages.Content`, and what only its editor needs: `mjml`, the
design an email's HTML is made from, and `links`, what was said of single links ({address: {"label",
"is_untracked"}}). Freezing makes the HTML from the design, takes the fragments in, and marks the links that
are not counted; what is frozen reads nothing else any more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from accounts.models import Workspace
from campaigns import designs, taken
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


def frozen(
    kept: dict[str, Any], workspace: Workspace, pinned: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """What a version keeps: everything that is sent, and nothing else. `pinned` are the versions of the
    fragments that it took already (see `taken.py`).

    A design that cannot be read leaves the HTML it was last read as, and a fragment that cannot be taken
    leaves nothing; `content_findings.py` blocks both.
    """
    kept = whole(kept, workspace, pinned)
    parts = {name: kept[name] for name in PARTS if name in kept}
    if parts.get("html"):
        skipped = {url for url, said in kept.get("links", {}).items() if said.get("is_untracked")}
        parts["html"] = with_untracked(parts["html"], skipped)
    return parts


def whole(
    kept: dict[str, Any], workspace: Workspace, pinned: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """The content with its fragments in it, and the HTML of its design."""
    filled, _taking = taken.take(kept, workspace, pinned)
    if filled.get("mjml"):
        with suppress(Invalid):
            filled["html"] = designs.compiled(filled["mjml"])
    return filled
