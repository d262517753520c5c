"""What a row of the ledger was written from: its place among the frozen contents, and treatments by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from campaigns.models import Version


def content_of(version: Version | None, action: int, variant: int) -> dict[str, Any]:
    """The frozen content a row counts for; empty where the version has no such place."""
    actions = version.definition["actions"] if version else []
    found: list[dict[str, Any]] = next((one["contents"] for one in actions if one["position"] == action), [])
    return found[variant] if variant < len(found) else {}


def titles_of(versions: Iterable[Version]) -> dict[str, str]:
    """What the treatments of the newest experiment are called, by the name contents bear."""
    for version in sorted(versions, key=lambda one: -one.pk):
        given = (version.definition.get("experiment") or {}).get("treatments", [])
        if given:
            return {
                ("" if place == 0 else str(one["key"])): f"{one['key']} {one.get('title') or ''}".strip()
                for place, one in enumerate(given)
            }
    return {}
