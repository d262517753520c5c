"""Where fragments, templates and files lie in the library, how they are found again, and who may see them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Manager, QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from accounts.models import AccessLabel
from campaigns import shelf
from campaigns.access import MANAGE
from campaigns.models import Asset, ContentTemplate, Fragment, FragmentVersion, TemplateVersion
from common.errors import Invalid, NotFound, Problem
from common.text import has_control

Kept = Fragment | ContentTemplate | Asset
Rows = QuerySet[Fragment] | QuerySet[ContentTemplate] | QuerySet[Asset]
OneVersion = TypeVar("OneVersion", FragmentVersion, TemplateVersion)


@transaction.atomic
def place(
    kept: Kept,
    *,
    folder: str | None = None,
    tags: Sequence[str] | None = None,
    labels: Iterable[AccessLabel] | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """What is given. It opens no draft and no version. Raises Invalid with the field as pointer."""
    row = type(kept).objects.select_for_update(of=("self",)).filter(pk=kept.pk).first()
    if row is None:
        raise NotFound(_("It is no longer there."))
    require(actor, MANAGE, row)
    before = {"folder": row.folder, "tags": row.tags}
    if folder is not None:
        check_folder(folder)
        row.folder = folder.strip()
    if tags is not None:
        shelf.check_tags(tags)
        row.tags = list(tags)
    after = {"folder": row.folder, "tags": row.tags}
    if before != after:
        row.save(update_fields=["folder", "tags"])
        told = {"before": before, "after": after}
        audit.record(actor=actor, verb="move", obj=row, workspace=row.workspace, now=now, **told)
    if labels is not None:
        shelf.relabel(row, labels, actor=actor, now=now)


def check_folder(folder: str) -> None:
    if len(folder) > 100 or has_control(folder):
        raise Invalid(Problem("bad_folder", _("A name of up to 100 characters."), "folder"))


def narrowed(rows: Any, *, folder: str = "", tag: str = "") -> Any:
    if folder:
        rows = rows.filter(folder=folder)
    return rows.filter(tags__contains=[tag]) if tag else rows


def folders_of(rows: Rows) -> list[str]:
    """Of what the reader may see; a folder that holds nothing for them is not named."""
    named = rows.exclude(folder="").order_by("folder")
    return list(named.values_list("folder", flat=True).distinct())


def numbered(versions: Manager[OneVersion], number: int) -> OneVersion:
    """The version of a fragment or template with this number. Raises NotFound."""
    found = versions.filter(number=number).first()
    if found is None:
        raise NotFound(_("There is no such version."))
    return found
