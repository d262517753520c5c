"""Sharing one configuration with a person or a role of its workspace: to see it, or to manage it too."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from accounts.sharing import Sharing
from channels.access import MANAGE

# Who may manage it must also see it.
LEVELS = {
    "view": ("view_channelconfiguration",),
    "manage": ("view_channelconfiguration", "manage_channelconfiguration"),
}
LEVEL_LABELS = {"view": gettext_lazy("may see it"), "manage": gettext_lazy("may manage it")}
SHARING = Sharing(MANAGE, LEVELS, LEVEL_LABELS)
