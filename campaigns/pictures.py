"""What an uploaded file really is, by its octets; pictures are drawn anew, so that they carry nothing else.

A picture is bounded by its header before anything of it is decoded. SVG is refused: it is a document that can
run code, and mail programs do not show it. What is neither a picture nor one of the documents below is
refused too, whatever it is called.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from common.errors import Invalid, Problem
from common.text import has_control

MOST_OCTETS = 10_000_000

OFFICE = "application/vnd.openxmlformats-officedocument."
EXTENSIONS = {
    "image/png": ("png",),
    "image/jpeg": ("jpg", "jpeg"),
    "image/gif": ("gif",),
    "image/webp": ("webp",),
    "application/pdf": ("pdf",),
    f"{OFFICE}wordprocessingml.document": ("docx",),
    f"{OFFICE}spreadsheetml.sheet": ("xlsx",),
    f"{OFFICE}presentationml.presentation": ("pptx",),
    "text/plain": ("txt",),
    "text/csv": ("csv",),
    "text/calendar": ("ics",),
}
TEXTS = {"txt": "text/plain", "csv": "text/csv", "ics": "text/calendar"}
BROKEN = (OSError, SyntaxError, ValueError, EOFError, OverflowError, MemoryError, struct.error, zlib.error)


@dataclass(frozen=True)
class Taken:
    """A file as it is kept. `copies` are narrower ones of a picture, by their width."""

    kind: str
    octets: bytes = field(repr=False)
    width: int | None = None
    height: int | None = None
    copies: dict[int, bytes] = field(default_factory=dict, repr=False)


def taken_in(name: str, octets: bytes) -> Taken:
    """Raises Invalid with the pointer `file`: too large, broken, of a kind that is not taken, misnamed."""
    if not octets:
        raise bad("file_empty", _("The file is empty."))
    if len(octets) > MOST_OCTETS:
        raise bad("file_too_large", _("The file is larger than 10 MB."))
    extension = name.rpartition(".")[2].lower()
    head = octets[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head or extension in ("svg", "svgz"):
        detail = _("SVG can run code and mail programs do not show it. Save it as PNG and upload that.")
        raise bad("svg_refused", detail)
    found = _picture(octets) if _is_picture(octets) else Taken(_document(octets, extension), octets)
    if extension not in EXTENSIONS[found.kind]:
        named = {"name": name, "kind": found.kind, "extension": EXTENSIONS[found.kind][0]}
        detail = _("“%(name)s” is %(kind)s. Call it .%(extension)s and upload it again.")
        raise bad("file_misnamed", detail % named)
    return found


def _picture(octets: bytes) -> Taken:
    """What draws is imported here: it weighs on every process, and few ever draw."""
    from campaigns.redraw import redrawn

    return redrawn(octets)


def _is_picture(octets: bytes) -> bool:
    is_webp = octets[:4] == b"RIFF" and octets[8:12] == b"WEBP"
    return is_webp or octets.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a"))


def _document(octets: bytes, extension: str) -> str:
    if octets.startswith(b"%PDF-"):
        return "application/pdf"
    if octets.startswith(b"PK\x03\x04") and (kind := _office(octets)):
        return kind
    if extension in TEXTS:
        try:
            text = octets.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            detail = _("The file is not UTF-8. Save it as UTF-8 and try again.")
            raise bad("file_encoding", detail) from error
        if not has_control(text, allowed="\t\n\r\f"):
            return TEXTS[extension]
    detail = _("Upload a picture (PNG, JPEG, GIF, WebP), PDF, DOCX, XLSX, PPTX, TXT, CSV or ICS.")
    raise bad("file_kind", detail)


def _office(octets: bytes) -> str:
    """The kind of an office document; nothing for another archive, or one with macros. Only its list of names
    is read, so nothing is unpacked.
    """
    try:
        names = zipfile.ZipFile(io.BytesIO(octets)).namelist()
    except (zipfile.BadZipFile, *BROKEN):
        return ""
    if "[Content_Types].xml" not in names or any(one.endswith("vbaProject.bin") for one in names):
        return ""
    for start, kind in (
        ("word/", f"{OFFICE}wordprocessingml.document"),
        ("xl/", f"{OFFICE}spreadsheetml.sheet"),
        ("ppt/", f"{OFFICE}presentationml.presentation"),
    ):
        if any(one.startswith(start) for one in names):
            return kind
    return ""


def bad(code: str, detail: str) -> Invalid:
    return Invalid(Problem(code, detail, "file"))
