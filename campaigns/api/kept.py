"""What fragments, templates and files have in common over REST: folder, tags and labels."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from campaigns import keeping, shelf
from campaigns.access import MANAGE
from common.api import StrictSerializer
from common.doors import Acting


class KeptShape(Acting):
    right = MANAGE
    folder = serializers.CharField(allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField())
    labels = serializers.SerializerMethodField()

    def get_labels(self, row: keeping.Kept) -> list[str]:
        return sorted(label.name for label in row.labels.all())


class KeptChange(StrictSerializer):
    folder = serializers.CharField(max_length=100, required=False, allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField(max_length=50), required=False, max_length=30)


def placed(row: keeping.Kept, given: dict[str, Any], **by: Any) -> dict[str, Any]:
    """Does what `KeptChange` says, and gives back the rest. Raises Invalid."""
    place = {name: given[name] for name in ("folder", "tags") if name in given}
    if "tags" in place:
        place["tags"] = shelf.read_tags(",".join(place["tags"]))
    keeping.place(row, **place, **by)
    return {name: value for name, value in given.items() if name not in place}
