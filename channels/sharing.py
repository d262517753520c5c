"""Sharing one configuration with a person or a role of its workspace: to see it, or to manage it too."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from accounts.sharing import Sharing
from channels.access import MANAGE

VIEW = ("view_channelconfiguration",)
SHARING = Sharing(
    MANAGE,
    {"view": VIEW, "manage": (*VIEW, "manage_channelconfiguration")},
    {"view": gettext_lazy("may see it"), "manage": gettext_lazy("may manage it")},
)
