"""What of a campaign is no part of what it sends, and so may change in any state: tags, labels, folder,
owner, and with whom it is shared. None of it counts as editing, and none of it opens an approval to anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.access import Actor, is_member, labels_held, require
from accounts.models import AccessLabel, User
from accounts.sharing import Sharing
from campaigns.access import MANAGE
from campaigns.models import Asset, Campaign, ContentTemplate, Folder, Fragment
from common.errors import Invalid, Problem
from common.text import has_control

VIEW = ("view_campaign", "view_report")
SHARING = Sharing(
    MANAGE,
    {
        "view": VIEW,
        "edit": (*VIEW, "manage_campaign"),
        "publish": (*VIEW, "publish_campaign"),
        "approve": (*VIEW, "approve_campaign"),
        "all": (*VIEW, "manage_campaign", "publish_campaign", "approve_campaign"),
    },
    {
        "view": gettext_lazy("may see it"),
        "edit": gettext_lazy("may edit it"),
        "publish": gettext_lazy("may publish it"),
        "approve": gettext_lazy("may approve it"),
        "all": gettext_lazy("may do everything"),
    },
)
MOST_TAGS, LONGEST_TAG = 30, 50
Labelled = Campaign | Fragment | ContentTemplate | Asset


def _locked(campaign: Campaign, actor: Actor) -> Campaign:
    rows = Campaign.objects.select_for_update(of=("self",)).select_related("workspace")
    row = rows.get(pk=campaign.pk)
    require(actor, MANAGE, row)
    return row


def _record(row: Labelled, verb: str, actor: Actor, now: datetime, before: Any, after: Any) -> None:
    where = row.workspace
    audit.record(actor=actor, verb=verb, obj=row, workspace=where, now=now, before=before, after=after)


def read_tags(text: str) -> list[str]:
    """Tags from a line, by commas; “#” in front is no part of one, and case makes no second one."""
    found: dict[str, str] = {}
    for part in text.split(","):
        tag = " ".join(part.replace("\0", "").split()).lstrip("#").strip()
        if tag:
            found.setdefault(tag.casefold(), tag)
    return list(found.values())


def check_tags(tags: Sequence[str]) -> None:
    if len(tags) > MOST_TAGS or any(len(tag) > LONGEST_TAG or has_control(tag) for tag in tags):
        named = {"most": MOST_TAGS, "longest": LONGEST_TAG}
        detail = _("At most %(most)s tags of up to %(longest)s characters.") % named
        raise Invalid(Problem("bad_tags", detail, "tags"))


@transaction.atomic
def set_tags(campaign: Campaign, tags: Sequence[str], *, actor: Actor, now: datetime) -> Campaign:
    """In any state, a live one too."""
    row = _locked(campaign, actor)
    check_tags(tags)
    if row.tags != list(tags):
        before, row.tags = row.tags, list(tags)
        row.save(update_fields=["tags"])
        _record(row, "tag", actor, now, before, row.tags)
    return row


@transaction.atomic
def add_tags(campaign: Campaign, tags: Sequence[str], *, actor: Actor, now: datetime) -> Campaign:
    row = _locked(campaign, actor)
    known = {tag.casefold() for tag in row.tags}
    return set_tags(
        row, [*row.tags, *(tag for tag in tags if tag.casefold() not in known)], actor=actor, now=now
    )


@transaction.atomic
def move(campaign: Campaign, folder: Folder | None, *, actor: Actor, now: datetime) -> Campaign:
    row = _locked(campaign, actor)
    if folder is not None and folder.workspace_id != row.workspace_id:
        raise Invalid(Problem("unknown", _("This is not known here. Choose from the list."), "folder"))
    if row.folder_id != (folder.pk if folder else None):
        before, row.folder = row.folder_id, folder
        row.save(update_fields=["folder"])
        _record(row, "move", actor, now, before, row.folder_id)
    return row


@transaction.atomic
def set_labels(campaign: Campaign, labels: Iterable[AccessLabel], *, actor: Actor, now: datetime) -> Campaign:
    row = _locked(campaign, actor)
    relabel(row, labels, actor=actor, now=now)
    return row


def relabel(row: Labelled, labels: Iterable[AccessLabel], *, actor: Actor, now: datetime) -> None:
    """Only labels the actor holds are given, so that nobody locks themselves out; all it carries they hold
    already, or they would not see it.
    """
    chosen = set(labels)
    if not chosen <= set(labels_held(actor, row.workspace)):
        detail = _("You can give only labels that one of your roles holds.")
        raise Invalid(Problem("label_not_held", detail, "labels"))
    before = set(row.labels.all())
    if before != chosen:
        row.labels.set(chosen)
        names = [sorted(label.name for label in one) for one in (before, chosen)]
        _record(row, "label", actor, now, *names)


@transaction.atomic
def set_owner(campaign: Campaign, owner: User, *, actor: Actor, now: datetime) -> Campaign:
    """The owner hears of it and is named as who answers for it; who made or submitted it stays who did."""
    row = _locked(campaign, actor)
    if not is_member(owner, row.workspace):
        raise Invalid(Problem("unknown", _("This is not known here. Choose from the list."), "owner"))
    if row.owner_id != owner.pk:
        before, row.owner = row.owner_id, owner
        row.save(update_fields=["owner"])
        _record(row, "own", actor, now, before, owner.pk)
    return row
