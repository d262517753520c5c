"""What a message's template may know of a person: plain values only, for many people in one query."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from accounts.models import Workspace
from audiences.models import AttributeDefinition, Profile

COLUMNS = ("email", "phone", "external_id", "locale", "time_zone")


def names(workspace: Workspace) -> set[str]:
    """Every field that `profile.` may be followed by."""
    return {*COLUMNS, *attribute_keys(workspace.pk)}


def attribute_keys(workspace_id: int) -> list[str]:
    rows = AttributeDefinition.objects.filter(workspace_id=workspace_id)
    return list(rows.values_list("key", flat=True))


def contexts(profile_ids: Iterable[int], workspace_id: int) -> dict[int, dict[str, Any]]:
    """By profile id. A defined attribute that a person lacks is there and empty; a truth value stays one, so
    that a condition can ask for it, and is printed as true or false.
    """
    blank = dict.fromkeys(attribute_keys(workspace_id), "")
    rows = Profile.objects.filter(workspace_id=workspace_id, pk__in=list(profile_ids))
    return {
        row["pk"]: {**blank, **row["attributes"], **{name: row[name] or "" for name in COLUMNS}}
        for row in rows.values("pk", "attributes", *COLUMNS)
    }
