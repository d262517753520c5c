"""The gate: the only way from a request to an audience, a profile or an import."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.access import Actor, may, require, visible_to
from accounts.models import Workspace
from audiences.models import AttributeDefinition, Audience, IdentityNamespace, Import, Profile
from common.errors import NotFound

VIEW, MANAGE = "audiences.view_audience", "audiences.manage_audience"


def list_for(actor: Actor, workspace: Workspace) -> QuerySet[Audience]:
    """What the actor may see; without the right to see any, the right is named."""
    rows = visible_to(actor, Audience.objects.filter(workspace=workspace), VIEW)
    if not rows.exists():
        require(actor, VIEW, workspace)
    return rows.order_by("name")


def choosable(actor: Actor, workspace: Workspace, *, chosen: int | None = None) -> QuerySet[Audience]:
    """What may be written to or built upon: published, and seen by the actor. What stands chosen stays."""
    seen = visible_to(actor, Audience.objects.filter(workspace=workspace), VIEW)
    published = seen.filter(state=Audience.State.PUBLISHED)
    rows = Audience.objects.filter(Q(pk__in=published.values("pk")) | Q(pk=chosen), workspace=workspace)
    return rows.order_by("name")


def audience_for(actor: Actor, pk: int, permission: str = VIEW) -> Audience:
    rows = visible_to(actor, Audience.objects.filter(pk=pk), VIEW)
    audience = rows.select_related("workspace", "created_by", "owner", "topic").first()
    if audience is None:
        raise NotFound(_("There is no such audience, or you may not see it."))
    if permission != VIEW:
        require(actor, permission, audience)
    return audience


def import_for(actor: Actor, pk: int) -> Import:
    """Only who may manage people of the workspace sees one: it shows cells of the file."""
    job = Import.objects.select_related("workspace", "audience").filter(pk=pk).first()
    if job is None or not may(actor, VIEW, job.workspace):
        raise NotFound(_("There is no such import, or you may not see it."))
    if job.audience is not None:
        audience_for(actor, job.audience.pk)
    require(actor, MANAGE, job.workspace)
    return job


def imports_for(actor: Actor, workspace: Workspace) -> QuerySet[Import]:
    require(actor, MANAGE, workspace)
    seen = visible_to(actor, Audience.objects.filter(workspace=workspace), VIEW)
    rows = Import.objects.filter(Q(audience=None) | Q(audience__in=seen), workspace=workspace)
    return rows.select_related("audience").order_by("-pk")


def profile_for(actor: Actor, pk: int) -> Profile:
    """Only who may manage people of the workspace sees one of them."""
    profile = Profile.objects.select_related("workspace").filter(pk=pk).first()
    if profile is None or not may(actor, VIEW, profile.workspace):
        raise NotFound(_("There is no such person, or you may not see them."))
    require(actor, MANAGE, profile.workspace)
    return profile


def profiles_for(actor: Actor, workspace: Workspace) -> QuerySet[Profile]:
    require(actor, MANAGE, workspace)
    return Profile.objects.filter(workspace=workspace).order_by("-pk")


def attributes_for(actor: Actor, workspace: Workspace) -> list[AttributeDefinition]:
    require(actor, VIEW, workspace)
    return list(
        AttributeDefinition.objects.filter(workspace=workspace).select_related("workspace", "conversion")
    )


def attribute_for(actor: Actor, workspace: Workspace, key: str) -> AttributeDefinition:
    """By its key, which never holds what the database cannot compare."""
    for found in attributes_for(actor, workspace):
        if found.key == key:
            return found
    raise NotFound(_("There is no such attribute."))


def namespace_for(actor: Actor, workspace: Workspace, key: str) -> IdentityNamespace:
    """One of the workspace's own."""
    require(actor, VIEW, workspace)
    for found in IdentityNamespace.objects.filter(workspace=workspace).select_related("workspace"):
        if found.key == key:
            return found
    raise NotFound(_("There is no such namespace of the workspace's own."))
