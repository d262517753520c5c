"""Draws uploaded pictures anew, so that they carry nothing but their pixels, and narrower copies of them."""

from __future__ import annotations

import io
from typing import Any

from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from campaigns.pictures import BROKEN, Taken, bad
from common.errors import Invalid, Problem

MOST_PIXELS, LONGEST_SIDE = 40_000_000, 12_000
MOST_FRAME_PIXELS = 150_000_000  # of all frames of what moves together
LEAST_WIDTH = 16  # under which nobody sees anything
WIDTHS = (320, 640, 1280)  # copies of a picture that is wider
Image.MAX_IMAGE_PIXELS = MOST_PIXELS
PICTURES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 86, "optimize": True, "progressive": True},
    "PNG": {"optimize": True},
    "WEBP": {"quality": 86},
}


def redrawn(octets: bytes) -> Taken:
    """Raises Invalid with the pointer `file`."""
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
        raise bad("picture_broken", _("The picture is broken or incomplete. Save it anew.")) from error
    copies = {}
    for width in WIDTHS:
        if width < upright.width:
            copies[width] = _narrower(upright, kind, width)
    return Taken(PICTURES[kind], _written(upright, kind), upright.width, upright.height, copies)


def narrowed(octets: bytes, width: int) -> bytes:
    """A picture of the library in that width, its height in proportion. Raises Invalid with `width`."""
    with Image.open(io.BytesIO(octets), formats=list(PICTURES)) as image:
        if getattr(image, "n_frames", 1) > 1:
            detail = _("A picture that moves keeps its size.")
            raise Invalid(Problem("picture_moves", detail, "width"))
        if not LEAST_WIDTH <= width < image.width:
            named = {"least": LEAST_WIDTH, "most": image.width - 1}
            detail = _("Give a width from %(least)s to %(most)s pixels.") % named
            raise Invalid(Problem("bad_width", detail, "width"))
        kind = str(image.format)
        image.load()
        return _narrower(image, kind, width)


def _narrower(image: Image.Image, kind: str, width: int) -> bytes:
    """Its height in proportion."""
    copy = image.convert("RGBA") if image.mode == "P" else image.copy()
    copy.thumbnail((width, image.height), Image.Resampling.LANCZOS)
    return _written(copy, kind)


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
    return bad("picture_too_large", detail)
