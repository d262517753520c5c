"""The tables of channels: configurations with their versions and secrets, the domains we send from, and what
holds messages back: pace, breaker, rule sets, allowed list, warm-up plans.
"""

from channels.models.allowed import AllowedEntry, AllowedList
from channels.models.configuration import (
    ChannelConfiguration,
    ChannelConfigurationGroupPermission,
    ChannelConfigurationUserPermission,
    ConfigurationVersion,
    Credential,
    Setup,
    spoken_steps,
)
from channels.models.domain import DkimKey, SendingDomain
from channels.models.inbox import InboxItem
from channels.models.mailbox import BounceMailbox
from channels.models.mailfile import MailFile, MailRow
from channels.models.pace import Breaker, Pace, PaceLimit
from channels.models.received import ReceivedReceipt, ReceivedReply
from channels.models.ruleset import Rule, RuleSet, RuleState
from channels.models.seeds import SeedList, SeedUse
from channels.models.warmup import WarmupCount, WarmupHold, WarmupPlan

__all__ = [
    "AllowedEntry",
    "AllowedList",
    "BounceMailbox",
    "Breaker",
    "ChannelConfiguration",
    "ChannelConfigurationGroupPermission",
    "ChannelConfigurationUserPermission",
    "ConfigurationVersion",
    "Credential",
    "DkimKey",
    "InboxItem",
    "MailFile",
    "MailRow",
    "Pace",
    "PaceLimit",
    "ReceivedReceipt",
    "ReceivedReply",
    "Rule",
    "RuleSet",
    "RuleState",
    "SeedList",
    "SeedUse",
    "SendingDomain",
    "Setup",
    "WarmupCount",
    "WarmupHold",
    "WarmupPlan",
    "spoken_steps",
]
