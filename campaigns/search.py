"""One search over what the reader may see: things by a piece of their name, messages by their number.

People are found by a whole address or number, or by how their email address begins, and only by who may
manage people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

import audiences.access
import audiences.search
import channels.access
from accounts.access import may, visible_to
from accounts.models import User, Workspace
from audiences.identities import identities_of
from audiences.models import Audience, Profile
from audiences.namespaces import LABELS
from audiences.reachability import CHANNELS
from campaigns import access
from campaigns.models import Asset, Campaign, ContentTemplate, Fragment, Message
from channels.models import ChannelConfiguration
from common.wording import colon

MOST = 8  # of a kind: who finds more writes more of the name
LONGEST = 200
MESSAGE = re.compile(r"(\d{1,18})\.(\d{1,5})\.(\d{1,18})", re.ASCII)  # its run, action and place


@dataclass(frozen=True)
class Hit:
    """`page` is the name of its page's address, `key` what that address takes."""

    name: str
    told: str
    page: str
    key: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    title: str
    hits: list[Hit]
    is_more: bool = False


def search(actor: User, workspace: Workspace, text: str) -> list[Group]:
    """What there is, kind by kind, without the kinds of which there is nothing."""
    text = text.replace("\0", "").strip()[:LONGEST]
    if not text:
        return []
    found = [
        _messages(actor, workspace, text),
        *(_named(kind, actor, workspace, text) for kind in _kinds()),
        _people(actor, workspace, text),
    ]
    return [group for group in found if group.hits]


@dataclass(frozen=True)
class _Kind:
    title: str
    rows: QuerySet[Any]
    right: str
    page: str
    told: Callable[[Any], Iterable[Any]]


def _kinds() -> list[_Kind]:
    return [
        _Kind(
            _("Campaigns"),
            Campaign.objects.filter(purged_at=None),
            access.VIEW,
            "campaigns:detail",
            lambda row: (row.get_status_display(), row.get_type_display()),
        ),
        _Kind(
            _("Audiences"),
            Audience.objects.all(),
            audiences.access.VIEW,
            "audiences:detail",
            lambda row: (row.get_state_display(), row.get_kind_display()),
        ),
        _Kind(
            _("Fragments"),
            Fragment.objects.filter(archived_at=None),
            access.VIEW,
            "campaigns:fragment",
            lambda row: (row.get_kind_display(),),
        ),
        _Kind(
            _("Templates"),
            ContentTemplate.objects.all(),
            access.VIEW,
            "campaigns:template",
            lambda row: row.tags,
        ),
        _Kind(_("Files"), Asset.objects.all(), access.VIEW, "campaigns:asset", lambda row: (row.kind,)),
        _Kind(
            _("Channels"),
            ChannelConfiguration.objects.all(),
            channels.access.VIEW,
            "channels:detail",
            lambda row: (CHANNELS[row.channel], row.get_status_display()),
        ),
    ]


def _named(kind: _Kind, actor: User, workspace: Workspace, text: str) -> Group:
    wanted = Q(name__icontains=text)
    if _has_tags(kind.rows.model):
        wanted |= Q(tags__contains=[text.lstrip("#")])
    rows = visible_to(actor, kind.rows.filter(wanted, workspace=workspace), kind.right).order_by("-pk")
    hits = [
        Hit(row.name, " · ".join(map(str, kind.told(row))), kind.page, (row.pk,)) for row in rows[: MOST + 1]
    ]
    return Group(kind.title, hits[:MOST], len(hits) > MOST)


def _has_tags(model: type[Model]) -> bool:
    return any(field.name == "tags" for field in model._meta.get_fields())


def _messages(actor: User, workspace: Workspace, text: str) -> Group:
    named = MESSAGE.fullmatch(text)
    if named is None:
        return Group(_("Messages"), [])
    run, action, ref = (int(part) for part in named.groups())
    mine = access.list_for(actor, workspace)
    rows = Message.objects.filter(run=run, action=action, ref=ref, run__campaign__in=mine)
    hits = [
        Hit(text, row.run.campaign.name, "campaigns:message", (run, action, ref))
        for row in rows.select_related("run__campaign")
    ]
    return Group(_("Messages"), hits)


def _people(actor: User, workspace: Workspace, text: str) -> Group:
    if not may(actor, audiences.access.MANAGE, workspace):
        return Group(_("People"), [])
    people: list[Profile] = audiences.search.quickly(workspace, text, most=MOST + 1)
    held = identities_of(people)
    hits = []
    for person in people[:MOST]:
        others = [
            f"{LABELS.get(namespace, namespace)}{colon()}{value}"
            for namespace, value in held[person.pk]
            if value != str(person)
        ]
        hits.append(Hit(str(person), " · ".join(others), "audiences:profile", (person.pk,)))
    return Group(_("People"), hits, len(people) > MOST)
