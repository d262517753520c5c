"""The REST doors of sharing an audience."""

from __future__ import annotations

from accounts.doors.sharing import sharing_doors
from audiences.access import audience_for
from audiences.sharing import SHARING

Shares, OneShare = sharing_doors(SHARING, audience_for, operation="audiences")
