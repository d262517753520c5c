"""The card “Shared with” of a page (`macros/sharing.html`): what it shows, and what its forms do."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import sharing
from accounts.doors.callers import actor_of
from accounts.models import Workspace
from accounts.sharing import Sharing
from common.errors import CarillonError


def card(obj: Model, workspace: Workspace, levels: Sharing) -> dict[str, Any]:
    """What the macro expects but for the address, in three queries."""
    return {
        "shares": [(holder, level, sharing.key_of(holder)) for holder, level in levels.shares_of(obj)],
        "levels": levels.labels,
        "holders": sharing.choices(workspace),
    }


def write(request: HttpRequest, obj: Model, workspace: Workspace, levels: Sharing) -> None:
    """Gives `holder` the `level`, or with `withdraw` takes it away, and says so on the next page."""
    actor, now = actor_of(request), timezone.now()
    try:
        holder = sharing.holder_called(workspace, request.POST.get("holder", ""))
        if "withdraw" in request.POST:
            levels.withdraw(obj, holder=holder, actor=actor, now=now)
        else:
            levels.give(obj, holder=holder, level=request.POST.get("level", ""), actor=actor, now=now)
    except CarillonError as error:
        messages.error(request, str(error.detail))
    else:
        messages.success(request, _("Saved."))
