"""The allowed list of a workspace: a switch, and the addresses and domains that get email while it is on.

On and empty, nothing is sent: a kill switch. It takes effect at once, for every kind of message. Suppression
is looked at before it: who is on both lists gets nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, may, require
from accounts.models import User, Workspace
from channels.access import MANAGE, VIEW
from channels.kinds import clean_email
from channels.models import AllowedEntry, AllowedList
from common.errors import Invalid, NotFound, Problem

MOST = 1000
ADDRESS, DOMAIN = "050103", "050106"  # EmailNotAllowed, DomainNotAllowed in the catalogue


@dataclass
class Added:
    """`rejects` holds the place of what is wrong, with its fault."""

    added: int = 0
    known: int = 0
    rejects: list[tuple[int, Problem]] = field(default_factory=list)


def is_active(workspace: Workspace) -> bool:
    return AllowedList.objects.filter(workspace=workspace, is_active=True).exists()


def list_of(workspace: Workspace) -> AllowedList:
    """The row that a change is made to; one that was never switched is off."""
    return AllowedList.objects.get_or_create(workspace=workspace)[0]


def entries_for(actor: Actor, workspace: Workspace) -> QuerySet[AllowedEntry]:
    require(actor, VIEW, workspace)
    return AllowedEntry.objects.filter(workspace=workspace).select_related("created_by").order_by("-pk")


def entry_for(actor: Actor, pk: int, permission: str = MANAGE) -> AllowedEntry:
    entry = AllowedEntry.objects.select_related("workspace").filter(pk=pk).first()
    if entry is None or not may(actor, VIEW, entry.workspace):
        raise NotFound(_("There is no such entry, or you may not see it."))
    require(actor, permission, entry.workspace)
    return entry


@transaction.atomic
def switch(workspace: Workspace, *, is_active: bool, actor: Actor, now: datetime) -> None:
    require(actor, MANAGE, workspace)
    row = AllowedList.objects.select_for_update().get(pk=list_of(workspace).pk)
    if row.is_active != is_active:
        row.is_active, row.changed_at = is_active, now
        row.save()
        verb = "activate_allowed_list" if is_active else "deactivate_allowed_list"
        audit.record(actor=actor, verb=verb, obj=workspace, workspace=workspace, now=now)


@transaction.atomic
def add(workspace: Workspace, given: Iterable[str], *, actor: Actor, now: datetime) -> Added:
    """Addresses and domains (`@example.com` or `example.com`). What is wrong keeps nothing else out."""
    require(actor, MANAGE, workspace)
    # Locked so that two cannot pass MOST together.
    AllowedList.objects.select_for_update().get(pk=list_of(workspace).pk)
    known = set(AllowedEntry.objects.filter(workspace=workspace).values_list("address", flat=True))
    tally, author, new = Added(), actor if isinstance(actor, User) else None, list[AllowedEntry]()
    for place, text in enumerate(given):
        try:
            address = as_stored(text)
        except Invalid as error:
            tally.rejects.append((place, error.problems[0]))
            continue
        if address in known:
            tally.known += 1
        elif len(known) >= MOST:
            detail = _("The list holds at most %(most)s entries.") % {"most": MOST}
            tally.rejects.append((place, Problem("list_full", detail)))
        else:
            known.add(address)
            new.append(AllowedEntry(workspace=workspace, address=address, created_by=author, created_at=now))
    AllowedEntry.objects.bulk_create(new)
    tally.added = len(new)
    if new:
        audit.record(
            actor=actor, verb="allow", obj=workspace, workspace=workspace, now=now, added=tally.added
        )
    return tally


@transaction.atomic
def remove(entry: AllowedEntry, *, actor: Actor, now: datetime) -> None:
    require(actor, MANAGE, entry.workspace)
    audit.record(
        actor=actor, verb="disallow", obj=entry, workspace=entry.workspace, now=now, address=entry.address
    )
    entry.delete()


def as_stored(text: str) -> str:
    """An address in its one form, or a domain as `@example.com`. Raises Invalid."""
    given = text.strip()
    if given.startswith(("@", "*@")) or ("@" not in given and "." in given):
        return "@" + clean_email("x@" + given.lstrip("*@")).partition("@")[2]
    return clean_email(given)


def not_allowed(workspace_id: int, addresses: Sequence[str]) -> dict[int, str]:
    """The places in `addresses` that get nothing, each with its code; none while the list is off."""
    if not AllowedList.objects.filter(workspace=workspace_id, is_active=True).exists():
        return {}
    entries = AllowedEntry.objects.filter(workspace=workspace_id)
    domains = ["@" + address.rpartition("@")[2] for address in addresses]
    listed = set(entries.filter(address__in={*addresses, *domains}).values_list("address", flat=True))
    has_addresses = entries.exclude(address__startswith="@").exists()
    code = ADDRESS if has_addresses or not entries.exists() else DOMAIN
    pairs = enumerate(zip(addresses, domains, strict=True))
    return {place: code for place, pair in pairs if not listed.intersection(pair)}
