"""Takes HTML from elsewhere into a draft: cleaned, its rules written to the elements, its tags untouched.

Scripts, forms, frames, event handlers and addresses that run code go. Template tags travel as marks, since
what cleans HTML would escape or move them; a document that would lose one is refused.
"""

from __future__ import annotations

import re

import css_inline
import nh3
from django.utils.translation import gettext as _

from campaigns.designs import TAG
from common.errors import Invalid, Problem

MOST = 500_000
MARK = re.compile("carillonTag([0-9]+)Ends")
AS_COMMENT = re.compile("<!--carillonTag([0-9]+)Ends-->")
MEDIA = re.compile(r"@media[^{}<>]{1,200}\{(?:[^{}<>]*\{[^{}<>]*\})*[^{}<>]*\}", re.IGNORECASE)
LOADS = re.compile(r"url\s*\(|@import|expression\s*\(|\\", re.IGNORECASE)
STYLE = re.compile(r"<style\b[^>]*>(.*?)</style\s*>", re.IGNORECASE | re.DOTALL)
ELEMENTS = nh3.ALLOWED_TAGS | {"font", "section", "main", "figure", "figcaption"}
RUNS = {"script", "style", "title", "iframe", "object", "noscript", "template", "svg", "math"}
ATTRIBUTES = {
    "*": {
        *("style", "class", "id", "align", "valign", "bgcolor", "width", "height"),
        *("role", "title", "lang", "dir"),
    },
    "a": {"href", "target", "name", "data-untracked"},
    "img": {"src", "alt", "border"},
    "table": {"border", "cellpadding", "cellspacing", "summary"},
    "td": {"colspan", "rowspan", "background"},
    "th": {"colspan", "rowspan", "scope"},
    "font": {"color", "face", "size"},
}
SHELL = """<!doctype html>
<html>
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">{style}</head>
<body>
{body}
</body>
</html>
"""


def taken_in(source: str) -> str:
    """The document as it may be edited and sent. Raises Invalid with the pointer /html."""
    if len(source) > MOST:
        raise _bad("html_too_large", _("The HTML is longer than 500,000 characters."))
    if "<" not in source:
        raise _bad("html_missing", _("This is not HTML: there is no element in it."))
    tags: list[str] = []

    def mark(match: re.Match[str]) -> str:
        tags.append(match.group())
        name = f"carillonTag{len(tags) - 1}Ends"
        # Between rows of a table only a comment may stand; inside an element's brackets only plain text.
        return f"<!--{name}-->" if tags[-1].startswith("{%") and _is_outside(source, match.start()) else name

    marked = TAG.sub(mark, MARK.sub("", source))
    media = [rule for css in STYLE.findall(marked) for rule in MEDIA.findall(css) if not LOADS.search(rule)]
    try:
        inlined = css_inline.inline(marked, load_remote_stylesheets=False, keep_style_tags=False)
    except (ValueError, css_inline.InlineError) as error:
        detail = _("The styles cannot be read: %(error)s") % {"error": str(error)[:120]}
        raise _bad("html_styles", detail) from error
    body = nh3.clean(
        inlined,
        tags=set(ELEMENTS),
        attributes=ATTRIBUTES,
        clean_content_tags=RUNS,
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel=None,
        strip_comments=False,
    )
    style = f"<style>{''.join(media)}</style>" if media else ""
    cleaned = SHELL.format(style=style, body=_own_comments(body).strip())
    lost = sorted(set(range(len(tags))) - {int(number) for number in MARK.findall(cleaned)})
    if lost:
        detail = _("“%(tag)s” stands where it would be lost. Move it into the text and try again.")
        raise _bad("html_tag_lost", detail % {"tag": tags[lost[0]][:80]})
    restored = AS_COMMENT.sub(lambda match: tags[int(match.group(1))], cleaned)
    return MARK.sub(lambda match: tags[int(match.group(1))], restored)


def _own_comments(body: str) -> str:
    """Only our marks stay of the comments: others may hold what one mail program alone would run."""
    return re.sub(r"<!--(?!carillonTag[0-9]+Ends-->).*?-->", "", body, flags=re.DOTALL)


def _is_outside(source: str, at: int) -> bool:
    return source.rfind("<", 0, at) <= source.rfind(">", 0, at)


def _bad(code: str, detail: str) -> Invalid:
    return Invalid(Problem(code, detail, "/html"))
