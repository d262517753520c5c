"""One verb on many campaigns. Each is judged by its own rights and state; what happened is told for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User, Workspace
from campaigns import access, folders, lifecycle, shelf
from campaigns.models import Campaign
from common.errors import CarillonError, Invalid, NotFound, Problem
from common.text import whole_number

MOST = 200
LABELS = {
    "request_approval": gettext_lazy("Request approval"),
    "approve": gettext_lazy("Approve"),
    "pause": gettext_lazy("Pause"),
    "resume": gettext_lazy("Resume"),
    "stop": gettext_lazy("Stop"),
    "archive": gettext_lazy("Archive"),
    "duplicate": gettext_lazy("Duplicate"),
    "delete": gettext_lazy("Delete drafts"),
    "tag": gettext_lazy("Add tags"),
    "move": gettext_lazy("Move to the folder"),
}


@dataclass(frozen=True)
class Result:
    name: str
    is_done: bool
    told: str


def apply(
    verb: str, pks: Sequence[int], *, workspace: Workspace, actor: User, now: datetime, **given: str
) -> list[Result]:
    """`given` holds `tags` (a line) or `folder` (a number; empty: none). Raises Invalid."""
    if verb not in LABELS:
        raise Invalid(Problem("unknown_verb", _("There is no such verb."), "verb"))
    if not 0 < len(pks) <= MOST:
        raise Invalid(Problem("bad_selection", _("Choose 1 to %(most)s campaigns.") % {"most": MOST}, "pick"))
    act = _act(verb, workspace, actor, now, given)
    return [_one(pk, workspace, actor, act) for pk in dict.fromkeys(pks)]


def _act(
    verb: str, workspace: Workspace, actor: User, now: datetime, given: dict[str, str]
) -> Callable[[Campaign], Any]:
    if verb == "tag":
        tags = shelf.read_tags(given.get("tags", ""))
        if not tags:
            raise Invalid(Problem("tags_missing", _("Write the tags to add."), "tags"))
        return lambda row: shelf.add_tags(row, tags, actor=actor, now=now)
    if verb == "move":
        number = whole_number(given.get("folder", ""))
        folder = None if number is None else folders.folder_for(actor, workspace, number)
        return lambda row: shelf.move(row, folder, actor=actor, now=now)
    if verb == "delete":
        return lambda row: lifecycle.delete(row, actor=actor, now=now)
    if verb == "duplicate":
        return lambda row: lifecycle.duplicate(row, actor=actor, now=now)
    return lambda row: lifecycle.apply(row, verb, actor=actor, now=now)


def _one(pk: int, workspace: Workspace, actor: User, act: Callable[[Campaign], Any]) -> Result:
    try:
        with transaction.atomic():
            campaign = access.campaign_for(actor, pk)
            if campaign.workspace_id != workspace.pk:
                raise NotFound(_("There is no such campaign, or you may not see it."))
    except NotFound as error:
        return Result(f"#{pk}", False, str(error.detail))
    try:
        with transaction.atomic():
            moved = act(campaign)
    except CarillonError as error:
        return Result(campaign.name, False, str(error.detail))
    told = _("now “%(state)s”") % {"state": moved.get_status_display()} if moved else _("done")
    return Result(campaign.name, True, told)
