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
from typing import Any

from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from common.errors import Invalid, Problem
from common.text import has_control

MOST_OCTETS = 10_000_000
MOST_PIXELS, LONGEST_SIDE = 40_000_000, 12_000
MOST_FRAME_PIXELS = 150_000_000  # of all frames of what moves together
WIDTHS = (320, 640, 1280)  # copies of a picture that is wider
Image.MAX_IMAGE_PIXELS = MOST_PIXELS

PICTURES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
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
OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 86, "optimize": True, "progressive": True},
    "PNG": {"optimize": True},
    "WEBP": {"quality": 86},
}
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
        raise _bad("file_empty", _("The file is empty."))
    if len(octets) > MOST_OCTETS:
        raise _bad("file_too_large", _("The file is larger than 10 MB."))
    extension = name.rpartition(".")[2].lower()
    head = octets[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head or extension in ("svg", "svgz"):
        detail = _("SVG can run code and mail programs do not show it. Save it as PNG and upload that.")
        raise _bad("svg_refused", detail)
    found = _drawn(octets) if _is_picture(octets) else Taken(_document(octets, extension), octets)
    if extension not in EXTENSIONS[found.kind]:
        named = {"name": name, "kind": found.kind, "extension": EXTENSIONS[found.kind][0]}
        detail = _("“%(name)s” is %(kind)s. Call it .%(extension)s and upload it again.")
        raise _bad("file_misnamed", detail % named)
    return found


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
            raise _bad("file_encoding", detail) from error
        if not has_control(text, allowed="\t\n\r\f"):
            return TEXTS[extension]
    detail = _("Upload a picture (PNG, JPEG, GIF, WebP), PDF, DOCX, XLSX, PPTX, TXT, CSV or ICS.")
    raise _bad("file_kind", detail)


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


def _drawn(octets: bytes) -> Taken:
    try:
        with Image.open(io.BytesIO(octets), formats=list(PICTURES)) as image:
            _require_bounded(image)
            kind, frames = str(image.format), getattr(image, "n_frames", 1)
            if frames > 1 and kind in ("GIF", "WEBP"):
                return _moving(image, kind, frames)
            image.load()
            upright = _plain(ImageOps.exif_transpose(image), kind)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except BROKEN as error:
        raise _bad("picture_broken", _("The picture is broken or incomplete. Save it anew.")) from error
    copies = {}
    for width in WIDTHS:
        if width < upright.width:
            copy = upright.convert("RGBA") if upright.mode == "P" else upright.copy()
            copy.thumbnail((width, upright.height), Image.Resampling.LANCZOS)
            copies[width] = _written(copy, kind)
    return Taken(PICTURES[kind], _written(upright, kind), upright.width, upright.height, copies)


def _require_bounded(image: Image.Image) -> None:
    """By the header alone: a bomb is small until it is decoded."""
    width, height = image.size
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise _too_many_pixels()


def _moving(image: Image.Image, kind: str, frames: int) -> Taken:
    """All its frames; copies would stand still, so there are none."""
    if frames * image.width * image.height > MOST_FRAME_PIXELS:
        raise _too_many_pixels()
    image.info.pop("comment", None)
    out = io.BytesIO()
    image.save(out, kind, save_all=True)
    return Taken(PICTURES[kind], out.getvalue(), image.width, image.height)


def _plain(image: Image.Image, kind: str) -> Image.Image:
    """Without anything but its pixels, in colours that every mail program shows."""
    if kind == "JPEG" and image.mode not in ("RGB", "L"):
        image = image.convert("RGB")
    elif image.mode not in ("RGB", "RGBA", "L", "LA", "P", "1"):
        image = image.convert("RGBA" if "A" in image.mode else "RGB")
    transparency = image.info.get("transparency")
    image.info = {} if transparency is None else {"transparency": transparency}
    return image


def _written(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **OPTIONS.get(kind, {}))
    return out.getvalue()


def _too_many_pixels() -> Invalid:
    detail = _("The picture has more than 40 million pixels, or is longer than 12,000. Make it smaller.")
    return _bad("picture_too_large", detail)


def _bad(code: str, detail: str) -> Invalid:
    return Invalid(Problem(code, detail, "file"))
