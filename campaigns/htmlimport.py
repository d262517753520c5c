"""Takes HTML from elsewhere into a draft: cleaned, its rules written to the elements, its tags untouched.

Template tags travel as marks, since what cleans HTML (`htmlclean.py`) would escape or move them; a document
that would lose one is refused.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from django.utils.translation import gettext as _

from campaigns import htmlclean
from campaigns.designs import TAG
from common.errors import Invalid, Problem

HERE = Path(__file__).parent.parent
MOST = 500_000
MARK = re.compile("carillonTag([0-9]+)Ends")
AS_COMMENT = re.compile("<!--carillonTag([0-9]+)Ends-->")
MOST_TAGS = 5_000
PATIENCE = 10  # seconds


def taken_in(source: str) -> str:
    """The document as it may be edited and sent. Raises Invalid with the pointer /html."""
    if len(source) > MOST:
        raise _bad("html_too_large", _("The HTML is longer than 500,000 characters."))
    if "<" not in source:
        raise _bad("html_missing", _("This is not HTML: there is no element in it."))
    if source.count("{{") + source.count("{%") > MOST_TAGS:
        raise _bad("html_too_complex", _("The HTML has more than 5,000 template tags."))
    tags: list[str] = []

    def mark(match: re.Match[str]) -> str:
        tags.append(match.group())
        name = f"carillonTag{len(tags) - 1}Ends"
        # Between rows of a table only a comment may stand; inside an element's brackets only plain text.
        return f"<!--{name}-->" if tags[-1].startswith("{%") and _is_outside(source, match.start()) else name

    marked = TAG.sub(mark, MARK.sub("", source))
    cleaned = _cleaned(marked)
    lost = sorted(set(range(len(tags))) - {int(number) for number in MARK.findall(cleaned)})
    if lost:
        detail = _("“%(tag)s” stands where it would be lost. Move it into the text and try again.")
        raise _bad("html_tag_lost", detail % {"tag": tags[lost[0]][:80]})
    restored = AS_COMMENT.sub(lambda match: tags[int(match.group(1))], cleaned)
    return MARK.sub(lambda match: tags[int(match.group(1))], restored)


def _cleaned(marked: str) -> str:
    """By `htmlclean.py`, in a process that may die of it."""
    command = [sys.executable, "-m", htmlclean.__name__]
    try:
        done = subprocess.run(
            command, input=marked.encode(), capture_output=True, timeout=PATIENCE, cwd=HERE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _too_complex() from error
    if done.returncode == htmlclean.BAD_STYLES:
        detail = _("The styles cannot be read: %(error)s") % {"error": done.stdout.decode()}
        raise _bad("html_styles", detail)
    if done.returncode:
        raise _too_complex()
    return done.stdout.decode()


def _too_complex() -> Invalid:
    detail = _("The HTML is too complex to be read: its elements lie too deep in each other.")
    return _bad("html_too_complex", detail)


def _is_outside(source: str, at: int) -> bool:
    return source.rfind("<", 0, at) <= source.rfind(">", 0, at)


def _bad(code: str, detail: str) -> Invalid:
    return Invalid(Problem(code, detail, "/html"))
