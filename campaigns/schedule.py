"""When a campaign runs. A run is a row, unique per campaign and due time, written when it is activated."""

from __future__ import annotations

from datetime import datetime

from campaigns.models import Campaign, Run, Version


def plan_run(campaign: Campaign, version: Version, now: datetime) -> Run:
    """The next run of an activated campaign; an API-triggered one gets a standing run, open at once."""
    if campaign.type == Campaign.Type.API_TRIGGERED:
        return Run.objects.create(
            campaign=campaign,
            version=version,
            kind=Run.Kind.STANDING,
            state=Run.State.SENDING,
            due_at=now,
            started_at=now,
            expanded_at=now,
        )
    return Run.objects.create(campaign=campaign, version=version, due_at=campaign.starts_at or now)


def is_open(campaign: Campaign, now: datetime) -> bool:
    """Whether `now` lies inside the campaign's window."""
    has_begun = campaign.starts_at is None or campaign.starts_at <= now
    return has_begun and (campaign.ends_at is None or now < campaign.ends_at)
