"""The REST doors of sharing a channel configuration."""

from __future__ import annotations

from accounts.doors.sharing import sharing_doors
from channels.access import configuration_for
from channels.sharing import SHARING

Shares, OneShare = sharing_doors(
    SHARING, configuration_for, operation="channel_configurations", component="Configuration"
)
