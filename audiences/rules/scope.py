"""What the rules of one workspace may speak of: its fields, its topics, and other audiences.

Audiences come as definitions, frozen with a campaign or read a moment ago (`references.py`), so that a rule
means the same from its first check to its last page of people.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from accounts.models import Workspace
from audiences.models import Topic
from audiences.rules.fields import Field, fields_of


class Scope:
    """`audiences`: definitions by the number as text, as JSON keeps it."""

    def __init__(self, workspace: Workspace, audiences: Mapping[str, dict[str, Any]] | None = None) -> None:
        self.workspace = workspace
        self.audiences = audiences or {}

    @cached_property
    def fields(self) -> dict[str, Field]:
        return fields_of(self.workspace)

    @cached_property
    def topics(self) -> dict[str, Topic]:
        return {topic.key: topic for topic in Topic.objects.filter(workspace=self.workspace)}

    @property
    def zone(self) -> str:
        return self.workspace.time_zone

    def audience(self, number: Any) -> dict[str, Any] | None:
        is_number = isinstance(number, int) and not isinstance(number, bool)
        return self.audiences.get(str(number)) if is_number and 0 < number < 2**63 else None
