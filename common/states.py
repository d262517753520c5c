"""A table of states as rows: what each verb moves, and what one reader sees of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Transition:
    """`target` None: the verb leaves the state as it is, or removes the row."""

    verb: str
    label: Any
    sources: tuple[str, ...]
    target: str | None
    icon: str


@dataclass(frozen=True)
class ActionState:
    """What one reader sees of one verb: a button, or why it is none."""

    verb: str
    label: str
    icon: str
    allowed: bool
    reason: str = ""
