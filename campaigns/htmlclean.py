"""Cleans HTML from elsewhere: standard input to standard output, in a process of its own (`htmlimport.py`).

What reads HTML goes down into each element, so a document made for it can take all time or end the process.
Scripts, forms, frames, event handlers and addresses that run code go; rules are written to the elements.
"""

from __future__ import annotations

import re
import resource
import sys

import css_inline
import nh3

MEMORY, SECONDS = 1_000_000_000, 2  # octets; of the processor
BAD_STYLES = 3  # how it ends where the rules cannot be read
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


def cleaned(source: str) -> str:
    """Raises ValueError or css_inline.InlineError where its rules cannot be read."""
    media = [rule for css in STYLE.findall(source) for rule in MEDIA.findall(css) if not LOADS.search(rule)]
    inlined = css_inline.inline(source, load_remote_stylesheets=False, keep_style_tags=False)
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
    return SHELL.format(style=style, body=_own_comments(body).strip())


def _own_comments(body: str) -> str:
    """Only our marks stay of the comments: others may hold what one mail program alone would run."""
    return re.sub(r"<!--(?!carillonTag[0-9]+Ends-->).*?-->", "", body, flags=re.DOTALL)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        done = cleaned(sys.stdin.buffer.read().decode())
    except (ValueError, css_inline.InlineError) as error:
        sys.stdout.write(str(error)[:120])
        sys.exit(BAD_STYLES)
    sys.stdout.buffer.write(done.encode())
