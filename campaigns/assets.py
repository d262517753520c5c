"""The verbs of the asset library: upload, describe, delete; and how mails come by their files.

A file never changes: another one is another asset, so what was approved is what is sent. It is reached from
outside under an address nobody can guess, by whoever got the mail. While anything names it, it stays.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q, QuerySet, Sum, TextField
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import audit
from accounts.access import Actor, require, visible_to
from accounts.models import User, Workspace
from campaigns import access, htmlzip, keeping, pictures
from campaigns.access import MANAGE
from campaigns.fragments import Uses, used
from campaigns.models import Action, Asset, Campaign, ContentTemplate, Fragment
from channels.attachments import MOST as MOST_ATTACHED
from channels.attachments import file_name
from common.errors import IllegalTransition, Invalid, NotFound, Problem
from common.names import clean_description

MOST_IN_ALL = 5_000_000_000  # octets of a workspace, copies included


# ---- the gate -----------------------------------------------------------------------------------


def list_for(actor: Actor, workspace: Workspace) -> QuerySet[Asset]:
    require(actor, access.VIEW, workspace)
    return visible_to(actor, Asset.objects.filter(workspace=workspace), access.VIEW)


def asset_for(actor: Actor, pk: int, permission: str = access.VIEW) -> Asset:
    rows = visible_to(actor, Asset.objects.filter(pk=pk), access.VIEW)
    found = rows.select_related("workspace", "created_by").first()
    if found is None:
        raise NotFound(_("There is no such file, or you may not see it."))
    if permission != access.VIEW:
        require(actor, permission, found)
    return found


# ---- verbs --------------------------------------------------------------------------------------


@transaction.atomic
def upload(
    workspace: Workspace,
    *,
    name: str,
    octets: bytes,
    folder: str = "",
    description: str = "",
    actor: Actor,
    now: datetime,
) -> Asset:
    """Takes in a file of at most 10 MB. Raises Invalid with `file`, `folder` or `description` as pointer."""
    require(actor, MANAGE, workspace)
    name = name.replace("\\", "/").rpartition("/")[2].strip()
    if problems := list(file_name(name, "file")):
        raise Invalid(problems)
    keeping.check_folder(folder)
    description = clean_description(description)
    taken = pictures.taken_in(name, octets)
    size = len(taken.octets) + sum(len(one) for one in taken.copies.values())
    # Two uploads at once could pass the limit together: they wait for each other here.
    Workspace.objects.select_for_update().get(pk=workspace.pk)
    held = Asset.objects.filter(workspace=workspace).aggregate(all=Sum("held"))["all"] or 0
    if held + size > MOST_IN_ALL:
        detail = _("The files of a workspace have at most 5 GB together. Delete some first.")
        raise Invalid(Problem("library_full", detail, "file"))
    token = secrets.token_urlsafe(18)
    row = Asset.objects.create(
        workspace=workspace,
        name=name,
        folder=folder.strip(),
        description=description,
        kind=taken.kind,
        size=len(taken.octets),
        held=size,
        width=taken.width,
        height=taken.height,
        widths=sorted(taken.copies),
        token=token,
        created_by=actor if isinstance(actor, User) else None,
        created_at=now,
    )
    for width, copy in ((0, taken.octets), *taken.copies.items()):
        default_storage.save(row.path(width), ContentFile(copy))
    audit.record(
        actor=actor, verb="upload", obj=row, workspace=workspace, now=now, kind=row.kind, size=row.size
    )
    return row


@transaction.atomic
def resize(asset: Asset, *, width: int, actor: Actor, now: datetime) -> Asset:
    """A copy that is `width` pixels wide, as a file of its own beside it, behind the same labels; the asset
    itself stays, for what shows it. Raises Invalid with `width` as pointer.
    """
    row = _locked(asset, actor)
    if not row.is_picture:
        raise Invalid(Problem("no_picture", _("Only a picture has a width."), "width"))
    from campaigns.redraw import narrowed  # what draws weighs on every process, and few ever draw

    with default_storage.open(row.path()) as file:
        octets = narrowed(file.read(), width)
    stem, dot, ending = row.name.rpartition(".")
    made = upload(
        row.workspace,
        name=f"{stem[:180]}-{width}{dot}{ending}",
        octets=octets,
        folder=row.folder,
        description=row.description,
        actor=actor,
        now=now,
    )
    made.tags = list(row.tags)
    made.save(update_fields=["tags"])
    made.labels.set(row.labels.all())
    return made


def upload_for(
    html: str, named: dict[str, tuple[str, bytes]], *, workspace: Workspace, actor: Actor, now: datetime
) -> str:
    """The page with its pictures, by the words it names them with, in the library. All of them are looked at
    before the first is kept. Raises Invalid with `file` as pointer.
    """
    for name, octets in named.values():
        try:
            pictures.taken_in(name, octets)
        except Invalid as error:
            told = _("%(name)s: %(detail)s") % {"name": name, "detail": error.detail}
            raise Invalid(Problem(error.code, told, "file")) from error
    once: dict[bytes, str] = {}
    for name, octets in named.values():
        if octets not in once:
            once[octets] = address(upload(workspace, name=name, octets=octets, actor=actor, now=now))
    return htmlzip.replaced(html, lambda said: once[named[said][1]] if said in named else None)


@transaction.atomic
def describe(asset: Asset, *, description: str, actor: Actor, now: datetime) -> Asset:
    """What a picture shows, for who cannot see it."""
    row = _locked(asset, actor)
    before, row.description = row.description, clean_description(description)
    if before != row.description:
        row.save(update_fields=["description"])
        told = {"before": before, "after": row.description}
        audit.record(actor=actor, verb="change", obj=row, workspace=row.workspace, now=now, **told)
    return row


@transaction.atomic
def delete(asset: Asset, *, actor: Actor, now: datetime) -> None:
    """Refused while anything names it: what was sent still shows its pictures."""
    row = _locked(asset, actor)
    there = uses(row, actor)
    if there.count:
        names = [str(one) for one in (*there.campaigns, *there.fragments, *there.templates)][:5]
        named = {"name": row.name, "where": ", ".join(names) or _("something you may not see")}
        detail = ngettext(
            "“%(name)s” is used in %(count)s place: %(where)s.",
            "“%(name)s” is used in %(count)s places: %(where)s.",
            there.count,
        )
        raise IllegalTransition(detail % {**named, "count": there.count}, code="asset_in_use", state="in_use")
    audit.record(actor=actor, verb="delete", obj=row, workspace=row.workspace, now=now)
    paths = [row.path(width) for width in (0, *row.widths)]
    row.delete()
    transaction.on_commit(lambda: _remove(paths))


def _remove(paths: Iterable[str]) -> None:
    for path in paths:
        default_storage.delete(path)


def _locked(asset: Asset, actor: Actor) -> Asset:
    rows = Asset.objects.select_for_update(of=("self",)).select_related("workspace")
    row = rows.filter(pk=asset.pk).first()
    if row is None:
        raise NotFound(_("There is no such file, or you may not see it."))
    require(actor, MANAGE, row)
    return row


# ---- where it is, and where it is used ------------------------------------------------------------


def address(asset: Asset, width: int = 0) -> str:
    """The whole public address; of a copy where a width is given."""
    return str(settings.PUBLIC_URL) + path_of(asset, width)


def path_of(asset: Asset, width: int = 0) -> str:
    if width:
        return reverse("tracking:asset_copy", args=[asset.token, width, asset.name])
    return reverse("tracking:asset", args=[asset.token, asset.name])


def uses(asset: Asset, actor: Actor) -> Uses:
    """Drafts, frozen versions, fragments and templates that name it, as a picture or as an attached file."""
    workspace, token = asset.workspace, asset.token
    texts = {"said": Cast("content", TextField()), "others": Cast("variants", TextField())}
    actions = Action.objects.filter(campaign__workspace=workspace).annotate(**texts)
    using = actions.filter(Q(said__contains=token) | Q(others__contains=token)).values("campaign")
    frozen = Campaign.objects.filter(workspace=workspace).annotate(
        last=Cast("version__definition", TextField()), live=Cast("live_version__definition", TextField())
    )
    sending = frozen.filter(Q(last__contains=token) | Q(live__contains=token)).values("pk")
    campaigns = Campaign.objects.filter(Q(pk__in=using) | Q(pk__in=sending), purged_at=None)
    holding = Fragment.objects.filter(workspace=workspace).filter(
        Q(source__contains=token) | Q(published__source__contains=token)
    )
    kept = ContentTemplate.objects.filter(workspace=workspace).annotate(said=Cast("content", TextField()))
    return used(campaigns, holding, kept.filter(said__contains=token), actor)


# ---- files on mails -----------------------------------------------------------------------------


def named_by(workspace: Workspace, named: Sequence[dict[str, Any]]) -> list[Asset]:
    """The library's files among those that a content attaches; one that is gone is not in it."""
    tokens = _tokens(named)
    return list(Asset.objects.filter(workspace=workspace, token__in=tokens)) if tokens else []


def _tokens(named: Sequence[dict[str, Any]]) -> set[str]:
    return {str(one.get("asset", ""))[:64] for one in named}


def require_known(workspace: Workspace, named: Sequence[dict[str, Any]], actor: Actor) -> None:
    """Raises Invalid `attachment_missing` where the actor sees no such file in this library."""
    held = {one.token for one in list_for(actor, workspace).filter(token__in=_tokens(named))}
    if any(one.get("asset") not in held for one in named):
        detail = _("This is not known here. Choose from the list.")
        raise Invalid(Problem("attachment_missing", detail, "/extra/attachments"))


def require_few(named: Sequence[dict[str, Any]]) -> None:
    if len(named) > MOST_ATTACHED:
        detail = _("A mail carries at most %(most)s files.") % {"most": MOST_ATTACHED}
        raise Invalid(Problem("too_many_attachments", detail, "/extra/attachments"))
