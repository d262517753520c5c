"""Characters that no cell may hold."""

from __future__ import annotations

import re

# Control characters but tab and line ends, halves of surrogate pairs, and what a decoder could not read.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")


def has_control(text: str) -> bool:
    return CONTROL.search(text) is not None
