"""The pages of `docs/` for users, read in the product: as much of Markdown as they use, in blocks to draw.

A block is `(kind, content)`: `h2` and `p` with runs, `ul` and `ol` with a list of runs, `code` with a text,
`table` with rows of cells of runs. A run is `(kind, text)`: `text`, `code`, `strong`, `em`, or `link`
with `[words, address]`. Nothing of them is HTML, so whatever stands in the file is shown as it is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.utils.translation import get_language

from config.env import ROOT

# In the order of reading; the address is /guide/NAME/.
ROLES = ("manager", "approver", "viewer", "administrator")
NAMES = (
    *("concepts", *ROLES, "personalisation", "rules", "api"),
    *("privacy", "security", "deploy", "scaling", "drill"),
)
DOCS = ROOT / "docs"
RUN = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*|\*(?P<em>[^*\s](?:[^*]*[^*\s])?)\*"
    r"|\[(?P<words>[^\]]+)\]\((?P<to>[^)\s]+)\)"
)
CELL = re.compile(r"(?<!\\)\|")
Block = tuple[str, Any]


@dataclass(frozen=True)
class Manual:
    name: str
    title: str
    blocks: tuple[Block, ...]


def manual(name: str) -> Manual:
    """The page in its reader's language: `docs/zh-Hant/` has each of them as well."""
    is_chinese = (get_language() or "").lower().startswith("zh")
    return _read(name, "zh-Hant" if is_chinese else "en")


@cache
def _read(name: str, language: str) -> Manual:
    folder = DOCS if language == "en" else DOCS / language
    first, _, rest = (folder / f"{name}.md").read_text(encoding="utf-8").partition("\n")
    return Manual(name, first.removeprefix("# "), tuple(_blocks(rest)))


def _blocks(text: str) -> list[Block]:
    found: list[Block] = []
    for part in re.split(r"(^```.*?^```$)", text, flags=re.M | re.S):
        if part.startswith("```"):
            found.append(("code", part.partition("\n")[2].removesuffix("\n```")))
            continue
        found += [_block(lines.strip()) for lines in re.split(r"\n\s*\n", part) if lines.strip()]
    return found


def _block(text: str) -> Block:
    lines = text.splitlines()
    if text.startswith("## "):
        return "h2", _runs(text.removeprefix("## "))
    if text.startswith("|"):
        rows = [CELL.split(line.strip().strip("|")) for line in lines if not re.fullmatch(r"[|\s:-]+", line)]
        return "table", [[_runs(cell.replace("\\|", "|").strip()) for cell in row] for row in rows]
    for kind, mark in (("ul", r"- "), ("ol", r"\d+\. ")):
        if re.match(mark, text):
            items = re.split(rf"^{mark}", text, flags=re.M)[1:]
            return kind, [_runs(" ".join(item.split())) for item in items]
    return "p", _runs(" ".join(lines))


def _runs(text: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    at = 0
    for match in RUN.finditer(text):
        if match.start() > at:
            found.append(("text", text[at : match.start()]))
        if match["words"] is not None:
            found.append(("link", [match["words"].replace("`", ""), _address(match["to"])]))
        else:
            found.append((match.lastgroup or "text", match[match.lastindex or 0]))
        at = match.end()
    return [*found, ("text", text[at:])] if at < len(text) else found


def _address(target: str) -> str:
    """Another page of the manual, or the page that has the same; what is neither stays words."""
    name = target.partition("#")[0].removesuffix(".md").removeprefix("../")
    if name == "api-changelog":
        return "/developers/changes/"
    return f"/guide/{name}/" if name in NAMES else ""
