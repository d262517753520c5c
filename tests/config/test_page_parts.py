"""A page that renews a part of itself loads the script for it, whichever file the part is written in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config.env import ROOT

TEMPLATES = Path(ROOT) / "templates"
TEXTS = {str(path.relative_to(TEMPLATES)): path.read_text() for path in TEMPLATES.rglob("*.html")}
NAMED = re.compile(r'{%-?\s*(?:include|extends|from|import)\s+"([^"]+)"')
RENEWS = re.compile(r"\shx-(get|post|trigger)\b")
SCRIPT = "macros/htmx.html"


def parts_of(name: str, texts: dict[str, str]) -> set[str]:
    """The file and every file it is put together from."""
    found, open_ = set[str](), [name]
    while open_:
        one = open_.pop()
        if one not in found:
            found.add(one)
            open_ += NAMED.findall(texts.get(one, ""))
    return found


def lacking(texts: dict[str, str]) -> list[str]:
    """Whole pages with a part that would never be renewed."""
    pages = {name: parts_of(name, texts) for name, text in texts.items() if "{% extends" in text}
    return sorted(
        name
        for name, parts in pages.items()
        if SCRIPT not in parts and any(RENEWS.search(texts.get(part, "")) for part in parts)
    )


def test_every_page_with_a_part_that_renews_itself_loads_the_script() -> None:
    assert len(TEXTS) > 100 and lacking(TEXTS) == []


@pytest.mark.parametrize(
    ("page", "is_lacking"),
    [
        ('{% extends "base.html" %}<p hx-get="/x">', True),
        ('{% extends "base.html" %}{% include "_part.html" %}', True),
        ('{% extends "base.html" %}{% include "macros/htmx.html" %}{% include "_part.html" %}', False),
        ('{% extends "base.html" %}<p>still</p>', False),
    ],
)
def test_a_page_that_forgot_the_script_is_found(page: str, is_lacking: bool) -> None:
    texts = {"base.html": "", "_part.html": '<p hx-trigger="every 1s">', "page.html": page}
    assert lacking(texts) == (["page.html"] if is_lacking else [])
