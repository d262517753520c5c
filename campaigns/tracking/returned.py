"""What came back by mail becomes a receipt like any provider's, or lets somebody leave.

A bounce or a complaint is stored under the configuration that its message left by, and applied with the
other receipts (see `receipts.py`): it becomes an event, and may take an address off the road.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from campaigns.models import Message
from campaigns.tracking import leaving
from campaigns.tracking.tokens import MessageKey
from channels import bounces, received
from channels.messages import Happened
from channels.models import ChannelConfiguration


@transaction.atomic
def take(octets: bytes, *, recipient: str = "", now: datetime) -> Happened | None:
    """What it said of one of our messages, or None. Taking the same mail again changes nothing."""
    found = bounces.read(octets, recipient=recipient, now=now)
    if found is None:
        return None
    key = MessageKey(*map(int, found.receipt.key.split(".")))
    rows = Message.objects.filter(**key._asdict())
    message = rows.select_related("run__campaign", "run__version").first()
    if message is None:
        return None
    if found.receipt.happened is Happened.UNSUBSCRIBED:
        leaving.withdraw(key, at=now, agent="", source="mail")
        return found.receipt.happened
    configuration = _left_by(message)
    if configuration is None:
        return None
    received.store(configuration, [found.receipt], now=now)
    return found.receipt.happened


def _left_by(message: Message) -> ChannelConfiguration | None:
    actions = message.run.version.definition["actions"]
    pks = [one["configuration"] for one in actions if one["position"] == message.action]
    return ChannelConfiguration.objects.filter(pk__in=pks).first()
