"""Adds, orders, removes and writes the actions of a draft: one message each over one channel.

Positions run from 0 without gaps, in the order in which people are tried where the first channel that can
reach them is enough. Every verb goes through `drafts.editing`, so a second editor is told.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.access import Actor
from campaigns import contents, designs, fragments
from campaigns.drafts import are_known, editing
from campaigns.models import Action, Campaign
from campaigns.variants import offered, treatments
from channels.contents import SHAPES
from channels.models import ChannelConfiguration
from common.errors import Invalid, NotFound, Problem

MOST = 10
ASIDE = 1000  # a place nobody has, while two actions change theirs


def add(
    campaign: Campaign,
    channel: str,
    *,
    revision: int,
    actor: Actor,
    now: datetime,
    configuration: ChannelConfiguration | None = None,
) -> Action:
    """One more message, behind the others."""
    if channel not in SHAPES:
        raise Invalid(Problem("unknown_channel", _("Choose a channel from the list."), "channel"))
    with editing(campaign, revision=revision, actor=actor, now=now, fields=["actions"]) as locked:
        count = locked.actions.count()
        if count >= MOST:
            detail = _("A campaign has at most %(most)s messages.") % {"most": MOST}
            raise Invalid(Problem("too_many_actions", detail, "channel"))
        return Action.objects.create(
            campaign=locked, position=count, channel=channel, configuration=configuration
        )


def remove(campaign: Campaign, position: int, *, revision: int, actor: Actor, now: datetime) -> None:
    with editing(campaign, revision=revision, actor=actor, now=now, fields=["actions"]) as locked:
        gone = at(locked, position)
        if locked.actions.count() == 1:
            detail = _("A campaign needs a message. Add another one first.")
            raise Invalid(Problem("last_action", detail, "channel"))
        gone.delete()
        for after in locked.actions.filter(position__gt=position).order_by("position"):
            Action.objects.filter(pk=after.pk).update(position=after.position - 1)


def move_up(campaign: Campaign, position: int, *, revision: int, actor: Actor, now: datetime) -> None:
    """Changes places with the one before it; the first one stays."""
    with editing(campaign, revision=revision, actor=actor, now=now, fields=["actions"]) as locked:
        mine = at(locked, position)
        if position == 0:
            return
        other = at(locked, position - 1)
        for one, to in ((mine, ASIDE), (other, position), (mine, position - 1)):
            Action.objects.filter(pk=one.pk).update(position=to)


def configure(
    campaign: Campaign,
    chosen: dict[int, ChannelConfiguration | None],
    *,
    revision: int,
    actor: Actor,
    now: datetime,
    **changes: Any,
) -> Campaign:
    """Each action's configuration by its position, and the campaign's `reach`."""
    with editing(
        campaign, revision=revision, actor=actor, now=now, fields=["configuration", *changes]
    ) as locked:
        for position, configuration in chosen.items():
            action = at(locked, position)
            pointer = f"configuration_{position}"
            are_known(locked, pointer, configuration)
            if configuration and configuration.channel != action.channel:
                detail = _("This configuration is for another channel.")
                raise Invalid(Problem("wrong_channel", detail, pointer))
            action.configuration = configuration
            action.save(update_fields=["configuration"])
        locked.reach = changes.get("reach", locked.reach)
    return locked


def write(
    campaign: Campaign,
    position: int,
    written: dict[str, Any],
    *,
    treatment: str = "",
    language: str = "",
    revision: int,
    actor: Actor,
    now: datetime,
) -> Campaign:
    """What one content says: the given ones of contents.EDITED. HTML follows its design at once."""
    with editing(campaign, revision=revision, actor=actor, now=now, fields=sorted(written)) as locked:
        action = at(locked, position)
        is_offered(locked, treatment, language)
        before = kept_of(action, treatment, language)
        fragments.require_known(locked.workspace, before, written, actor)
        kept = {**before, **made(written)}
        put(action, treatment, language, kept)
        action.save(update_fields=["content", "variants"])
    return locked


def copy_to_all(
    campaign: Campaign,
    position: int,
    *,
    treatment: str = "",
    language: str = "",
    revision: int,
    actor: Actor,
    now: datetime,
) -> int:
    """Puts one content into every language and treatment that says nothing yet; how many those were."""
    with editing(campaign, revision=revision, actor=actor, now=now, fields=["copy_to_all"]) as locked:
        action = at(locked, position)
        source = kept_of(action, treatment, language)
        empty = [
            (one, other)
            for one in treatments(locked.experiment)
            for other in ["", *offered(locked.languages)[1:]]
            if contents.is_empty(kept_of(action, one, other))
        ]
        for one, other in empty:
            put(action, one, other, source)
        action.save(update_fields=["content", "variants"])
    return len(empty)


def at(campaign: Campaign, position: int) -> Action:
    found = Action.objects.filter(campaign=campaign, position=position).first()
    if found is None:
        raise NotFound(_("This campaign has no such message."))
    return found


def is_offered(campaign: Campaign, treatment: str, language: str) -> None:
    """Raises NotFound for a treatment or language the campaign does not have (any more)."""
    languages = ["", *offered(campaign.languages)[1:]]
    if treatment not in treatments(campaign.experiment) or language not in languages:
        raise NotFound(_("This campaign has no such language or treatment."))


def kept_of(action: Action, treatment: str, language: str) -> dict[str, Any]:
    """One content as the draft keeps it; empty where nobody wrote it yet."""
    if not treatment and not language:
        return dict(action.content)
    for one in action.variants:
        if (one["treatment"], one["language"]) == (treatment, language):
            return dict(one["content"])
    return {}


def put(action: Action, treatment: str, language: str, kept: dict[str, Any]) -> None:
    if not treatment and not language:
        action.content = kept
        return
    named = {"treatment": treatment, "language": language, "content": kept}
    others = [one for one in action.variants if (one["treatment"], one["language"]) != (treatment, language)]
    action.variants = [*others, named]


def made(written: dict[str, Any]) -> dict[str, Any]:
    """With the HTML of the design, where one was written."""
    if not written.get("mjml"):
        return written
    try:
        return {**written, "html": designs.compiled(written["mjml"])}
    except Invalid:
        return written  # kept as it is: its fault is a finding, and nobody loses their text
