"""The main switch: whether a workspace sends at all.

A workspace sends from one database, the one it was made in, and `sends_from` names that (common/place.py).
Empty means stopped by somebody. A copy of the database finds the name of the original there and stays
silent until somebody allows it: yesterday's backup restored beside production must not send everything twice.

Nothing is lost meanwhile: what is due waits, and leaves once when sending is allowed again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts import audit
from accounts.access import Actor, require
from accounts.models import Workspace
from common.errors import Conflict, Invalid, Problem
from common.place import place

PUBLISH = "campaigns.publish_campaign"
LONGEST_WHY = 500
STOPPED, ALREADY_ON = "sending_stopped", "sending_is_on"

# For statements that hand something over: `w` is the workspace.
IS_ON = "w.sends_from = %(place)s"


@dataclass(frozen=True)
class Standing:
    """Whether a workspace sends. `is_copy`: it does elsewhere, and this database is a copy of that one."""

    is_on: bool
    is_copy: bool = False
    stopped_at: datetime | None = None
    stopped_by: str = ""
    why: str = ""

    def in_words(self) -> str:
        """Who stopped it, when and why; empty while it is on."""
        if self.is_on:
            return ""
        if self.is_copy:
            return _(
                "Sending is off: this database is a copy of the one that this workspace sends from. Allow it "
                "here only when the other one sends no more."
            )
        if self.stopped_at is None:
            return _("Sending is off: nobody has allowed it yet.")
        at = formats.date_format(timezone.localtime(self.stopped_at), pgettext("date", "j M Y, H:i"))
        said = {"who": self.stopped_by, "at": at, "why": self.why}
        return _("Sending is stopped: by %(who)s, at %(at)s: %(why)s") % said


def standing(workspace: Workspace) -> Standing:
    """As the row that is at hand says; nothing is read."""
    if workspace.sends_from == place():
        return Standing(True)
    if workspace.sends_from:
        return Standing(False, is_copy=True)
    return Standing(
        False,
        stopped_at=workspace.stopped_at,
        stopped_by=workspace.stopped_by,
        why=workspace.stopped_why,
    )


def require_on(workspace: Workspace) -> None:
    """Raises Conflict `sending_stopped`, with who stopped it, when and why."""
    found = standing(workspace)
    if not found.is_on:
        raise _conflict(found)


@transaction.atomic
def stop_sending(workspace: Workspace, *, why: str, actor: Actor, now: datetime) -> Workspace:
    """Nothing of this workspace leaves any more but what is on its way.

    Raises Invalid without a reason, and Conflict when it is stopped already.
    """
    require(actor, PUBLISH, workspace)
    why = why.strip()
    if not why:
        raise Invalid(
            Problem("why_missing", _("Say why sending is stopped; everybody here reads it."), "/why")
        )
    if len(why) > LONGEST_WHY:
        detail = _("Give the reason in at most %(most)s characters.") % {"most": LONGEST_WHY}
        raise Invalid(Problem("why_too_long", detail, "/why"))
    row = Workspace.objects.select_for_update().get(pk=workspace.pk)
    if not row.sends_from:
        raise _conflict(standing(row))
    row.sends_from, row.stopped_at, row.stopped_by, row.stopped_why = "", now, str(actor)[:200], why
    row.save(update_fields=["sends_from", "stopped_at", "stopped_by", "stopped_why"])
    audit.record(actor=actor, verb="stop_sending", obj=row, workspace=row, now=now, why=why)
    return row


@transaction.atomic
def allow_sending(workspace: Workspace, *, actor: Actor, now: datetime) -> Workspace:
    """From this database, and from no other. Raises Conflict when it is on already."""
    require(actor, PUBLISH, workspace)
    row = Workspace.objects.select_for_update().get(pk=workspace.pk)
    if standing(row).is_on:
        raise Conflict(_("This workspace is not stopped: it sends."), code=ALREADY_ON)
    was = row.sends_from
    row.sends_from, row.stopped_at, row.stopped_by, row.stopped_why = place(), None, "", ""
    row.save(update_fields=["sends_from", "stopped_at", "stopped_by", "stopped_why"])
    changes = {"sends_from": [was, row.sends_from]}
    audit.record(actor=actor, verb="allow_sending", obj=row, workspace=row, now=now, changes=changes)
    return row


def _conflict(found: Standing) -> Conflict:
    at = found.stopped_at.isoformat() if found.stopped_at else None
    named = {"stoppedAt": at, "stoppedBy": found.stopped_by, "why": found.why, "isCopy": found.is_copy}
    return Conflict(found.in_words(), code=STOPPED, **named)
