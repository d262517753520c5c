"""What text and JSON from outside must be before PostgreSQL can keep it."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

BREAKS = "\t\n\r"
LARGEST_KEY = 2**63 - 1  # of PostgreSQL's bigint


def has_control(text: str, *, allowed: str = "") -> bool:
    """Whether the text holds a control character or half of a surrogate pair; `allowed` ones are forgiven."""
    if text.isprintable():  # the quick way out for nearly every text
        return False
    return any(unicodedata.category(letter) in ("Cc", "Cs") and letter not in allowed for letter in text)


def is_blank(text: str) -> bool:
    """Whether nobody would see it: white space, and characters without any width."""
    return all(letter.isspace() or unicodedata.category(letter) in ("Cf", "Cc") for letter in text)


def whole_number(text: str, most: int = LARGEST_KEY) -> int | None:
    """What plain digits say, from 0 to `most`; None for any other text."""
    if not (text.isascii() and text.isdigit() and len(text) < 20):  # int() refuses thousands of digits
        return None
    number = int(text)
    return number if number <= most else None


def is_storable(value: Any) -> bool:
    """Whether jsonb keeps the value: no NUL, no lone surrogate, no infinity, no endless nesting."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (UnicodeEncodeError, RecursionError, ValueError, TypeError):
        return False
    return "\\u0000" not in text
