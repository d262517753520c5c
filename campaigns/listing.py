"""The list of campaigns as an address asks for it: filters, order, columns; what is unknown is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.access import Actor, require
from accounts.models import User, Workspace
from campaigns import access, folders
from campaigns.models import Action, Campaign, Columns, Run, SavedView, Status
from common.errors import Invalid, NotFound, Problem
from common.text import whole_number

OPEN = (Status.DRAFT, Status.IN_REVIEW, Status.APPROVED, Status.SCHEDULED, Status.LIVE, Status.PAUSED)
SORTS = {
    "name": "name",
    "status": "status",
    "audience": "audience__name",
    "next": "next_at",
    "created": "created_at",
    "changed": "changed_at",
    "owner": "owner__name",
    "folder": "folder__name",
}
COLUMNS = {
    "status": gettext_lazy("Status"),
    "channel": gettext_lazy("Channel"),
    "audience": gettext_lazy("Audience"),
    "next": gettext_lazy("Next run"),
    "folder": gettext_lazy("Folder"),
    "owner": gettext_lazy("Owner"),
    "created": gettext_lazy("Created"),
    "changed": gettext_lazy("Changed"),
}
SHOWN = ["status", "channel", "audience", "next", "changed"]
LATELY = timedelta(days=30)


@dataclass(frozen=True)
class Asked:
    """What one address asks for, every value already one of those we know."""

    type: str
    status: str
    channel: str
    tag: str
    folder: int | None
    owner: int | None
    since: date | None
    until: date | None
    is_mine: bool
    is_recent: bool
    search: str
    sort: str

    @property
    def column(self) -> str:
        return self.sort.removeprefix("-")

    @property
    def is_descending(self) -> bool:
        return self.sort.startswith("-")

    def query(self) -> dict[str, str]:
        """Back as an address, without what is empty."""
        pairs = {
            "type": self.type,
            "status": self.status,
            "channel": self.channel,
            "tag": self.tag,
            "folder": "" if self.folder is None else str(self.folder),
            "owner": "" if self.owner is None else str(self.owner),
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
            "mine": "1" if self.is_mine else "",
            "recent": "1" if self.is_recent else "",
            "search": self.search,
            "sort": self.sort,
        }
        return {key: value for key, value in pairs.items() if value}


def read(given: Mapping[str, str]) -> Asked:
    def text(key: str) -> str:
        return given.get(key, "").replace("\0", "").strip()[:100]

    kind, status, sort = text("type"), text("status"), text("sort")
    return Asked(
        type=kind if kind in Campaign.Type.values else Campaign.Type.SCHEDULED,
        status=status if status in (*Status.values, "all") else "open",
        channel=text("channel"),
        tag=text("tag").lstrip("#"),
        folder=whole_number(text("folder")),
        owner=whole_number(text("owner")),
        since=_date(text("since")),
        until=_date(text("until")),
        is_mine=text("mine") == "1",
        is_recent=text("recent") == "1",
        search=text("search"),
        sort=sort if sort.removeprefix("-") in SORTS else "-changed",
    )


def _date(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year < 2200 else None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def apply(
    rows: QuerySet[Campaign], asked: Asked, *, actor: User, workspace: Workspace, now: datetime
) -> QuerySet[Campaign]:
    """The rows asked for, in order, with what a page of them shows in a constant number of queries."""
    rows = rows.filter(_filter(asked, actor, workspace, now))
    if asked.channel:
        rows = rows.filter(Exists(Action.objects.filter(campaign=OuterRef("pk"), channel=asked.channel)))
    due = Min("runs__due_at", filter=Q(runs__state=Run.State.DUE))
    by = F(SORTS[asked.column])
    order = by.desc(nulls_last=True) if asked.is_descending else by.asc(nulls_last=True)
    latest = Run.objects.exclude(kind=Run.Kind.PROOF).order_by("campaign", "-due_at").distinct("campaign")
    return (
        rows.annotate(next_at=due)
        .select_related("workspace", "audience", "edited_by", "owner", "folder", "version")
        .prefetch_related(
            Prefetch("actions", Action.objects.select_related("configuration")),
            Prefetch("runs", latest, to_attr="latest_run"),
        )
        .order_by(order, "-pk")
    )


def _filter(asked: Asked, actor: User, workspace: Workspace, now: datetime) -> Q:
    found = Q(type=asked.type)
    if asked.status != "all":
        found &= Q(status__in=OPEN) if asked.status == "open" else Q(status=asked.status)
    if asked.tag:
        found &= Q(tags__contains=[asked.tag])
    if asked.folder is not None:
        found &= Q(folder__in=folders.within(workspace, asked.folder))
    if asked.owner is not None:
        found &= Q(owner=asked.owner)
    if asked.since:
        found &= Q(created_at__gte=_midnight(asked.since))
    if asked.until:
        found &= Q(created_at__lt=_midnight(asked.until + timedelta(days=1)))
    if asked.is_mine:
        found &= Q(created_by=actor)
    if asked.is_recent:
        found &= Q(changed_at__gte=now - LATELY)
    if asked.search:
        found &= Q(name__icontains=asked.search) | Q(tags__contains=[asked.search.lstrip("#")])
    return found


def tags_of(rows: QuerySet[Any]) -> list[str]:
    """Every tag on what the reader may see."""
    return sorted({tag for tags in rows.values_list("tags", flat=True) for tag in tags}, key=str.casefold)


def warnings(campaign: Campaign) -> list[str]:
    """What can be seen wrong from the list's own rows; the review page has every finding."""
    found = []
    run = next(iter(getattr(campaign, "latest_run", [])), None)
    if run and run.reason and campaign.status in (Status.LIVE, Status.FAILED, Status.PAUSED):
        found.append(run.reason)
    if campaign.status not in (Status.DRAFT, Status.IN_REVIEW, Status.APPROVED):
        return found
    if campaign.type == Campaign.Type.SCHEDULED and campaign.audience_id is None:
        found.append(_("Choose whom it goes to."))
    for action in campaign.actions.all():
        if action.configuration is None:
            found.append(_("Choose a channel configuration."))
        elif action.configuration.status != "active":
            found.append(_("“%(name)s” is not active.") % {"name": action.configuration.name})
        if action.channel == "email" and not str(action.content.get("subject", "")).strip():
            found.append(_("Write a subject."))
    return found


