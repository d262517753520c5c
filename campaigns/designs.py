"""Turns an MJML design into HTML, once per design, with the template's tags untouched.

MJML knows nothing of templates and drops, or trips over, what it does not know. So every tag travels as a
mark, every element's name is compared with the list below, and a design that would lose a tag is refused.
"""

from __future__ import annotations

import re
from functools import lru_cache

import mjml
from django.utils.translation import gettext as _

from common.errors import Invalid, Problem

TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
MARK = re.compile("carillonTag([0-9]+)Ends")
ESCAPED = re.compile(r"\\u\{([0-9a-f]{1,6})\}")  # how the compiler writes odd characters of an attribute
ELEMENT = re.compile(r"<\s*(mj-[a-zA-Z0-9-]*|mjml)\b")
KNOWN = frozenset(
    [
        "mjml",
        "mj-head",
        "mj-attributes",
        "mj-all",
        "mj-class",
        "mj-breakpoint",
        "mj-font",
        "mj-preview",
        "mj-style",
        "mj-title",
        "mj-body",
        "mj-section",
        "mj-column",
        "mj-group",
        "mj-wrapper",
        "mj-hero",
        "mj-text",
        "mj-button",
        "mj-image",
        "mj-divider",
        "mj-spacer",
        "mj-table",
        "mj-raw",
        "mj-social",
        "mj-social-element",
        "mj-navbar",
        "mj-navbar-link",
        "mj-accordion",
        "mj-accordion-element",
        "mj-accordion-title",
        "mj-accordion-text",
        "mj-carousel",
        "mj-carousel-image",
    ]
)
MAX_DESIGN, DEEPEST = 500_000, 100
VOID = frozenset(
    [
        *("area", "base", "br", "col", "embed", "hr", "img", "input"),
        *("link", "meta", "param", "source", "track", "wbr"),
    ]
)
BEGINS = re.compile(r"<!--|</|<([a-zA-Z][^\s/>]*)")  # outside of an element's own brackets
ENDS = re.compile(r"\"[^\"]*\"|'[^']*'|/?>")  # inside of them; a quoted value may hold any bracket


@lru_cache(maxsize=256)
def compiled(source: str) -> str:
    """The HTML of a design. Raises Invalid with the pointer /mjml."""
    if len(source) > MAX_DESIGN:
        raise _bad("design_too_large", _("The design is longer than 500,000 characters."))
    tags: list[str] = []

    def mark(match: re.Match[str]) -> str:
        tags.append(match.group())
        return f"carillonTag{len(tags) - 1}Ends"

    # A form sends each line with CRLF, which the compiler takes for a fault.
    lines = source.replace("\r\n", "\n").replace("\r", "\n")
    marked = TAG.sub(mark, MARK.sub("", lines))
    _check_names(marked)
    _check_depth(marked)
    try:
        html = ESCAPED.sub(lambda match: chr(int(match.group(1), 16)), mjml.mjml2html(marked))
    except ValueError as error:
        detail = _("The design cannot be read: an element is not closed, or stands in the wrong place.")
        raise _bad("design_syntax", f"{detail} ({str(error)[:120]})") from error
    lost = sorted(set(range(len(tags))) - {int(number) for number in MARK.findall(html)})
    if lost:
        detail = _("“%(tag)s” stands where a design has no text. Put it into a text or an mj-raw element.")
        raise _bad("design_tag_lost", detail % {"tag": tags[lost[0]][:80]})
    return MARK.sub(lambda match: tags[int(match.group(1))], html)


def _check_names(source: str) -> None:
    used = set(ELEMENT.findall(source))
    if "mjml" not in used:
        raise _bad("design_syntax", _("A design begins with <mjml> and ends with </mjml>."))
    if unknown := sorted(used - KNOWN):
        detail = _("There is no element “%(name)s” in a design.") % {"name": unknown[0][:80]}
        raise _bad("design_unknown_element", detail)


def _check_depth(source: str) -> None:
    """The compiler goes down into each element, and one nested some thousand deep would end the process."""
    at, depth = 0, 0
    while begun := BEGINS.search(source, at):
        name, at = begun.group(1), begun.end()
        if begun.group() == "<!--":
            at = source.find("-->", at)
            if at < 0:
                return  # the compiler says so
            continue
        ended = next((one for one in ENDS.finditer(source, at) if one.group().endswith(">")), None)
        if ended is None:
            return
        at = ended.end()
        if name is None:
            depth = max(depth - 1, 0)
        elif ended.group() == ">" and name.lower() not in VOID:
            depth += 1
        if depth > DEEPEST:
            detail = _("Elements lie more than %(deepest)s deep in each other.") % {"deepest": DEEPEST}
            raise _bad("design_too_deep", detail)


def _bad(code: str, detail: str) -> Invalid:
    return Invalid(Problem(code, detail, "/mjml"))
