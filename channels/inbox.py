"""A person's in-app inbox: what a device sees, and what its owner does with it.

Who asks is whom their token names; a device only ever reaches its own person's items. What is done becomes a
receipt, which finds its message as any provider's does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from django.db import transaction
from django.utils.translation import gettext as _

from channels import received
from channels.kinds import clean_receiver
from channels.messages import Happened, Receipt
from channels.models import ChannelConfiguration, InboxItem
from channels.providers.base import secrets_of
from common.errors import CarillonError, Invalid, NotFound, Problem

SHOWN, LONGEST = 50, timedelta(days=1)
DOES = {"read": Happened.OPENED, "click": Happened.CLICKED, "dismiss": None}


class NotSignedIn(CarillonError):
    status = 401
    code = "bad_token"


@dataclass(frozen=True)
class Inbox:
    """One person's, of one configuration."""

    configuration: ChannelConfiguration
    recipient: str


def opened(pk: int, token: str, *, now: datetime) -> Inbox:
    """The inbox a token opens. Raises NotFound, NotSignedIn, and SealBroken when we cannot check it."""
    configuration = configuration_of(pk)
    secret = secrets_of(configuration).get("signing_secret", "")
    try:
        claims = jwt.decode(token, secret or "-", algorithms=["HS256"], options={"require": ["exp", "sub"]})
        ends_at = float(claims["exp"])
        recipient = clean_receiver(str(claims["sub"]))
    except (jwt.PyJWTError, ValueError, TypeError, Invalid) as error:
        raise NotSignedIn(_("The token is missing, not signed by your server, or has ended.")) from error
    if not secret or ends_at > (now + LONGEST).timestamp() + 300:
        raise NotSignedIn(_("A token may last a day at most."))
    return Inbox(configuration, recipient)


def configuration_of(pk: int) -> ChannelConfiguration:
    rows = ChannelConfiguration.objects.select_related("credential").filter(pk=pk, provider="inapp")
    found = rows.exclude(status=ChannelConfiguration.Status.DRAFT).first()
    if found is None:
        raise NotFound(_("There is no such inbox."))
    return found


@transaction.atomic
def items(inbox: Inbox, *, now: datetime) -> list[InboxItem]:
    """The newest first. What a device fetches for the first time has been delivered."""
    rows = InboxItem.objects.filter(
        configuration=inbox.configuration, recipient=inbox.recipient, dismissed_at=None, ends_at__gt=now
    )
    found = list(rows.order_by("-pk")[:SHOWN])
    fresh = [one for one in found if one.fetched_at is None]
    if fresh:
        InboxItem.objects.filter(pk__in=[one.pk for one in fresh]).update(fetched_at=now)
        told = [Receipt(f"{one.key}:delivered", Happened.DELIVERED, key=one.key, at=now) for one in fresh]
        received.store(inbox.configuration, told, now=now)
    return found


@transaction.atomic
def act(inbox: Inbox, pk: int, does: str, *, now: datetime) -> None:
    """`does` is read, click or dismiss; done twice it counts once. Raises Invalid and NotFound."""
    if does not in DOES:
        detail = _("The action is one of: %(known)s.") % {"known": ", ".join(DOES)}
        raise Invalid(Problem("bad_action", detail, "action"))
    rows = InboxItem.objects.select_for_update().filter(configuration=inbox.configuration)
    item = rows.filter(pk=pk, recipient=inbox.recipient).first()
    if item is None:
        raise NotFound(_("There is no such message."))
    if does == "dismiss":
        item.dismissed_at = item.dismissed_at or now
    else:
        item.read_at = item.read_at or now
    item.save(update_fields=["dismissed_at", "read_at"])
    if (happened := DOES[does]) is not None:
        told = Receipt(f"{item.key}:{does}", happened, key=item.key, at=now)
        received.store(inbox.configuration, [told], now=now)


def as_json(item: InboxItem) -> dict[str, Any]:
    return {
        "id": item.pk,
        **item.content,
        "createdAt": item.created_at.isoformat(),
        "readAt": item.read_at.isoformat() if item.read_at else None,
    }


def prune(now: datetime) -> None:
    InboxItem.objects.filter(ends_at__lt=now - timedelta(days=30)).delete()
