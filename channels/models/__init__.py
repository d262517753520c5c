"""The tables of channels: configurations with their versions and secrets, and the domains we send from."""

from channels.models.configuration import (
    ChannelConfiguration,
    ChannelConfigurationGroupPermission,
    ChannelConfigurationUserPermission,
    ConfigurationVersion,
    Credential,
    Setup,
)
from channels.models.domain import DkimKey, SendingDomain

__all__ = [
    "ChannelConfiguration",
    "ChannelConfigurationGroupPermission",
    "ChannelConfigurationUserPermission",
    "ConfigurationVersion",
    "Credential",
    "DkimKey",
    "SendingDomain",
    "Setup",
]
