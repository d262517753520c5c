"""Sharing one audience with a person or a role of its workspace: to see it, or to manage it too.

It adds to what their roles allow and never takes away; access labels stand above it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import access, audit
from accounts.access import Actor, require
from accounts.models import Role, User
from audiences.access import MANAGE
from audiences.models import Audience
from common.errors import Invalid, Problem

# Who may manage it must also see it.
LEVELS = {"view": ("view_audience",), "manage": ("view_audience", "manage_audience")}
LEVEL_LABELS = {"view": gettext_lazy("may see it"), "manage": gettext_lazy("may manage it")}


@transaction.atomic
def give(audience: Audience, *, holder: User | Role, level: str, actor: Actor, now: datetime) -> None:
    """`level` is one of LEVELS, in place of the one they had. Raises Invalid for somebody from elsewhere."""
    require(actor, MANAGE, audience)
    if level not in LEVELS:
        detail = _("Share it as one of: %(levels)s.") % {"levels": ", ".join(LEVELS)}
        raise Invalid(Problem("unknown_level", detail, "level"))
    if not _belongs(holder, audience):
        detail = _("%(name)s is not of this workspace.") % {"name": holder}
        raise Invalid(Problem("holder_elsewhere", detail, "holder"))
    access.share(audience, holder, LEVELS[level])
    _record("share", audience, holder, actor, now, level=level)


@transaction.atomic
def withdraw(audience: Audience, *, holder: User | Role, actor: Actor, now: datetime) -> None:
    """What they may do by their roles stays."""
    require(actor, MANAGE, audience)
    if any(share.holder == holder for share in access.shares_of(audience)):
        access.unshare(audience, holder)
        _record("unshare", audience, holder, actor, now)


def shares_of(audience: Audience) -> list[tuple[User | Role, str]]:
    """Each holder with their level."""
    found = access.shares_of(audience)
    return [(one.holder, "manage" if "manage_audience" in one.rights else "view") for one in found]


def _belongs(holder: User | Role, audience: Audience) -> bool:
    if isinstance(holder, Role):
        return holder.workspace_id == audience.workspace_id
    return access.is_member(holder, audience.workspace)


def _record(
    verb: str, audience: Audience, holder: User | Role, actor: Actor, now: datetime, **details: Any
) -> None:
    """By number: the log outlives the people in it."""
    key = {"role" if isinstance(holder, Role) else "user": holder.pk}
    where = audience.workspace
    audit.record(actor=actor, verb=verb, obj=audience, workspace=where, now=now, **key, **details)
