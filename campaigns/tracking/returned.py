"""What came back by mail: takes addresses that are no more off the road, and lets people leave."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audiences import suppression
from campaigns.models import Message
from campaigns.tracking import events
from campaigns.tracking.tokens import MessageKey
from channels import bounces
from channels.messages import Fault, Happened


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
    said = found.receipt
    if said.happened is Happened.UNSUBSCRIBED:
        events.unsubscribe(message, now=now, agent="", source="mail")
    elif said.happened is Happened.COMPLAINED or said.fault is Fault.ADDRESS:
        suppression.suppress(
            workspace_id=message.run.campaign.workspace_id,
            channel="email",
            address=message.address,
            reason="complaint" if said.happened is Happened.COMPLAINED else "bounce",
            now=now,
        )
    return said.happened
