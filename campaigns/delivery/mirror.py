"""A message as a page in the browser. Bodies are not kept: it is written anew from its frozen version."""

from __future__ import annotations

from audiences.context import contexts, memberships
from campaigns.delivery.content import action_of, letter
from campaigns.models import Message, MessageContext
from campaigns.tracking.tokens import MessageKey
from channels.messages import Rendered
from channels.models import ChannelConfiguration
from common.errors import Invalid, Problem


def mirrored(message: Message) -> Rendered:
    """As it was sent, with its links, but for the person as they are now. Raises RenderError or Invalid."""
    run = message.run
    action = action_of(run.version.definition, message.action)
    configuration = ChannelConfiguration.objects.filter(pk=action["configuration"]).first()
    if configuration is None:
        raise Invalid(Problem("configuration_gone", "Its channel configuration is gone."))
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
