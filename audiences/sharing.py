"""Sharing one audience with a person or a role of its workspace: to see it, or to manage it too."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from accounts.sharing import Sharing
from audiences.access import MANAGE

SHARING = Sharing(
    MANAGE,
    {"view": ("view_audience",), "manage": ("view_audience", "manage_audience")},
    {"view": gettext_lazy("may see it"), "manage": gettext_lazy("may manage it")},
)
