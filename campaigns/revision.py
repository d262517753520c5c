"""A new version of a campaign that is live: what it was before, and back to that when it is discarded.

While the new version is being written, the campaign's rows hold it, and everything that runs reads the live
version. `before_draft` is the rows as they were, in plain JSON.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from campaigns.models import Action, Campaign

PLAIN = (
    *("reach", "schedule", "waves", "rate", "languages", "experiment"),
    *("create_profiles", "on_uncertain", "high_throughput", "rule_set_id", "ignores_opens", "ignores_clicks"),
    "enable_webhooks",
)
MOMENTS = ("starts_at", "ends_at")
OF_ACTION = ("position", "channel", "configuration_id", "content", "variants")


def remember(campaign: Campaign) -> dict[str, Any]:
    return {
        **{name: getattr(campaign, name) for name in PLAIN},
        **{name: _written(getattr(campaign, name)) for name in MOMENTS},
        "audience": campaign.audience_id,
        "exclusions": sorted(campaign.exclusions.values_list("pk", flat=True)),
        "actions": list(campaign.actions.values(*OF_ACTION)),
    }


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def bring_back(campaign: Campaign) -> None:
    """The rows as `remember` found them; the caller saves the campaign."""
    before = campaign.before_draft
    for name in PLAIN:
        if name in before:  # what was remembered before the field was there holds nothing of it
            setattr(campaign, name, before[name])
    for name in MOMENTS:
        moment = before[name]
        setattr(campaign, name, datetime.fromisoformat(moment) if moment else None)
    campaign.audience_id = before["audience"]
    campaign.exclusions.set(before["exclusions"])
    campaign.actions.all().delete()
    Action.objects.bulk_create(Action(campaign=campaign, **action) for action in before["actions"])
