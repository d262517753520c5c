"""The rows of the story: Campaign → Version → Run → Batch → Message → Attempt → Event."""

from campaigns.models.approval import (
    ApprovalDecision,
    ApprovalPolicy,
    ApprovalRequest,
    Comment,
    StandIn,
)
from campaigns.models.campaign import (
    WRITTEN,
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
from campaigns.models.content import Asset, ContentTemplate, Fragment, FragmentVersion, TemplateVersion
from campaigns.models.count import Count, CountMark
from campaigns.models.event import Event
from campaigns.models.execution import Execution
from campaigns.models.feedback import FeedbackBatch, FeedbackDelivery, FeedbackEndpoint, FeedbackKind
from campaigns.models.message import Attempt, Message, MessageContext, Outcome
from campaigns.models.preflight import Preflight
from campaigns.models.reporting import ReportOrder
from campaigns.models.run import Batch, Run
from campaigns.models.seeds import SeedCopy, SeedRound
from campaigns.models.shelf import CalendarEntry, Columns, ExternalCalendar, Follow, SavedView

__all__ = [
    "WRITTEN",
    "Action",
    "ApprovalDecision",
    "ApprovalPolicy",
    "ApprovalRequest",
    "Asset",
    "Attempt",
    "Batch",
    "CalendarEntry",
    "Campaign",
    "CampaignGroupPermission",
    "CampaignUserPermission",
    "CapHold",
    "CapTally",
    "Columns",
    "Comment",
    "ContentTemplate",
    "Count",
    "CountMark",
    "Event",
    "Execution",
    "ExternalCalendar",
    "FeedbackBatch",
    "FeedbackDelivery",
    "FeedbackEndpoint",
    "FeedbackKind",
    "Folder",
    "Follow",
    "Fragment",
    "FragmentVersion",
    "Link",
    "Message",
    "MessageContext",
    "Outcome",
    "Preflight",
    "ReportOrder",
    "Run",
    "SavedView",
    "SeedCopy",
    "SeedRound",
    "SentCount",
    "StandIn",
    "Status",
    "TemplateVersion",
    "Version",
]
