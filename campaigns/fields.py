"""What people did with our messages, lent to the audience rules (see `audiences/rules/engagement.py`).

Each is SQL of rows (profile_id, at, workspace_id, campaign_id, channel); a message counts once, however often
it was opened or clicked. A click shows that the message was opened. What
machines opened or clicked does not count.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from accounts.access import Actor, visible_to
from accounts.models import Workspace
from audiences.rules.engagement import Engagement
from campaigns.models import Campaign

# What happened (`h`) to which message, in which campaign. Tables and conditions are our own constants.
ROWS = """
SELECT m.profile_id, h.at, g.workspace_id, g.id AS campaign_id, a.channel, m.run_id, m.action, m.ref
FROM {table} h
JOIN campaigns_run r ON r.id = h.run_id
JOIN campaigns_campaign g ON g.id = r.campaign_id
LEFT JOIN campaigns_action a ON a.campaign_id = g.id AND a.position = h.action
JOIN campaigns_message m ON m.run_id = h.run_id AND m.action = h.action AND m.ref = h.ref
WHERE m.profile_id IS NOT NULL AND {condition}"""
COUNTED = "count(DISTINCT (e.run_id, e.action, e.ref))"
ENGAGEMENTS = {
    "received": Engagement(
        rows=ROWS.format(table="campaigns_attempt", condition="h.outcome = 'accepted'"),
        did=_("received %(what)s %(times)s %(when)s"),
        did_not=_("did not receive %(what)s %(when)s"),
        counted=COUNTED,
    ),
    "opened": Engagement(
        rows=ROWS.format(table="campaigns_event", condition="h.kind IN ('open', 'click') AND h.machine = ''"),
        did=_("opened %(what)s %(times)s %(when)s"),
        did_not=_("did not open %(what)s %(when)s"),
        counted=COUNTED,
    ),
    "clicked": Engagement(
        rows=ROWS.format(table="campaigns_event", condition="h.kind = 'click' AND h.machine = ''"),
        did=_("clicked in %(what)s %(times)s %(when)s"),
        did_not=_("did not click in %(what)s %(when)s"),
        counted=COUNTED,
    ),
}


def campaign_name(workspace_id: int, campaign_id: int) -> str | None:
    names = Campaign.objects.filter(pk=campaign_id, workspace_id=workspace_id)
    return names.values_list("name", flat=True).first()


def campaigns_for(actor: Actor, workspace: Workspace) -> list[tuple[int, str]]:
    """Number and name of those the actor may see, by name."""
    rows = visible_to(actor, Campaign.objects.filter(workspace=workspace), "campaigns.view_campaign")
    return list(rows.order_by("name").values_list("pk", "name"))
