"""The pages of `docs/` for users, read in the product as HTML in our own classes.

HTML that stands in a file is shown as it is written. A link leads to the page of the product that shows what
the file names; where there is none its words stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from config.env import ROOT

# In the order of reading; the address is /guide/NAME/.
ROLES = ("manager", "approver", "viewer", "administrator")
NAMES = (
    *("concepts", *ROLES, "personalisation", "rules", "api"),
    *("privacy", "security", "deploy", "scaling", "drill"),
)
DOCS = ROOT / "docs"
LOOKS = {
    "heading_open": {"class": "mt-3"},
    "paragraph_open": {"class": "m-0"},
    "bullet_list_open": {"class": "m-0"},
    "ordered_list_open": {"class": "m-0"},
    "th_open": {"scope": "col"},
    "table_open": {"class": "c-table"},
}


@dataclass(frozen=True)
class Manual:
    name: str
    title: str
    html: SafeString


def manual(name: str) -> Manual:
    """The page in its reader's language: `docs/zh-Hant/` has each of them as well."""
    is_chinese = (get_language() or "").lower().startswith("zh")
    return _read(name, "zh-Hant" if is_chinese else "en")


@cache
def _read(name: str, language: str) -> Manual:
    folder = DOCS if language == "en" else DOCS / language
    first, _newline, rest = (folder / f"{name}.md").read_text(encoding="utf-8").partition("\n")
    return Manual(name, first.removeprefix("# "), _drawn(rest))


def _drawn(text: str) -> SafeString:
    reader = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")
    tokens = reader.parse(text)
    for token in tokens:
        for name, value in LOOKS.get(token.type, {}).items():
            token.attrSet(name, value)
        _lead(token.children or [])
    return SafeString(reader.renderer.render(tokens, reader.options, {}))  # whatever was HTML is escaped


def _lead(tokens: Sequence[Token]) -> None:
    """Each link of a line to its page in the product."""
    opened: Token | None = None
    for token in tokens:
        if token.type == "link_open":
            opened, address = token, _address(str(token.attrGet("href")))
            token.attrs, token.hidden = {"class": "text-decoration-underline", "href": address}, not address
        elif token.type == "link_close" and opened is not None:
            token.hidden = opened.hidden


def _address(target: str) -> str:
    """Another page of the manual, or the page that has the same; empty for what is neither."""
    name = target.partition("#")[0].removesuffix(".md").removeprefix("../")
    if name == "api-changelog":
        return "/developers/changes/"
    return f"/guide/{name}/" if name in NAMES else ""


class _Renderer(RendererHTML):
    """What is wider than the page is moved sideways by itself, with the keyboard too."""

    def fence(self, tokens: Sequence[Token], idx: int, *_rest: object) -> str:
        return format_html('<pre class="mono" tabindex="0">{}</pre>', tokens[idx].content.rstrip("\n"))

    def table_open(self, tokens: Sequence[Token], idx: int, options: object, env: object) -> str:
        opened = f'<div class="table-wrap" tabindex="0" role="group" aria-label="{escape(_("Table"))}">'
        return opened + self.renderToken(tokens, idx, options, env)  # type: ignore[arg-type]

    def table_close(self, tokens: Sequence[Token], idx: int, *_rest: object) -> str:
        return "</table></div>"
