"""Who leaves by a message's link or their mail program's button: consent is withdrawn, and an event tells it.

Receives the name of a message and when that was said; doing it twice is doing it once. What is said while the
database is away is kept by `spool.py` and done from there.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audiences import consent
from campaigns.models import Event, Message
from campaigns.tracking.tokens import MessageKey


def channel_of(message: Message) -> str:
    actions = message.run.version.definition["actions"]
    return next((str(one["channel"]) for one in actions if one["position"] == message.action), "")


def withdraw(key: MessageKey, *, at: datetime, agent: str, source: str) -> None:
    """Withdraws consent for the message's channel, unless the person has agreed again since.

    `agent` is the program, printable and cut to its column. Nothing happens for a message that is not there.
    """
    rows = Message.objects.filter(**key._asdict(), profile__isnull=False)
    message = rows.select_related("run__version").first()
    channel = channel_of(message) if message else ""
    if message is None or message.profile_id is None or not channel:
        return
    with transaction.atomic():
        if consent.has_agreed_since(at, profile_id=message.profile_id, channel=channel):
            return
        if consent.withdraw(profile_id=message.profile_id, channel=channel, source=source, now=at):
            kind = Event.Kind.UNSUBSCRIBE
            Event.objects.create(**key._asdict(), kind=kind, at=at, user_agent=agent)
