"""Keeps what providers tell us, once each, whatever they repeat; what it means is found out later.

A request is read by its provider, which checks its signature first; then everything in it is written in one
statement. Campaigns look for what is new; this app knows none of theirs.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils.translation import gettext as _

from channels.http import Client, Failure, Request
from channels.messages import Arrival, Receipt, Reply
from channels.models import ChannelConfiguration, ReceivedReceipt, ReceivedReply
from channels.providers import registry
from channels.providers.base import ReceiptReader, ReceiptVerifier
from common.errors import CarillonError, Invalid, NotFound, Problem

MOST = 10_000  # receipts in one request
AHEAD, OLDEST = timedelta(minutes=5), timedelta(days=30)  # a provider's clock is believed within these
KEPT_UNKNOWN = timedelta(hours=24)  # what names no message of ours may be earlier than our own record
KEPT = timedelta(days=40)  # so long a repeated one is recognised

STORE_RECEIPTS = """
INSERT INTO channels_receivedreceipt
    (configuration_id, received_at, event_id, happened, key, provider_id, code, detail, fault, at)
SELECT %s, %s, t.* FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                               %s::text[], %s::timestamptz[]) AS t
ON CONFLICT (configuration_id, event_id) DO NOTHING
"""
STORE_REPLIES = """
INSERT INTO channels_receivedreply (configuration_id, received_at, event_id, sender, text, asks, at)
SELECT %s, %s, t.* FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[]) AS t
ON CONFLICT (configuration_id, event_id) DO NOTHING
"""


class Stale(CarillonError):
    status = 400
    code = "stale"


def configuration_of(pk: int) -> ChannelConfiguration:
    """The configuration a request is for, whatever its state: receipts come after it was deactivated too."""
    row = ChannelConfiguration.objects.select_related("credential").filter(pk=pk).first()
    if row is None:
        raise NotFound(_("There is no such address."))
    return row


class NotConfirmed(CarillonError):
    status = 503
    code = "not_confirmed"


def receive(configuration: ChannelConfiguration, arrival: Arrival) -> int:
    """Stores what stands in a request; returns how much of it is news.

    Raises NotGenuine, Stale, Invalid, NotFound when the provider tells us nothing, NotConfirmed, SealBroken.
    """
    provider = registry.get(configuration.provider)
    if not isinstance(provider, ReceiptReader):
        raise NotFound(_("There is no such address."))
    reading = provider.read_receipts(configuration, arrival)
    if reading.proof.is_stale:
        raise Stale(_("The request was signed too long ago."))
    if reading.confirm:
        asyncio.run(_confirm(reading.confirm))
    if len(reading.receipts) + len(reading.replies) > MOST:
        detail = _("One request holds at most %(most)s receipts.") % {"most": MOST}
        raise Invalid(Problem("too_many", detail))
    return store(configuration, reading.receipts, reading.replies, now=arrival.at)


async def _confirm(url: str) -> None:
    """Raises NotConfirmed; the provider asks again."""
    client = Client()
    try:
        answer = await client.exchange(Request("GET", url, {}, b""))
    except Failure as error:
        raise NotConfirmed(_("The subscription could not be confirmed.")) from error
    finally:
        await client.close()
    if answer.status != 200:
        raise NotConfirmed(_("The subscription could not be confirmed."))


def verify(configuration: ChannelConfiguration, query: dict[str, str]) -> str:
    """What a provider wants to hear back before it sends anything. Raises NotFound and NotGenuine."""
    provider = registry.get(configuration.provider)
    if not isinstance(provider, ReceiptVerifier):
        raise NotFound(_("There is no such address."))
    return provider.verify(configuration, query)


@transaction.atomic
def store(
    configuration: ChannelConfiguration,
    receipts: Sequence[Receipt],
    replies: Sequence[Reply] = (),
    *,
    now: datetime,
) -> int:
    """One statement for all receipts and one for all replies."""
    stored = 0
    with connection.cursor() as cursor:
        if receipts:
            rows = [_receipt_row(one, now) for one in receipts]
            cursor.execute(STORE_RECEIPTS, (configuration.pk, now, *map(list, zip(*rows, strict=True))))
            stored += cursor.rowcount
        if replies:
            lines = [_reply_row(one, now) for one in replies]
            cursor.execute(STORE_REPLIES, (configuration.pk, now, *map(list, zip(*lines, strict=True))))
            stored += cursor.rowcount
    return stored


def prune(now: datetime) -> None:
    """Forgets what named no message of ours in time, and what is so old that nobody repeats it."""
    for model in (ReceivedReceipt, ReceivedReply):
        rows = model._default_manager.all()
        rows.filter(applied_at__isnull=True, received_at__lt=now - KEPT_UNKNOWN).delete()
        rows.filter(received_at__lt=now - KEPT).delete()


def _receipt_row(one: Receipt, now: datetime) -> tuple[object, ...]:
    fault = str(one.fault or "")
    texts = (_clean(one.key, 64), _clean(one.provider_id, 128), _clean(one.code, 40))
    event_id = _event_id(one.event_id or f"{one.key}:{one.provider_id}:{one.happened}")
    return (event_id, str(one.happened), *texts, _clean(one.detail, 500), fault, _time(one.at, now))


def _reply_row(one: Reply, now: datetime) -> tuple[object, ...]:
    event_id = _event_id(one.event_id or f"{one.sender}:{one.text}:{one.at}")
    return (event_id, _clean(one.sender, 500), _clean(one.text, 2000), one.asks[:8], _time(one.at, now))


def _clean(text: str, most: int) -> str:
    """PostgreSQL stores neither NUL nor half of a surrogate pair."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:most]


def _event_id(text: str) -> str:
    cleaned = _clean(text, 2000)
    return cleaned if len(cleaned) <= 128 else "sha256:" + hashlib.sha256(cleaned.encode()).hexdigest()


def _time(at: datetime | None, now: datetime) -> datetime:
    return at if at is not None and now - OLDEST <= at <= now + AHEAD else now
