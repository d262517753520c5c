"""Turns a signed token into an event. A token that is not ours changes nothing and writes nothing."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audiences import consent
from campaigns.models import Event, Link, Message
from campaigns.tracking import machines, tokens
from campaigns.tracking.parameters import with_parameters
from campaigns.tracking.tokens import MessageKey

AGENT_LENGTH = 200


def _append(
    key: MessageKey, kind: str, *, now: datetime, agent: str, link: int | None = None, signals: int = 0
) -> None:
    if key.ref >= tokens.SEEDS:
        return
    printable = "".join(letter for letter in agent[:AGENT_LENGTH] if letter.isprintable())
    machine = machines.at_door(kind, printable, signals)
    seen = {"link": link, "user_agent": printable, "signals": signals, "machine": machine}
    Event.objects.create(**key._asdict(), kind=kind, at=now, **seen)


def click(token: str, number: int, *, now: datetime, agent: str, signals: int = 0) -> str | None:
    """Where the link leads; None for a forged token or a link that never was."""
    key = tokens.read(tokens.CLICK, token)
    if key is None:
        return None
    links = Link.objects.filter(version__runs=key.run_id, action=key.action, number=number)
    url = links.values_list("url", flat=True).first()
    if url is not None:
        _append(key, Event.Kind.CLICK, now=now, agent=agent, link=number, signals=signals)
    return with_parameters(url, key) if url is not None else None


def opened(token: str, *, now: datetime, agent: str, signals: int = 0) -> None:
    key = tokens.read(tokens.OPEN, token)
    if key is not None:
        _append(key, Event.Kind.OPEN, now=now, agent=agent, signals=signals)


def message_of(token: str) -> Message | None:
    """The message an unsubscribe link belongs to, with its run, campaign and profile's id."""
    key = tokens.read(tokens.UNSUBSCRIBE, token)
    if key is None:
        return None
    return Message.objects.filter(**key._asdict()).select_related("run__campaign__workspace").first()


@transaction.atomic
def unsubscribe(message: Message, *, now: datetime, agent: str, source: str) -> None:
    """Withdraws consent for the message's channel; pressed twice, it is one event."""
    channel = next(
        action["channel"]
        for action in message.run.version.definition["actions"]
        if action["position"] == message.action
    )
    profile_id = message.profile_id
    if profile_id is None:
        return
    if consent.withdraw(profile_id=profile_id, channel=channel, source=source, now=now):
        key = MessageKey(message.run_id, message.action, message.ref)
        _append(key, Event.Kind.UNSUBSCRIBE, now=now, agent=agent)