# ---- what one person keeps ----------------------------------------------------------------------


def columns_of(user: User) -> list[str]:
    row = Columns.objects.filter(user=user).first()
    return [name for name in row.names if name in COLUMNS] if row else list(SHOWN)


def choose_columns(user: User, names: list[str]) -> None:
    Columns.objects.update_or_create(user=user, defaults={"names": [one for one in COLUMNS if one in names]})


def views_of(user: User, workspace: Workspace) -> list[SavedView]:
    """The person's own, then those shared by others."""
    mine = Q(owner=user) | Q(is_shared=True)
    rows = SavedView.objects.filter(mine, workspace=workspace).select_related("owner")
    return sorted(rows, key=lambda row: (row.owner_id != user.pk, row.name.casefold()))


def keep_view(
    user: User, workspace: Workspace, *, name: str, query: Mapping[str, str], is_shared: bool
) -> SavedView:
    """Under a new name, or in place of the person's own view of that name."""
    name = " ".join(name.replace("\0", "").split())
    if not name or len(name) > 60:
        raise Invalid(Problem("bad_name", _("Give the view a name of up to 60 characters."), "name"))
    values = {"query": urlencode(read(query).query()), "is_shared": is_shared}
    return SavedView.objects.update_or_create(workspace=workspace, owner=user, name=name, defaults=values)[0]


def shared_views(actor: Actor, workspace: Workspace) -> QuerySet[SavedView]:
    """Those that everybody in the workspace may use."""
    require(actor, access.VIEW, workspace)
    return SavedView.objects.filter(workspace=workspace, is_shared=True).select_related("owner")


def shared_view(actor: Actor, workspace: Workspace, pk: int) -> SavedView:
    row = shared_views(actor, workspace).filter(pk=pk).first()
    if row is None:
        raise NotFound(_("There is no such view."))
    return row


@transaction.atomic
def share_view(
    owner: User, workspace: Workspace, *, name: str, query: Mapping[str, str], actor: Actor, now: datetime
) -> SavedView:
    """A view of somebody's for everybody, made by another. Their own, unshared ones stay theirs."""
    require(actor, access.MANAGE, workspace)
    if SavedView.objects.filter(workspace=workspace, owner=owner, name=name, is_shared=False).exists():
        detail = _("They have a view of that name for themselves.")
        raise Invalid(Problem("name_taken", detail, "name"))
    made = keep_view(owner, workspace, name=name, query=query, is_shared=True)
    audit.record(actor=actor, verb="share", obj=made, workspace=workspace, now=now, query=made.query)
    return made


@transaction.atomic
def unshare_view(view: SavedView, *, actor: Actor, now: datetime) -> None:
    """Takes it from everybody, its owner too."""
    require(actor, access.MANAGE, view.workspace)
    audit.record(actor=actor, verb="delete", obj=view, workspace=view.workspace, now=now)
    view.delete()


def forget_view(user: User, workspace: Workspace, pk: int) -> None:
    """One's own only."""
    if not SavedView.objects.filter(workspace=workspace, owner=user, pk=pk).delete()[0]:
        raise NotFound(_("There is no such view of yours."))
