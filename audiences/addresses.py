"""Which of a person's fields a message's address is taken from: for each channel, or for one configuration.

A source is the channel's own field (`email`, `phone`, `line_id`), `attribute:<key>` of an attribute that
holds such addresses, or for LINE `namespace:<key>`, as each LINE provider knows a person by another id. The
first that has a value counts. Consent is the person's, wherever their address stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.access import Actor, require
from accounts.models import Workspace
from audiences.models import AttributeDefinition, IdentityNamespace, Profile
from audiences.namespaces import LABELS
from channels import origins
from channels.access import MANAGE
from channels.models import ChannelConfiguration
from common.errors import Invalid, Problem

OWN = {"email": "email", "sms": "phone", "whatsapp": "phone", "line": "line_id"}
TYPES = {
    "email": AttributeDefinition.Type.EMAIL,
    "sms": AttributeDefinition.Type.PHONE,
    "whatsapp": AttributeDefinition.Type.PHONE,
}
MOST = 3
ATTRIBUTE, NAMESPACE = "attribute:", "namespace:"
KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
LINE_ID = re.compile(r"U[0-9a-f]{32}")


# ---- as SQL over `p` ------------------------------------------------------------------------------
def newest(namespace: str, form: str = "") -> str:
    """A person may have several; the one given last is the one a message goes to."""
    of_form = f"AND i.value ~ '^{form}$' " if form else ""
    return (
        "(SELECT i.value FROM audiences_identity i WHERE i.profile_id = p.id "
        f"AND i.namespace = '{namespace}' {of_form}ORDER BY i.id DESC LIMIT 1)"
    )


def sql(sources: Iterable[str]) -> str:
    """The first that has a value. Attributes and columns hold an address in its one spelling."""
    found = [f"NULLIF({_one(source)}, '')" for source in sources]
    return f"COALESCE({', '.join(found)})"


def _one(source: str) -> str:
    kind, _colon, key = source.rpartition(":")
    if not KEY.fullmatch(key):  # it becomes part of a statement
        raise ValueError(source)
    if kind == "attribute":
        return f"(p.attributes ->> '{key}')"
    if kind == "namespace":
        return newest(key, LINE_ID.pattern)
    return newest(key) if key == "line_id" else {"email": "p.email", "phone": "p.phone"}[key]


# ---- what is in use -------------------------------------------------------------------------------
def in_use(workspace: Workspace) -> dict[str, set[str]]:
    """Every source that a message of the workspace may take its address from, by channel."""
    held: dict[str, list[str]] = workspace.address_from
    found = {channel: {own, *held.get(channel, ())} for channel, own in OWN.items()}
    if numbers := [int(place) for place in held if place.isdecimal()]:
        rows = ChannelConfiguration.objects.filter(workspace=workspace, pk__in=numbers)
        for pk, channel in rows.values_list("pk", "channel"):
            found[channel].update(held[str(pk)])
    return found


def held_in(person: Profile, workspace: Workspace) -> Iterator[tuple[str, str]]:
    """(channel, address) of what a message could go to beside the channels' own fields."""
    for channel, sources in in_use(workspace).items():
        for source in sorted(sources - {OWN[channel]}):
            if source.startswith(ATTRIBUTE):
                yield channel, str(person.attributes.get(source.removeprefix(ATTRIBUTE)) or "")
            elif source.startswith(NAMESPACE):
                names = person.identities.filter(namespace=source.removeprefix(NAMESPACE))
                yield from ((channel, one.value) for one in names if LINE_ID.fullmatch(one.value))


def namespaces_in_use(workspace_id: int, channel: str, own: str) -> list[str]:
    sources = in_use(Workspace.objects.get(pk=workspace_id)).get(channel, set())
    return [own, *(one.removeprefix(NAMESPACE) for one in sources if one.startswith(NAMESPACE))]


# ---- the verb -------------------------------------------------------------------------------------
def offered(workspace: Workspace, channel: str, *, is_locked: bool = False) -> dict[str, str]:
    """Each source the channel may take its addresses from, with what it is called; its own field first.

    Locked, an attribute or namespace stays until the transaction ends.
    """
    found = {OWN[channel]: str(LABELS[OWN[channel]])}
    attributes = AttributeDefinition.objects.filter(workspace=workspace, is_converting=False)
    attributes = attributes.filter(type=TYPES[channel]) if channel in TYPES else attributes.none()
    namespaces = IdentityNamespace.objects.filter(workspace=workspace)
    namespaces = namespaces if channel == "line" else namespaces.none()
    for rows, prefix in ((attributes, ATTRIBUTE), (namespaces, NAMESPACE)):
        held = rows.select_for_update(of=("self",)) if is_locked else rows
        found |= {f"{prefix}{one.key}": str(one) for one in held.order_by("key")}
    return found


@transaction.atomic
def choose(
    workspace: Workspace,
    channel: str,
    sources: Sequence[str],
    *,
    configuration: ChannelConfiguration | None = None,
    actor: Actor,
    now: datetime,
    pointer: str = "sources",
) -> list[str]:
    """What messages over the channel, or through the configuration, are addressed to from now on, also those
    of runs that have not come to a person yet. Nothing: the channel's own field, or what the workspace says.

    Raises Invalid at `channel` or `<pointer>/<place>`.
    """
    require(actor, MANAGE, configuration or workspace)
    if channel not in OWN:
        detail = _("The addresses of this channel come from nowhere else. It can be said of: %(known)s.")
        raise Invalid(Problem("no_choice", detail % {"known": ", ".join(OWN)}, "channel"))
    workspace = Workspace.objects.select_for_update(of=("self",)).get(pk=workspace.pk)
    known = offered(workspace, channel, is_locked=True)
    chosen = list(dict.fromkeys(sources))
    if wrong := [place for place, one in enumerate(chosen) if one not in known]:
        detail = _("“%(source)s” holds no addresses of this channel. Choose one of: %(known)s.")
        shown = {"source": chosen[wrong[0]][:80], "known": ", ".join(known)}
        raise Invalid(Problem("no_source", detail % shown, f"{pointer}/{wrong[0]}"))
    if len(chosen) > MOST:
        detail = _("Give at most %(most)s fields.") % {"most": MOST}
        raise Invalid(Problem("too_many_sources", detail, pointer))
    if configuration is None and chosen == [OWN[channel]]:
        chosen = []
    place = str(configuration.pk) if configuration else channel
    before = origins.keep(workspace.pk, place, chosen)
    if chosen != before:
        audit.record(
            actor=actor,
            verb="choose_addresses",
            obj=configuration or workspace,
            workspace=workspace,
            now=now,
            channel=channel,
            before=before,
            after=chosen,
        )
    return chosen
