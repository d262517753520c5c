"""Erasing a person: all we hold of them goes, but for the hash of each address on the suppression list.

The hash keeps a list that is imported later from bringing them back. Who holds more of a person hears
`profile_erased` inside the same transaction: all of it happens, or nothing.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction
from django.dispatch import Signal
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from audiences import softbounces, suppression
from audiences.access import MANAGE
from audiences.imports import forgetting
from audiences.models import Profile, ProfileEvent
from audiences.reachability import every_address_of
from common.errors import NotFound

# Sent before the rows go, with profile_id, workspace_id and addresses (in their stored form).
profile_erased = Signal()
REASON = "erased"


@transaction.atomic
def erase(profile: Profile, *, actor: Actor, now: datetime) -> None:
    """For good. Raises NotFound when somebody else has erased them in this moment."""
    require(actor, MANAGE, profile.workspace)
    row = Profile.objects.select_for_update(of=("self",)).select_related("workspace").filter(pk=profile.pk)
    person = row.first()
    if person is None:
        raise NotFound(_("There is no such person, or you may not see them."))
    workspace, addresses = person.workspace, every_address_of(person)
    suppression.replace_by_hashes(workspace.pk, addresses, reason=REASON, now=now)
    profile_erased.send(
        sender=Profile,
        profile_id=person.pk,
        workspace_id=workspace.pk,
        addresses=[address for _channel, address in addresses],
    )
    _forget(person, addresses)
    audit.record(
        actor=actor, verb="erase_profile", obj=workspace, workspace=workspace, now=now, profile=profile.pk
    )


def _forget(person: Profile, addresses: list[tuple[str, str]]) -> None:
    # Events have no foreign keys in the database; the history of consent gives way only to this.
    ProfileEvent.objects.filter(profile=person)._raw_delete(using=person._state.db)
    for channel, address in addresses:
        softbounces.forget(person.workspace_id, channel, [address])
    forgetting.forget(person.workspace_id, [address for _channel, address in addresses])
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL carillon.erasing = 'on'")
        person.delete()
        cursor.execute("SET LOCAL carillon.erasing = 'off'")
