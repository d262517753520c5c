"""Where a message's address is taken from, as it is kept with the workspace: in `Workspace.address_from`,
such as `{"email": ["attribute:work_email", "email"], "12": ["email"]}`.

A channel's name stands for the whole workspace, a number for one configuration. Whoever has read the
workspace knows all of it. What a source is, and who may choose it: `audiences/addresses.py`.
"""

from __future__ import annotations

from accounts.models import Workspace
from channels.models import ChannelConfiguration


def order(workspace: Workspace, channel: str, configuration: int | None = None) -> tuple[str, ...]:
    """The sources, the first that has a value counts; none: the channel's own field."""
    held = workspace.address_from
    return tuple(held.get(str(configuration)) or held.get(channel) or ())


def is_used(workspace_id: int, source: str) -> bool:
    """Read anew: who asks is about to take the source away, and holds its row."""
    held = Workspace.objects.values_list("address_from", flat=True).get(pk=workspace_id)
    return any(source in sources for sources in held.values())


def keep(workspace_id: int, place: str, sources: list[str]) -> list[str]:
    """Sets what a channel or a configuration takes its addresses from. Returns what it was."""
    workspace = Workspace.objects.select_for_update(of=("self",)).get(pk=workspace_id)
    before: list[str] = workspace.address_from.pop(place, [])
    if sources:
        workspace.address_from[place] = sources
    if sources != before:
        workspace.save(update_fields=["address_from"])
    return before


def copy(row: ChannelConfiguration, made: ChannelConfiguration) -> None:
    if sources := row.workspace.address_from.get(str(row.pk)):
        keep(row.workspace_id, str(made.pk), sources)


def forget(workspace_id: int, configuration: int) -> None:
    keep(workspace_id, str(configuration), [])
