"""The rows of the story: Campaign → Version → Run → Batch → Message → Attempt → Event."""

from campaigns.models.campaign import (
    Action,
    Campaign,
    CampaignGroupPermission,
    CampaignUserPermission,
    Folder,
    Link,
    Status,
    Version,
)
from campaigns.models.caps import CapHold, CapTally, SentCount
from campaigns.models.event import Event
from campaigns.models.execution import Execution
from campaigns.models.message import Attempt, Message, MessageContext, Outcome
from campaigns.models.run import Batch, Run

__all__ = [
    "Action",
    "Attempt",
    "Batch",
    "Campaign",
    "CampaignGroupPermission",
    "CampaignUserPermission",
    "CapHold",
    "CapTally",
    "Event",
    "Execution",
    "Folder",
    "Link",
    "Message",
    "MessageContext",
    "Outcome",
    "Run",
    "SentCount",
    "Status",
    "Version",
]
