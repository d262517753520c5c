"""A message as a page in the browser. Bodies are not kept: it is written anew from its frozen version."""

from __future__ import annotations

from audiences.context import contexts, memberships
from campaigns.delivery import seeds
from campaigns.delivery.content import action_of, letter
from campaigns.models import Message, MessageContext, Run, SeedCopy
from campaigns.tracking import events, tokens
from campaigns.tracking.tokens import SEEDS, MessageKey
from channels.messages import Rendered
from channels.models import ChannelConfiguration
from common.errors import Invalid, Problem


def page_of(token: str) -> str:
    """The HTML of the message, or of a seed's copy, that the link names; empty where there is none. Raises
    RenderError or Invalid.
    """
    key = tokens.read(tokens.MIRROR, token)
    if key is None:
        return ""
    if key.ref >= SEEDS:
        copies = SeedCopy.objects.filter(pk=key.ref - SEEDS, run=key.run_id, action=key.action)
        copy = copies.select_related("run__version").first()
        return seeds.written(copy, _configuration(copy.run, copy.action)).html if copy else ""
    message = events.message_of(key)
    return _mirrored(message).html if message else ""


def _configuration(run: Run, action: int) -> ChannelConfiguration:
    of = action_of(run.version.definition, action)["configuration"]
    found = ChannelConfiguration.objects.select_related("workspace").filter(pk=of).first()
    if found is None:
        raise Invalid(Problem("configuration_gone", "Its channel configuration is gone."))
    return found


def _mirrored(message: Message) -> Rendered:
    """As it was sent, with its links, but for the person as they are now. Raises RenderError or Invalid."""
    run = message.run
    configuration = _configuration(run, message.action)
    of, workspace_id = message.profile_id, run.campaign.workspace_id
    person = contexts([of], workspace_id).get(of, {}) if of else {}
    member = memberships([of], run.audience_id).get(of, {}) if of else {}
    key = MessageKey(run.pk, message.action, message.ref)
    beside = MessageContext.objects.filter(**key._asdict()).first()
    return letter(run.version_id, message.action, message.variant).write(
        key,
        message.address,
        profile_id=of,
        profile={**person, **(beside.profile_override if beside else {})},
        audience={**member, **(beside.audience_override if beside else {})},
        context=beside.context if beside else run.context,
        configuration=configuration,
        is_followed=not (message.profile and message.profile.is_untracked),
    )
