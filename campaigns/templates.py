"""The verbs of a workspace's own content templates: keep a content, change it, begin with it, delete it.

What begins with a template is a copy: neither follows the other. Every save is kept as a version.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require, visible_to
from accounts.models import User, Workspace
from audiences.models import Profile
from campaigns import access, actions, configurations, contents, drafts, fragments, keeping, samples
from campaigns.access import MANAGE
from campaigns.models import Action, Campaign, ContentTemplate, TemplateVersion
from campaigns.saving import require_unchanged
from channels.contents import SHAPES
from channels.messages import Rendered
from channels.models import ChannelConfiguration
from common.errors import Invalid, NotFound, Problem
from common.names import clean_description, clean_name

KEPT = tuple(name for name in contents.EDITED if name != "links")


# ---- the gate -----------------------------------------------------------------------------------


def list_for(actor: Actor, workspace: Workspace) -> QuerySet[ContentTemplate]:
    require(actor, access.VIEW, workspace)
    return visible_to(actor, ContentTemplate.objects.filter(workspace=workspace), access.VIEW)


def template_for(actor: Actor, pk: int, permission: str = access.VIEW) -> ContentTemplate:
    rows = visible_to(actor, ContentTemplate.objects.filter(pk=pk), access.VIEW)
    found = rows.select_related("workspace", "edited_by").first()
    if found is None:
        raise NotFound(_("There is no such template, or you may not see it."))
    if permission != access.VIEW:
        require(actor, permission, found)
    return found


# ---- verbs --------------------------------------------------------------------------------------


@transaction.atomic
def create(
    workspace: Workspace,
    *,
    name: str,
    channel: str,
    content: dict[str, Any],
    description: str = "",
    actor: Actor,
    now: datetime,
) -> ContentTemplate:
    """Raises Invalid with the field as pointer; parts of the content are pointed to as `/html` and so on."""
    require(actor, MANAGE, workspace)
    if channel not in SHAPES:
        raise Invalid(Problem("unknown_channel", _("Choose a channel from the list."), "channel"))
    fragments.require_known(workspace, {}, content, actor)
    author = actor if isinstance(actor, User) else None
    row = ContentTemplate(workspace=workspace, channel=channel, created_by=author, created_at=now)
    _write(row, name, description, actions.made(content), actor, now)
    audit.record(actor=actor, verb="create", obj=row, workspace=workspace, now=now, channel=channel)
    return row


@transaction.atomic
def save_from(
    campaign: Campaign, kept: dict[str, Any], *, channel: str, name: str, actor: Actor, now: datetime
) -> ContentTemplate:
    """A content of a campaign as a template; under a name that is taken it becomes its next version."""
    require(actor, access.VIEW, campaign)
    workspace = campaign.workspace
    if contents.is_empty(kept):
        raise Invalid(Problem("content_empty", _("Nothing is written yet."), "name"))
    there = ContentTemplate.objects.filter(workspace=workspace, name=name.strip())
    known = visible_to(actor, there, access.VIEW).filter(channel=channel).first()
    if known is None:
        return create(workspace, name=name, channel=channel, content=kept, actor=actor, now=now)
    return save(known, content=kept, revision=known.revision, actor=actor, now=now)


@transaction.atomic
def save(
    template: ContentTemplate,
    *,
    revision: int,
    name: str | None = None,
    description: str | None = None,
    content: dict[str, Any] | None = None,
    actor: Actor,
    now: datetime,
) -> ContentTemplate:
    """What is given; of the content the given parts. Raises Conflict when somebody was faster."""
    row = _locked(template, actor)
    require_unchanged(row, revision)
    given = content or {}
    fragments.require_known(row.workspace, row.content, given, actor)
    row.revision += 1
    _write(
        row,
        row.name if name is None else name,
        row.description if description is None else description,
        {**row.content, **actions.made(given)},
        actor,
        now,
    )
    audit.record(actor=actor, verb="save", obj=row, workspace=row.workspace, now=now, version=row.revision)
    return row


def _write(
    row: ContentTemplate, name: str, description: str, content: dict[str, Any], actor: Actor, now: datetime
) -> None:
    row.name, row.description = clean_name(name), clean_description(description)
    row.content = {part: content[part] for part in KEPT if part in content}
    row.edited_by, row.changed_at = actor if isinstance(actor, User) else None, now
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        detail = _("There is a template called “%(name)s” already.") % {"name": row.name}
        raise Invalid(Problem("name_taken", detail, "name")) from error
    TemplateVersion.objects.create(
        template=row, number=row.revision, content=row.content, saved_by=row.edited_by, saved_at=now
    )


@transaction.atomic
def restore(template: ContentTemplate, number: int, *, actor: Actor, now: datetime) -> ContentTemplate:
    """An earlier version as the newest one."""
    row = _locked(template, actor)
    found = keeping.numbered(row.versions, number)
    row.revision += 1
    _write(row, row.name, row.description, found.content, actor, now)
    audit.record(actor=actor, verb="restore", obj=row, workspace=row.workspace, now=now, version=number)
    return row


@transaction.atomic
def delete(template: ContentTemplate, *, actor: Actor, now: datetime) -> None:
    """With its versions; what began with it stays."""
    row = _locked(template, actor)
    audit.record(actor=actor, verb="delete", obj=row, workspace=row.workspace, now=now)
    row.delete()


@transaction.atomic
def begin(
    template: ContentTemplate, *, name: str, type: str, category: str, actor: Actor, now: datetime
) -> Campaign:
    """A new draft whose one message says what the template does. Raises Invalid."""
    campaign = drafts.create(
        template.workspace,
        name=name,
        type=type,
        category=category,
        channel=template.channel,
        configuration=configurations.lone(
            template.workspace, channel=template.channel, category=category, actor=actor
        ),
        actor=actor,
        now=now,
    )
    return actions.write(campaign, 0, template.content, revision=campaign.revision, actor=actor, now=now)


def shown(template: ContentTemplate, content: dict[str, Any], *, person: Profile | None) -> Rendered:
    """As one person would get it. Raises Invalid or RenderError."""
    configuration = ChannelConfiguration(channel=template.channel)
    action = Action(channel=template.channel, configuration=configuration)
    kept = samples.titled(content, template.channel, template.name)
    return samples.rendered(action, kept, person=person, workspace=template.workspace)


def _locked(template: ContentTemplate, actor: Actor) -> ContentTemplate:
    rows = ContentTemplate.objects.select_for_update(of=("self",)).select_related("workspace", "edited_by")
    row = rows.filter(pk=template.pk).first()
    if row is None:
        raise NotFound(_("There is no such template, or you may not see it."))
    require(actor, MANAGE, row)
    return row
