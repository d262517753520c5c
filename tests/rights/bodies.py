"""A body for each change of the API that takes effect on the ordinary objects of the world."""

from __future__ import annotations

from typing import Any

from channels.models import ChannelConfiguration
from tests.rights.world import World

CAP = {"name": "Rarely", "kind": "cap", "channels": ["email"], "count": 2, "every": 1, "unit": "day"}
PLAN = {"name": "New", "days": [{"others": 5}]}
FEEDBACK = {"name": "New", "url": "https://127.0.0.1/", "kinds": ["run.changed"]}
BODIES: dict[str, dict[str, Any]] = {
    "/api/audiences/<int:pk>/": {"name": "New"},
    "/api/attributes/<str:key>/": {"label": "New"},
    "/api/topics/<int:pk>/": {"name": "New"},
    "/api/profiles/<int:pk>/": {"locale": "fr"},
    "/api/roles/<int:pk>/": {"title": "New", "permissions": []},
    "/api/access-labels/<int:pk>/": {"name": "New", "description": "", "roles": []},
    "/api/folders/<int:pk>/": {"name": "New", "parent": None},
    "/api/assets/<int:pk>/": {"description": "New"},
    "/api/seed-lists/<int:pk>/": {"name": "New", "addresses": ["new@seed.example"]},
    "/api/fragments/<int:pk>/": {"source": "New"},
    "/api/content-templates/<int:pk>/": {"name": "New"},
    "/api/feedback-webhooks/<int:pk>/": FEEDBACK,
    "/api/allowed/state/": {"active": True},
    "/api/addresses/": {"email": ["attribute:work_email"]},
    "/api/channel-configurations/<int:pk>/addresses/": {"sources": ["email"]},
    "/api/channel-configurations/<int:pk>/limits/": {"rate": 7},
    "/api/channel-configurations/<int:pk>/": {"description": "New"},
    "/api/rule-sets/<int:pk>/": {"name": "New"},
    "/api/rule-sets/<int:pk>/rules/<int:rule>/": CAP,
    "/api/sending-domains/<int:pk>/": {"spf": "ip4:192.0.2.1"},
    "/api/campaigns/<int:pk>/": {"name": "New"},
}


def changes(world: World) -> dict[str, dict[str, Any]]:
    """By address; what makes such a thing takes the same."""
    configuration = ChannelConfiguration.objects.get(name="Plain own warm")
    approvers = {"match": "any", "of": [{"user": world.people["approver"].pk}]}
    return BODIES | {
        "/api/approval-policies/<int:pk>/": {"name": "New", "approvers": approvers},
        "/api/warm-up-plans/<int:pk>/": {**PLAN, "configurationId": configuration.pk},
    }
