"""Takes apart a zip file that holds one page of HTML and its pictures, as other tools export it.

Nothing is written to a disk, and no more is unpacked than the limits say, whatever the archive claims of
itself. What is not used by the page is left alone.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from django.utils.translation import gettext as _

from common.errors import Invalid, Problem

MOST_OCTETS, MOST_ENTRIES, MOST_PICTURES = 20_000_000, 500, 50
BIGGEST_PAGE, BIGGEST_PICTURE = 2_000_000, 10_000_000
BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)
PAGES, PICTURES = (".html", ".htm"), (".png", ".jpg", ".jpeg", ".gif", ".webp")
REFERENCE = re.compile(
    r"""(?P<before>\b(?:src|background)\s*=\s*["']?|\burl\(\s*["']?)(?P<path>[^"'()<>{}\s]+)""", re.IGNORECASE
)


@dataclass(frozen=True)
class Unpacked:
    """`pictures` by the words that the page names them with."""

    page: bytes
    pictures: dict[str, tuple[str, bytes]]


def is_zip(octets: bytes) -> bool:
    return octets.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def unpacked(octets: bytes) -> Unpacked:
    """Raises Invalid with the pointer `file`."""
    if len(octets) > MOST_OCTETS:
        raise bad("zip_too_large", _("A zip file has at most 20 MB."))
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            return _read(archive)
    except BROKEN as error:
        raise bad("zip_broken", _("The zip file is broken or locked by a password.")) from error


def _read(archive: zipfile.ZipFile) -> Unpacked:
    names = [one for one in archive.namelist() if not _is_hidden(one)]
    if len(names) > MOST_ENTRIES:
        raise bad("zip_too_many", _("A zip file has at most 500 files in it."))
    pages = sorted((one for one in names if one.lower().endswith(PAGES)), key=_nearness)
    if not pages:
        raise bad("zip_no_page", _("There is no .html file in the zip file."))
    page = _bounded(archive, pages[0], BIGGEST_PAGE)
    folder, found = posixpath.dirname(pages[0]), dict[str, tuple[str, bytes]]()
    for match in REFERENCE.finditer(page.decode("utf-8", "replace")):
        said = match["path"]
        name = posixpath.normpath(posixpath.join(folder, unquote(said.partition("?")[0])))
        if said in found or name not in names or not name.lower().endswith(PICTURES):
            continue
        if len(found) == MOST_PICTURES:
            raise bad("zip_too_many", _("A page in a zip file has at most 50 pictures."))
        found[said] = (posixpath.basename(name), _bounded(archive, name, BIGGEST_PICTURE))
        if sum(len(picture) for _name, picture in found.values()) > MOST_OCTETS:
            raise bad("zip_too_large", _("The pictures of a zip file have at most 20 MB together."))
    return Unpacked(page, found)


def _is_hidden(name: str) -> bool:
    """What systems put beside: folders, `__MACOSX/`, `.DS_Store`."""
    return name.endswith("/") or any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def _nearness(name: str) -> tuple[int, bool, str]:
    """The page nearest to the top, `index.html` before others."""
    return name.count("/"), not posixpath.basename(name).lower().startswith("index."), name


def _bounded(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    with archive.open(name) as entry:
        octets = entry.read(most + 1)
    if len(octets) > most:
        detail = _("“%(name)s” is larger than %(most)s MB.")
        raise bad("zip_too_large", detail % {"name": name[:100], "most": most // 1_000_000})
    return octets


def replaced(html: str, address: Callable[[str], str | None]) -> str:
    """With other addresses for its pictures; `address` tells one by the words of the page, or None."""

    def one(match: re.Match[str]) -> str:
        return match["before"] + (address(match["path"]) or match["path"])

    return REFERENCE.sub(one, html)


def bad(code: str, detail: str) -> Invalid:
    return Invalid(Problem(code, detail, "file"))
