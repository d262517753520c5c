"""The verbs of seed lists: create, change, delete, and attach one to a channel configuration.

A list stays while a campaign that is scheduled, live or paused sends over a configuration that uses it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, may, require, visible_to
from accounts.models import User, Workspace
from audiences.models import Profile
from campaigns.models import Campaign, Status
from channels.access import MANAGE, VIEW
from channels.kinds import clean_email
from channels.models import ChannelConfiguration, SeedList, SeedUse
from common.errors import IllegalTransition, Invalid, NotFound, Problem
from common.names import clean_name

MOST = 300
RUNNING = (Status.SCHEDULED, Status.LIVE, Status.PAUSED)


def lists_for(actor: Actor, workspace: Workspace) -> QuerySet[SeedList]:
    require(actor, VIEW, workspace)
    return SeedList.objects.filter(workspace=workspace).prefetch_related(_shown(actor, workspace))


def _shown(actor: Actor, workspace: Workspace) -> Prefetch:  # type: ignore[type-arg]
    """Of the configurations that use a list, those the actor may see."""
    seen = SeedUse.objects.filter(configuration__in=attachable(actor, workspace))
    return Prefetch("uses", seen.select_related("configuration"))


def list_for(actor: Actor, pk: int, permission: str = VIEW) -> SeedList:
    row = SeedList.objects.select_related("workspace").filter(pk=pk).first()
    if row is None or not may(actor, VIEW, row.workspace):
        raise NotFound(_("There is no such seed list, or you may not see it."))
    if permission != VIEW:
        require(actor, permission, row.workspace)
    prefetch_related_objects([row], _shown(actor, row.workspace))
    return row


def attachable(actor: Actor, workspace: Workspace) -> QuerySet[ChannelConfiguration]:
    """Seed lists are for email; a configuration behind a label is offered to nobody who lacks it."""
    rows = ChannelConfiguration.objects.filter(workspace=workspace, channel="email")
    return visible_to(actor, rows, VIEW).order_by("name")


@transaction.atomic
def save(
    seed_list: SeedList | None,
    *,
    workspace: Workspace,
    name: str,
    addresses: Iterable[str],
    test_profile: int | None,
    configurations: Iterable[ChannelConfiguration],
    actor: Actor,
    now: datetime,
) -> SeedList:
    """Makes a list, or changes it. A configuration that had another list has this one from now on.

    Raises Invalid with the field's name as pointer.
    """
    require(actor, MANAGE, workspace)
    row = SeedList(workspace=workspace, created_at=now) if seed_list is None else _locked(seed_list)
    if seed_list is None:
        row.created_by = actor if isinstance(actor, User) else None
    row.name, row.addresses = clean_name(name), _addresses(addresses)
    row.test_profile, row.changed_at = _profile(workspace, test_profile), now
    chosen = list(configurations)
    if any(one.workspace_id != workspace.pk or one.channel != "email" for one in chosen):
        detail = _("Choose email configurations of this workspace.")
        raise Invalid(Problem("unknown_configuration", detail, "configurations"))
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise Invalid(Problem("name_taken", _("This name is taken. Choose another one."), "name")) from error
    # What uses it behind a label is not the actor's to take away.
    shown = attachable(actor, workspace).exclude(pk__in=[one.pk for one in chosen])
    SeedUse.objects.filter(seed_list=row, configuration__in=shown).delete()
    for one in chosen:
        SeedUse.objects.update_or_create(configuration=one, defaults={"seed_list": row})
    verb = "create" if seed_list is None else "change"
    audit.record(
        actor=actor,
        verb=verb,
        obj=row,
        workspace=workspace,
        now=now,
        addresses=len(row.addresses),
        configurations=[one.pk for one in chosen],
    )
    return row


@transaction.atomic
def delete(seed_list: SeedList, *, actor: Actor, now: datetime) -> None:
    require(actor, MANAGE, seed_list.workspace)
    row = _locked(seed_list)
    running = Campaign.objects.filter(status__in=RUNNING, actions__configuration__seed_use__seed_list=row)
    if running.exists():
        detail = _("It cannot be deleted while a running campaign sends over a configuration that uses it.")
        raise IllegalTransition(detail, code="seed_list_in_use", state="in_use")
    audit.record(actor=actor, verb="delete", obj=row, workspace=row.workspace, now=now)
    row.delete()


def _locked(seed_list: SeedList) -> SeedList:
    rows = SeedList.objects.select_for_update(of=("self",)).select_related("workspace")
    row = rows.filter(pk=seed_list.pk).first()
    if row is None:
        raise NotFound(_("There is no such seed list, or you may not see it."))
    return row


def _addresses(given: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    for text in given:
        try:
            found[clean_email(text)] = None
        except Invalid as error:
            raise Invalid(Problem("bad_email", error.detail, "addresses")) from error
    if not 1 <= len(found) <= MOST:
        detail = _("Give 1 to %(most)s addresses.") % {"most": MOST}
        raise Invalid(Problem("bad_addresses", detail, "addresses"))
    return list(found)


def _profile(workspace: Workspace, pk: int | None) -> int | None:
    if pk is None:
        return None
    if not Profile.objects.filter(workspace=workspace, pk=pk, is_test=True).exists():
        detail = _("Choose one of the workspace’s test profiles.")
        raise Invalid(Problem("unknown_profile", detail, "test_profile"))
    return pk
