"""Posts what was gathered, signed as https://www.standardwebhooks.com describes, and keeps a log of each try.

One worker at a time has an endpoint, by a lease that runs out when it dies; what it had not recorded is sent
once more under the same `webhook-id`. A try that fails is made again by WAITS, over three days; an endpoint
without any success is asked less and less, and after PATIENCE, or when it answers 410, it is switched off and
those who manage the workspace are told. What it answers beyond its status is never kept.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from standardwebhooks.webhooks import Webhook as Signer

from accounts import audit, notices
from accounts.access import MANAGE_WORKSPACE, SYSTEM, people_who_may
from campaigns.feedback import endpoints
from campaigns.models import FeedbackDelivery, FeedbackEndpoint
from channels.http import Client, Failure, Request
from channels.sealing import SealBroken

SECONDS = (10, 60, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
WAITS = [timedelta(seconds=one) for one in SECONDS]
RESTS = [timedelta(seconds=one) for one in (5, 30, 120, 600, 1800, 3600)]  # of an endpoint that only fails
PATIENCE = timedelta(days=5)
LEASE = timedelta(minutes=3)  # longer than a round takes
PAGE, LINES = 200, 10
ROUND, ALL = 30.0, 60.0  # seconds in which another request is begun, of one round and of all
FAILURES = 5  # of one round without any success: the rest is left for later
LOGGED = 20


@dataclass(frozen=True)
class Told:
    """How one try ended; `status` is None where no answer came, `code` empty for a success."""

    delivery: FeedbackDelivery
    at: datetime
    milliseconds: int
    status: int | None
    code: str


def send_due(*, now: datetime) -> int:
    """Posts what is due and returns how many were delivered."""
    ends, delivered = time.monotonic() + ALL, 0
    while time.monotonic() < ends and (claimed := _claim(now)):
        work = [(one, _page(one, now), _signers(one, now)) for one in claimed]
        told = asyncio.run(_post_all(work))
        delivered += sum(_record(*one, now) for one in zip(claimed, told, strict=True))
    return delivered


@transaction.atomic
def _claim(now: datetime) -> list[FeedbackEndpoint]:
    """Endpoints with something due that nobody has, each for this worker until LEASE is over."""
    due = FeedbackDelivery.objects.filter(
        endpoint=OuterRef("pk"), state=FeedbackDelivery.State.DUE, next_at__lte=now
    )
    free = Q(lease_until=None) | Q(lease_until__lte=timezone.now())
    rows = FeedbackEndpoint.objects.filter(free, Exists(due), is_on=True, resume_at__lte=now)
    found = list(rows.select_for_update(of=("self",), skip_locked=True).select_related("workspace")[:20])
    until = timezone.now() + LEASE
    FeedbackEndpoint.objects.filter(pk__in=[one.pk for one in found]).update(lease_until=until)
    for one in found:
        one.lease_until = until
    return found


def _page(endpoint: FeedbackEndpoint, now: datetime) -> list[FeedbackDelivery]:
    rows = endpoint.deliveries.filter(state=FeedbackDelivery.State.DUE, next_at__lte=now)
    return list(rows.order_by("next_at", "pk")[:PAGE])


def _signers(endpoint: FeedbackEndpoint, now: datetime) -> list[Signer]:
    try:
        return [Signer(secret) for secret in endpoints.secrets_of(endpoint, now=now)]
    except SealBroken:
        return []


# ---- the requests -------------------------------------------------------------------------------
Work = tuple[FeedbackEndpoint, list[FeedbackDelivery], list[Signer]]


async def _post_all(work: Sequence[Work]) -> list[list[Told]]:
    """All endpoints side by side; nothing here asks the database."""
    return await asyncio.gather(*(_post_to(*one) for one in work))


async def _post_to(
    endpoint: FeedbackEndpoint, page: list[FeedbackDelivery], signers: list[Signer]
) -> list[Told]:
    client, told, left = Client(), [], iter(page)
    ends = time.monotonic() + ROUND

    async def line() -> None:
        for delivery in left:
            told.append(await _post(client, endpoint.url, delivery, signers))
            lost = len(told) >= FAILURES and all(one.code for one in told)
            if lost or time.monotonic() > ends or told[-1].status == 410:
                return

    try:
        await asyncio.gather(*(line() for _number in range(LINES)))
    finally:
        await client.close()
    return told


async def _post(client: Client, url: str, delivery: FeedbackDelivery, signers: list[Signer]) -> Told:
    at, began = timezone.now(), time.monotonic()
    status, code = None, "" if signers else "secret_unreadable"
    if signers:
        try:
            status = (await client.exchange(_request(url, delivery, signers, at))).status
            code = "" if 200 <= status < 300 else "redirected" if 300 <= status < 400 else "refused"
        except Failure as failure:
            code = failure.code
    return Told(delivery, at, round((time.monotonic() - began) * 1000), status, code)


def _request(url: str, delivery: FeedbackDelivery, signers: list[Signer], at: datetime) -> Request:
    body = json.dumps(delivery.body, ensure_ascii=False, separators=(",", ":"))
    signed = " ".join(signer.sign(delivery.event_id, at, body) for signer in signers)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": delivery.event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signed,
    }
    return Request("POST", url, headers, body.encode())


# ---- what came of it ----------------------------------------------------------------------------
def _record(endpoint: FeedbackEndpoint, told: list[Told], now: datetime) -> int:
    """Writes a round down and gives the endpoint back; returns how many were delivered."""
    for one in told:
        _note(one, now)
    fields = ["state", "tries", "next_at", "tried_at", "status", "code", "log"]
    FeedbackDelivery.objects.bulk_update([one.delivery for one in told], fields)
    with transaction.atomic():
        row = FeedbackEndpoint.objects.select_for_update().filter(pk=endpoint.pk).first()
        if row is None:
            return 0
        if row.lease_until == endpoint.lease_until:
            row.lease_until = None
        if told:
            _judge(row, told, now)
        row.save()
    return sum(not one.code for one in told)


def _note(one: Told, now: datetime) -> None:
    row = one.delivery
    row.tried_at, row.status, row.code = one.at, one.status, one.code
    line = {"at": one.at.isoformat(), "status": one.status, "code": one.code, "ms": one.milliseconds}
    row.log = [*row.log, line][-LOGGED:]
    row.tries += 1
    if not one.code:
        row.state = FeedbackDelivery.State.DELIVERED
    elif row.tries > len(WAITS):
        row.state = FeedbackDelivery.State.FAILED
    else:
        row.next_at = now + WAITS[row.tries - 1]


def _judge(row: FeedbackEndpoint, told: list[Told], now: datetime) -> None:
    if any(not one.code for one in told):
        row.failing_since, row.failures, row.resume_at = None, 0, now
        return
    row.failing_since = row.failing_since or now
    row.resume_at = now + RESTS[min(row.failures, len(RESTS) - 1)]
    row.failures = min(row.failures + 1, 1000)
    is_gone = any(one.status == 410 for one in told)
    if row.is_on and (is_gone or now - row.failing_since >= PATIENCE):
        _switch_off(row, FeedbackEndpoint.Off.GONE if is_gone else FeedbackEndpoint.Off.FAILING, now)


def _switch_off(row: FeedbackEndpoint, reason: str, now: datetime) -> None:
    row.is_on, row.off_reason, row.changed_at = False, reason, now
    workspace = row.workspace
    audit.record(actor=SYSTEM, verb="switch off", obj=row, workspace=workspace, now=now, reason=reason)
    notices.tell(
        "feedback_off",
        people_who_may(MANAGE_WORKSPACE, row),
        obj=row,
        address=reverse("campaigns:feedback_endpoint", args=[row.pk]),
        actor=SYSTEM,
        now=now,
        endpoint=row.name,
    )
