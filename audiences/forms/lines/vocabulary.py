"""What the rules of one workspace may speak of, as one reader sees it. Lists are read when first needed."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from accounts.access import Actor, visible_to
from accounts.models import Workspace
from audiences.access import VIEW
from audiences.models import AttributeDefinition, Audience
from audiences.reachability import CHANNELS
from audiences.rules.engagement import LENT, Engagement
from audiences.rules.fields import CHOICE, Field
from audiences.rules.scope import Scope


class Vocabulary:
    """`audience` is the one whose rule is built; it cannot name itself."""

    def __init__(self, workspace: Workspace, actor: Actor, audience: Audience | None = None) -> None:
        self.workspace, self.actor, self.audience = workspace, actor, audience
        self.scope = Scope(workspace)

    @property
    def fields(self) -> dict[str, Field]:
        return self.scope.fields

    @cached_property
    def choices(self) -> dict[str, list[str]]:
        """What a choice attribute may be, by its key."""
        rows = AttributeDefinition.objects.filter(workspace=self.workspace, type=CHOICE)
        return dict(rows.values_list("key", "choices"))

    @cached_property
    def audiences(self) -> list[tuple[str, str]]:
        rows = visible_to(self.actor, Audience.objects.filter(workspace=self.workspace), VIEW)
        if self.audience:
            rows = rows.exclude(pk=self.audience.pk)
        live = rows.exclude(state=Audience.State.ARCHIVED).order_by("name")
        return [(str(pk), name) for pk, name in live.values_list("pk", "name")]

    @cached_property
    def topics(self) -> list[tuple[str, Any]]:
        return [(key, topic.name) for key, topic in self.scope.topics.items()]

    @cached_property
    def campaigns(self) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in LENT.campaigns(self.actor, self.workspace)]

    @property
    def channels(self) -> dict[str, Any]:
        return CHANNELS

    @property
    def engagements(self) -> dict[str, Engagement]:
        return LENT.engagements
