"""HTML and text of a mail written in one go, as the octets that travel.

What both say of a person is looked up and encoded once, and everything is put together once. Whatever is out
of the ordinary is left to the two templates, which write the same, each for itself (see `slots.py`).
"""

from __future__ import annotations

from typing import Any

from channels import mime
from channels.sandbox import Template
from channels.sandbox_printing import encoded_twice
from channels.slots import ORDINARY

Path = tuple[str, ...]
Places = list[int]


class Bodies:
    """Of two templates that write quoted-printable."""

    def __init__(self, text: Template, html: Template) -> None:
        self.text, self.html = text, html
        self._woven = _Woven(text, html) if text.slots and html.slots else None

    def write(self, context: dict[str, Any]) -> bytes:
        """For one person. Raises RenderError."""
        octets = self._woven.write(context) if self._woven else None
        return octets or mime.alternatives(self.text.render(context), self.html.render(context))


class _Woven:
    """Both in one list of pieces. Of a value `values` has its places in the text and those in the HTML."""

    def __init__(self, text: Template, html: Template) -> None:
        pieces, places = list[str](), dict[Path, dict[str, tuple[Places, Places]]]()
        self.begins = list[tuple[Template, int]]()
        for number, (template, before) in enumerate(((text, mime.BEFORE_TEXT), (html, mime.BEFORE_HTML))):
            assert template.slots is not None
            pieces.append(before)
            at = len(pieces)
            self.begins.append((template, at))
            pieces += template.slots.pieces
            for path, values in template.slots.values.items():
                for name, printed in values:
                    both = places.setdefault(path, {}).setdefault(name, ([], []))
                    both[number].extend(at + place for place in printed)
        pieces.append(mime.BEHIND_BODIES)
        self.pieces = [piece.encode("ascii") for piece in pieces]
        self.values = [
            (path, [(name, *both) for name, both in named.items()]) for path, named in places.items()
        ]
        self.length, self.most = sum(map(len, pieces)), text.most

    def write(self, context: dict[str, Any]) -> bytes | None:
        """None where it is better said by the templates alone."""
        pieces, length = self.pieces.copy(), self.length
        try:
            for path, values in self.values:
                group: Any = context
                for name in path:
                    group = group[name]
                for name, in_text, in_html in values:
                    value = group[name]
                    if not isinstance(value, str) and type(value) not in ORDINARY:
                        return None
                    as_text, as_html = encoded_twice(value)
                    length += len(as_text) * len(in_text) + len(as_html) * len(in_html)
                    for place in in_text:
                        pieces[place] = as_text
                    for place in in_html:
                        pieces[place] = as_html
        except (KeyError, TypeError):  # missing, or below something that is no group of values
            return None
        for template, at in self.begins:
            if (parts := template.run_parts(context)) is None:
                return None
            for place, written in parts:
                pieces[at + place] = written.encode("ascii")
                length += len(written)
        return b"".join(pieces) if length <= self.most else None
