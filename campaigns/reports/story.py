"""The whole story of one message, read from its rows: who it was for, every attempt, every event.

Bodies are not kept. `written` writes the message again from its frozen version, for the person as they are
now: that is what a reader may see of it, and it is said so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from audiences.context import contexts, memberships
from campaigns.delivery.content import action_of
from campaigns.models import Attempt, Event, Link, Message, MessageContext, Outcome
from campaigns.reports.metrics import REASON_LABELS
from campaigns.tracking.tokens import MessageKey
from channels import rendering
from channels.messages import Content, Rendered
from channels.models import ChannelConfiguration
from channels.sandbox import RenderError
from common.errors import Invalid

QUEUED = "queued"  # until something was tried
OVERTAKES = {Event.Kind.BOUNCE: "bounced"}


@dataclass(frozen=True)
class Story:
    """`state` is the last attempt's outcome, `bounced` where the mailbox sent it back, `queued` before."""

    message: Message
    channel: str
    treatment: str
    language: str
    state: str
    attempts: list[Attempt]
    events: list[Event]
    links: dict[int, str]

    @property
    def key(self) -> str:
        return str(MessageKey(self.message.run_id, self.message.action, self.message.ref))


def tell(message: Message) -> Story:
    """The message comes with its run, version and campaign."""
    (story,) = tell_all([message])
    return story


def tell_all(messages: Iterable[Message]) -> list[Story]:
    """Of messages of one run, in three queries."""
    rows = list(messages)
    refs = {"run": rows[0].run_id, "ref__in": [one.ref for one in rows]} if rows else {"ref__in": []}
    attempts = _by_message(Attempt.objects.filter(**refs).order_by("n"))
    events = _by_message(Event.objects.filter(**refs).order_by("at"))
    versions = {one.run.version_id for one in rows}
    links = {(link.action, link.number): link.url for link in Link.objects.filter(version__in=versions)}
    return [
        _story(
            one,
            attempts.get((one.action, one.ref), []),
            events.get((one.action, one.ref), []),
            {number: url for (action, number), url in links.items() if action == one.action},
        )
        for one in rows
    ]


def _by_message(rows: Iterable[Any]) -> dict[tuple[int, int], list[Any]]:
    found: dict[tuple[int, int], list[Any]] = {}
    for row in rows:
        found.setdefault((row.action, row.ref), []).append(row)
    return found


def _story(message: Message, attempts: list[Attempt], events: list[Event], links: dict[int, str]) -> Story:
    action = action_of(message.run.version.definition, message.action)
    content = action["contents"][message.variant]
    state = str(attempts[-1].outcome) if attempts else QUEUED
    for event in events:
        state = OVERTAKES.get(Event.Kind(event.kind), state)
    return Story(
        message=message,
        channel=str(action["channel"]),
        treatment=content["treatment"],
        language=content["language"],
        state=QUEUED if state == Outcome.DEFERRED else state,
        attempts=attempts,
        events=events,
        links=links,
    )


def reason(attempt: Attempt) -> str:
    return str(REASON_LABELS.get(attempt.code, attempt.code))


def written(message: Message) -> Rendered:
    """The message as it would be written now. Raises RenderError or Invalid where it cannot be."""
    action = action_of(message.run.version.definition, message.action)
    configuration = ChannelConfiguration.objects.filter(pk=action["configuration"]).first()
    if configuration is None:
        raise RenderError("configuration_gone", _("Its channel configuration is gone."))
    workspace_id = message.run.campaign.workspace_id
    profile_id = message.profile_id
    person = contexts([profile_id], workspace_id).get(profile_id, {}) if profile_id else {}
    member = memberships([profile_id], message.run.audience_id).get(profile_id, {}) if profile_id else {}
    beside = MessageContext.objects.filter(run=message.run_id, action=message.action, ref=message.ref).first()
    values = {
        "profile": {**person, **(beside.profile_override if beside else {})},
        "audience": {**member, **(beside.audience_override if beside else {})},
        "context": beside.context if beside else message.run.context,
        "unsubscribe_url": "#",
        "preferences_url": "#",
        "mirror_url": "#",
    }
    made = rendering.sample(
        Content(**action["contents"][message.variant]["content"]),
        context=values,
        recipient=message.address,
        configuration=configuration,
    )
    return replace(made, key=str(MessageKey(message.run_id, message.action, message.ref)))


def subject(message: Message) -> str:
    """Empty where the channel has none, or the message cannot be written any more."""
    try:
        return written(message).subject
    except (RenderError, Invalid):
        return ""
