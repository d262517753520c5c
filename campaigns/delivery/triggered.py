"""Accepts one API call: an execution, and one message per recipient, in one transaction.

After the commit the call is durable: whatever dies, the urgent lane's sweep finds the batch. The unique key
(credential, campaign, request id) makes a repeated call the same call, also when both come at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from accounts.access import require
from accounts.models import ApiCredential
from audiences import profiles
from audiences.models import Profile
from campaigns import schedule
from campaigns.delivery import ring
from campaigns.models import Batch, Campaign, Execution, Message, MessageContext, Run, Status
from common.errors import Conflict, Invalid, Problem

MOST_RECIPIENTS = 20


@dataclass(frozen=True)
class Recipient:
    """One recipient as the call names it; `address` overrides the profile's for this message only."""

    namespace: str
    user_id: str
    address: str = ""
    profile: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Accepted:
    execution: Execution
    is_repeat: bool


def body_hash(body: Any) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def accept(
    campaign: Campaign,
    recipients: Sequence[Recipient],
    *,
    request_id: str,
    digest: str,
    credential: ApiCredential,
    now: datetime,
) -> Accepted:
    """Raises Invalid with a pointer per fault, Conflict when the request id came with another body."""
    require(credential, "campaigns.publish_campaign", campaign)
    if known := _earlier(campaign, request_id, digest, credential):
        return known
    try:
        return Accepted(_write(campaign, recipients, request_id, digest, credential, now), is_repeat=False)
    except IntegrityError:
        # The same request id was accepted in this moment by another process.
        if known := _earlier(campaign, request_id, digest, credential):
            return known
        raise


def _earlier(campaign: Campaign, request_id: str, digest: str, credential: ApiCredential) -> Accepted | None:
    found = Execution.objects.filter(campaign=campaign, credential=credential, request_id=request_id).first()
    if found is None:
        return None
    if found.body_hash != digest:
        detail = _("This requestId was used before with another body. Use a new one for a new message.")
        raise Conflict(detail, code="request_id_reused", executionId=str(found.pk))
    return Accepted(found, is_repeat=True)


def _open_run(campaign: Campaign, now: datetime) -> Run:
    """The campaign's standing run; Invalid when the campaign does not take calls now.

    Until the transaction ends no verb can move the campaign: a call that is accepted while somebody presses
    stop is in the run's books before they are closed.
    """

    def refuse(code: str, detail: str) -> Invalid:
        return Invalid(Problem(code, detail, "/campaignId"))

    by_id = "SELECT * FROM campaigns_campaign WHERE id = %s FOR KEY SHARE"
    campaign = Campaign.objects.raw(by_id, [campaign.pk])[0]
    if campaign.type != Campaign.Type.API_TRIGGERED:
        raise refuse("not_api_triggered", _("This campaign is not API-triggered."))
    if campaign.status != Status.LIVE:
        detail = _("The campaign is “%(state)s”; it takes calls only while it is live.")
        raise refuse("campaign_not_live", detail % {"state": campaign.get_status_display()})
    if not schedule.is_open(campaign, now):
        raise refuse("outside_window", _("The campaign takes calls only between its start and its end."))
    return Run.objects.get(campaign=campaign, kind=Run.Kind.STANDING, state=Run.State.SENDING)


@transaction.atomic
def _write(
    campaign: Campaign,
    recipients: Sequence[Recipient],
    request_id: str,
    digest: str,
    credential: ApiCredential,
    now: datetime,
) -> Execution:
    run = _open_run(campaign, now)
    found = _profiles(campaign, recipients, now)
    first = _next_ref()
    execution = Execution.objects.create(
        campaign=campaign,
        credential=credential,
        request_id=request_id,
        body_hash=digest,
        run=run,
        first_ref=first,
        size=len(recipients),
        created_at=now,
    )
    numbered = list(enumerate(zip(recipients, found, strict=True), start=first))
    Message.objects.bulk_create(
        Message(run=run, action=0, ref=ref, profile=profile, address=recipient.address or profile.email or "")
        for ref, (recipient, profile) in numbered
    )
    MessageContext.objects.bulk_create(
        MessageContext(
            run=run, action=0, ref=ref, context=recipient.context, profile_override=recipient.profile
        )
        for ref, (recipient, _profile) in numbered
    )
    batch = Batch.objects.create(
        run=run,
        action=0,
        lo=first,
        hi=first + len(recipients) - 1,
        size=len(recipients),
        lane=Batch.Lane.URGENT,
        send_after=now,
        rung_at=now,
    )
    ring.batches([batch.pk], Batch.Lane.URGENT)
    return execution


def _next_ref() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('campaigns_ref')")
        return int(cursor.fetchone()[0])


def _profiles(campaign: Campaign, recipients: Sequence[Recipient], now: datetime) -> list[Profile]:
    """Everybody's profile, created where the campaign allows it; every fault is told with its place."""
    problems: list[Problem] = []
    found: list[Profile] = []
    for place, recipient in enumerate(recipients):
        pointer = f"/recipients/{place}/userId"
        try:
            profile = profiles.find(campaign.workspace, recipient.namespace, recipient.user_id)
            if profile is None and campaign.create_profiles:
                profile = profiles.find_or_create(
                    campaign.workspace, recipient.namespace, recipient.user_id, now
                )
        except Invalid as error:
            problems += [Problem(one.code, one.detail, pointer) for one in error.problems]
            continue
        if profile is None:
            detail = _("There is no profile “%(id)s”, and this campaign does not create any.")
            problems.append(Problem("unknown_recipient", detail % {"id": recipient.user_id[:80]}, pointer))
        else:
            found.append(profile)
    if problems:
        raise Invalid(problems)
    return found
