"""How many SMS a text becomes, and in which alphabet (3GPP TS 23.038).

GSM-7 while every character is in its alphabet: 160 units, or 153 in each part of a longer text. Ten
characters count two, an escape and a code, which one part holds together. Else UCS-2: 70 units, or 67 in each
part; a character outside the basic plane is a pair of surrogates, which one part holds together too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")
LIMITS = {"GSM-7": (160, 153), "UCS-2": (70, 67)}


@dataclass(frozen=True)
class Segments:
    """`units` are septets in GSM-7 and 16-bit words in UCS-2, without what padding at part ends wastes.

    `left` is how many more units go into the last part; `widest` are the characters that made it UCS-2.
    """

    encoding: str
    parts: tuple[str, ...]
    units: int
    left: int
    widest: str = ""

    @property
    def count(self) -> int:
        return len(self.parts)


def segment(text: str) -> Segments:
    """The parts a text is sent in. An empty text is one empty part."""
    widest = "".join(dict.fromkeys(c for c in text if c not in GSM and c not in EXTENDED))
    encoding = "UCS-2" if widest else "GSM-7"
    single, joined = LIMITS[encoding]
    sizes = [_units(character, encoding) for character in text]
    units = sum(sizes)
    if units <= single:
        return Segments(encoding, (text,), units, single - units, widest)
    parts = tuple(_split(text, sizes, joined))
    return Segments(encoding, parts, units, joined - sum(sizes[len(text) - len(parts[-1]) :]), widest)


def _units(character: str, encoding: str) -> int:
    if encoding == "GSM-7":
        return 2 if character in EXTENDED else 1
    return 2 if ord(character) > 0xFFFF else 1


def _split(text: str, sizes: list[int], limit: int) -> Iterator[str]:
    start, filled = 0, 0
    for at, size in enumerate(sizes):
        if filled + size > limit:
            yield text[start:at]
            start, filled = at, 0
        filled += size
    yield text[start:]
