"""How a value is written into a message: as text, as HTML, or either of them as quoted-printable at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import escape

from channels.mime import encoded_octets, encoded_piece
from channels.sandbox_values import text_of

MARKUP = re.compile(r"""[&<>"']""")  # what is written otherwise in HTML


@pass_context
def finalize(context: Context, value: Any) -> str:
    # Takes the context although it needs none: otherwise Jinja2 would print constants while compiling.
    return text_of(value)


class Ready(str):
    """A text without anything to escape, encoded once although it is printed many times."""

    __slots__ = ("octets", "piece")
    piece: str
    octets: bytes  # of the piece

    def __new__(cls, text: str) -> Ready:
        made = super().__new__(cls, text)
        made.octets = encoded_octets(text)
        made.piece = made.octets.decode("ascii")
        return made


def as_encoded_text(value: Any) -> str:
    if type(value) is Ready:
        return value.piece
    return encoded_piece(value if type(value) is str else str(text_of(value)))


def as_encoded_html(value: Any) -> str:
    """Escapes by itself: the environment's own escaping would take what is encoded for raw text."""
    if type(value) is Ready:
        return value.piece
    text = value if type(value) is str else text_of(value)
    if type(text) is str and not MARKUP.search(text):
        return encoded_piece(text)  # as in the text version: the same is encoded once
    return encoded_piece(str(escape(text)))


def encoded_twice(value: Any) -> tuple[bytes, bytes]:
    """As text and as HTML: mostly the same."""
    if type(value) is Ready:
        return value.octets, value.octets
    text = value if type(value) is str else text_of(value)
    piece = encoded_octets(text)
    is_plain = type(text) is str and not MARKUP.search(text)
    return piece, piece if is_plain else encoded_octets(str(escape(text)))


def as_html(value: Any) -> str:
    return str(escape(text_of(value)))


def as_text(value: Any) -> str:
    return str(text_of(value))


@pass_context
def finalize_encoded(context: Context, value: Any) -> str:
    return as_encoded_text(value)


@pass_context
def finalize_encoded_html(context: Context, value: Any) -> str:
    return as_encoded_html(value)


def printer(html: bool, encoded: bool) -> Callable[[Any], str]:
    """How a value is written by the environment for the same."""
    if encoded:
        return as_encoded_html if html else as_encoded_text
    return as_html if html else as_text
