"""Numbers the links of a content and puts our own addresses in their place, once per version.

Only plain web addresses are tracked: one with template code in it, mailto, tel and anchors stay as written.
The same address twice is one link, in whichever language or treatment it stands.
"""

from __future__ import annotations

import html
import re
from typing import Any

from campaigns.tracking import machines
from campaigns.tracking.tokens import seal

LINK = re.compile(r"""(<a\s(?:[^<>]*?\s)?href\s*=\s*)(["'])(https?://[^"'<>\s]+)\2""", re.IGNORECASE)
EMPTY_LINK = re.compile(r"""<a\s(?:[^<>]*?\s)?href\s*=\s*(["'])\s*#?\s*\1""", re.IGNORECASE)
IMAGE_WITHOUT_TEXT = re.compile(r"<img\b(?![^<>]*\salt\s*=)[^<>]*>", re.IGNORECASE)
UNTRACKED = "data-untracked"
CLOSING = re.compile(r"</body\s*>", re.IGNORECASE)
TRAP = '<a href="{{{{ carillon_click }}}}{}" style="display:none" tabindex="-1" aria-hidden="true"></a>'
PIXEL = '<img src="{{ carillon_open }}" width="1" height="1" alt="">'


def links_of(action: dict[str, Any]) -> list[str]:
    """The addresses of a frozen action in order of their numbers; all its contents count on together."""
    urls: list[str] = []
    for one in action["contents"]:
        number_links(one["content"].get("html", ""), urls)
    return urls


def number_links(source: str, urls: list[str]) -> str:
    """The HTML with `{{ carillon_click }}N/…` for every tracked link, its destination signed behind its
    number; new addresses are added to `urls`.
    """

    def numbered(match: re.Match[str]) -> str:
        before, quote, written = match.groups()
        if "{{" in written or "{%" in written or UNTRACKED in before:
            return match.group()
        url = html.unescape(written)
        if url not in urls:
            urls.append(url)
        sealed = seal(url)
        behind = f"/{sealed}" if sealed else ""
        return f"{before}{quote}{{{{ carillon_click }}}}{urls.index(url)}{behind}{quote}"

    return LINK.sub(numbered, source)


def addresses(source: str) -> list[str]:
    """Every plain web address the HTML links to, counted or not, in order."""
    found = [html.unescape(match.group(3)) for match in LINK.finditer(source)]
    return [url for url in dict.fromkeys(found) if "{{" not in url and "{%" not in url]


def with_untracked(source: str, skipped: set[str]) -> str:
    """The HTML in which the links to these addresses say that nobody counts them."""

    def marked(match: re.Match[str]) -> str:
        before, quote, written = match.groups()
        if html.unescape(written) not in skipped or UNTRACKED in before:
            return match.group()
        return f"{before[:2]} {UNTRACKED}{before[2:]}{quote}{written}{quote}"

    return LINK.sub(marked, source) if skipped else source


def with_pixel(source: str) -> str:
    """The HTML with the open pixel before the end of its body."""
    return _before_end(source, PIXEL)


def with_trap(source: str) -> str:
    """The HTML with a link that no person sees, but a program that follows every link does."""
    return _before_end(source, TRAP.format(machines.TRAP))


def _before_end(source: str, added: str) -> str:
    ends = list(CLOSING.finditer(source))
    at = ends[-1].start() if ends else len(source)
    return source[:at] + added + source[at:]
