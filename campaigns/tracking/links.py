"""Numbers the links of a content and puts our own addresses in their place, once per version.

Only plain web addresses are tracked: one with template code in it, mailto, tel and anchors stay as written.
The same address twice is one link.
"""

from __future__ import annotations

import html
import re

LINK = re.compile(r"""(<a\s(?:[^<>]*?\s)?href\s*=\s*)(["'])(https?://[^"'<>\s]+)\2""", re.IGNORECASE)
CLOSING = re.compile(r"</body\s*>", re.IGNORECASE)
PIXEL = '<img src="{{ carillon_open }}" width="1" height="1" alt="">'


def number_links(source: str) -> tuple[str, list[str]]:
    """The HTML with `{{ carillon_click }}N` for every tracked link, and the addresses in order of N."""
    urls: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        before, quote, written = match.groups()
        if "{{" in written or "{%" in written:
            return match.group()
        url = html.unescape(written)
        if url not in urls:
            urls.append(url)
        return f"{before}{quote}{{{{ carillon_click }}}}{urls.index(url)}{quote}"

    return LINK.sub(numbered, source), urls


def with_pixel(source: str) -> str:
    """The HTML with the open pixel before the end of its body."""
    ends = list(CLOSING.finditer(source))
    at = ends[-1].start() if ends else len(source)
    return source[:at] + PIXEL + source[at:]
