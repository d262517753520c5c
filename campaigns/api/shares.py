"""The REST doors of sharing a campaign."""

from __future__ import annotations

from accounts.doors.sharing import sharing_doors
from campaigns.access import campaign_for
from campaigns.shelf import SHARING

Shares, OneShare = sharing_doors(SHARING, campaign_for, operation="campaigns", component="Campaign")
