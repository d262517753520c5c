"""Accepts one API call: an execution, and one message per recipient and action, in one transaction.

After the commit the call is durable: whatever dies, the urgent lane's sweep finds the batches. The unique key
(credential, campaign, request id) makes a repeated call the same call, also when both come at once.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _
from psycopg.types.json import Jsonb

from accounts import switch
from accounts.access import require
from accounts.models import ApiCredential, Workspace
from audiences import recipients as people
from campaigns import schedule, variants
from campaigns.delivery import calls, ring
from campaigns.models import Batch, Campaign, Execution, Run, Status
from common import failpoints
from common import place as places
from common.errors import Conflict, Invalid, Problem

MOST_RECIPIENTS = 20
PUBLISH = "campaigns.publish_campaign"

# The number of a call's first recipient; the others count on from it.
WRITE = """
WITH call AS (
    INSERT INTO campaigns_execution
        (id, kind, campaign_id, credential_id, request_id, key, body_hash, run_id, first_ref, size,
         created_at)
    SELECT %(id)s, %(kind)s, %(campaign)s, %(credential)s, %(request_id)s, %(key)s, %(body_hash)s, %(run)s,
           nextval('campaigns_ref'), %(size)s, %(now)s
    RETURNING first_ref
), rows AS MATERIALIZED (
    SELECT t.action, call.first_ref + t.place AS ref, t.profile, t.address, t.variant, t.reason,
           t.context, t.override
    FROM call, unnest(%(actions)s::smallint[], %(places)s::int[], %(profiles)s::bigint[],
                      %(addresses)s::text[], %(variants)s::smallint[], %(reasons)s::text[],
                      %(contexts)s::jsonb[], %(overrides)s::jsonb[])
         AS t(action, place, profile, address, variant, reason, context, override)
), messages AS (
    INSERT INTO campaigns_message (run_id, action, ref, profile_id, address, variant)
    SELECT %(run)s, action, ref, profile, address, variant FROM rows
), beside AS (
    INSERT INTO campaigns_messagecontext (run_id, action, ref, context, profile_override)
    SELECT %(run)s, action, ref, context, override FROM rows WHERE reason IS NULL
), excluded AS (
    INSERT INTO campaigns_attempt (run_id, action, ref, n, outcome, code, at)
    SELECT %(run)s, action, ref, 1, 'excluded', reason, %(now)s FROM rows WHERE reason IS NOT NULL
)
INSERT INTO campaigns_batch
    (run_id, action, lo, hi, size, lane, state, send_after, owner, epoch, claims, rung_at)
SELECT %(run)s, action, min(ref), max(ref), count(*), 'urgent', 'ready', %(now)s, '', 0, 0, %(now)s
FROM rows WHERE reason IS NULL GROUP BY action
RETURNING id
"""


@dataclass(frozen=True)
class Recipient:
    """One recipient as the call names it.

    `addresses` holds, by channel, what stands above the profile's own address for this message only.
    """

    namespace: str
    user_id: str
    addresses: dict[str, str] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    is_external: bool = False


@dataclass(frozen=True)
class Call:
    """What makes a call this call: a repeated `key` with the same body is the same call again."""

    credential: ApiCredential
    request_id: str
    key: str
    digest: str  # SHA-256 of the body
    at: datetime
    kind: str = Execution.Kind.UNITARY


@dataclass(frozen=True)
class Accepted:
    execution: Execution
    is_repeat: bool


@dataclass(frozen=True)
class _Row:
    """One message to be written; `place` is its recipient's in the call."""

    action: int
    place: int
    profile_id: int | None
    address: str
    variant: int
    reason: str | None


def body_hash(body: Any) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def accept(campaign: Campaign, recipients: Sequence[Recipient], call: Call) -> Accepted:
    """Raises Invalid with a pointer per fault, Conflict when the key came with another body before."""
    return once(campaign, call, lambda: _write(campaign, recipients, call))


def once(campaign: Campaign, call: Call, write: Callable[[], Execution]) -> Accepted:
    """Writes the call, or finds it written already; two at the same moment are one."""
    require(call.credential, PUBLISH, campaign)
    if known := _earlier(campaign, call):
        return known
    try:
        with transaction.atomic():
            execution = write()
        failpoints.reached("call kept")
        return Accepted(execution, is_repeat=False)
    except IntegrityError:
        # The same key was accepted in this moment by another process.
        if known := _earlier(campaign, call):
            return known
        raise


def _earlier(campaign: Campaign, call: Call) -> Accepted | None:
    """The call that came before under this key."""
    found = Execution.objects.filter(campaign=campaign, credential=call.credential, key=call.key).first()
    if found is None:
        return None
    if found.body_hash != call.digest or found.kind != call.kind:
        detail = _("This requestId was used before with another body. Use a new one for a new message.")
        raise Conflict(detail, code="request_id_reused", executionId=str(found.pk))
    return Accepted(found, is_repeat=True)


def open_campaign(campaign: Campaign, now: datetime) -> Campaign:
    """The campaign, held open. Raises Invalid when it does not take calls now, and Conflict
    `sending_stopped` while the main switch of its workspace is off.

    Until the transaction ends no verb can move the campaign: a call that is accepted while somebody presses
    stop is in the run's books before they are closed.
    """

    def refuse(code: str, detail: str) -> Invalid:
        return Invalid(Problem(code, detail, "/campaignId"))

    by_id = """
        SELECT c.*, w.sends_from = %s AS sends FROM campaigns_campaign c
        JOIN accounts_workspace w ON w.id = c.workspace_id WHERE c.id = %s FOR KEY SHARE OF c"""
    held = Campaign.objects.raw(by_id, [places.place(), campaign.pk])[0]
    if held.type != Campaign.Type.API_TRIGGERED:
        raise refuse("not_api_triggered", _("This campaign is not API-triggered."))
    if held.status != Status.LIVE:
        detail = _("The campaign is “%(state)s”; it takes calls only while it is live.")
        raise refuse("campaign_not_live", detail % {"state": held.get_status_display()})
    if not schedule.is_open(held, now):
        raise refuse("outside_window", _("The campaign takes calls only between its start and its end."))
    if not held.sends:  # type: ignore[attr-defined]
        switch.require_on(Workspace.objects.get(pk=held.workspace_id))
    return held


def _write(campaign: Campaign, recipients: Sequence[Recipient], call: Call) -> Execution:
    held = open_campaign(campaign, call.at)
    require_door(held, call)
    standing = Run.objects.select_related("version")
    run = standing.get(campaign=held, kind=Run.Kind.STANDING, version=held.live_version_id)
    wanted = calls.needs(run.version_id)
    problems = [
        problem
        for place, one in enumerate(recipients)
        for problem in calls.missing(wanted, _given(held, one), f"/recipients/{place}")
    ]
    drawn = variants.weighted(run.version.definition, run.weights)
    rows = _rows(campaign, held, drawn, recipients, call.at, problems)
    if problems:
        raise Invalid(problems)
    execution = execution_of(campaign, run, call, size=len(recipients))
    with connection.cursor() as cursor:
        cursor.execute(WRITE, _values(execution, rows, recipients))
        batches = [pk for (pk,) in cursor.fetchall()]
    ring.batches(batches, Batch.Lane.URGENT)
    return execution


def execution_of(campaign: Campaign, run: Run, call: Call, *, size: int) -> Execution:
    """Not saved yet."""
    return Execution(
        id=uuid.uuid4(),
        kind=call.kind,
        campaign=campaign,
        credential=call.credential,
        request_id=call.request_id,
        key=call.key,
        body_hash=call.digest,
        run=run,
        size=size,
        created_at=call.at,
    )


def _given(campaign: Campaign, recipient: Recipient) -> dict[str, dict[str, Any]]:
    """Where everything has to come with the call, so has what the message reads of the profile."""
    given = {"context": recipient.context}
    return {**given, "profile": recipient.profile} if campaign.high_throughput else given


def require_door(campaign: Campaign, call: Call) -> None:
    """Raises Invalid for a campaign whose calls go elsewhere."""
    if campaign.high_throughput != (call.kind == Execution.Kind.HIGH_THROUGHPUT):
        name = "highthroughput" if campaign.high_throughput else "unitary"
        detail = _("Calls of this campaign go to /ajo/im/executions/%(name)s.") % {"name": name}
        raise Invalid(Problem("wrong_execution_kind", detail, "/campaignId"))


def _values(execution: Execution, rows: list[_Row], recipients: Sequence[Recipient]) -> dict[str, Any]:
    return {
        "id": execution.pk,
        "kind": execution.kind,
        "campaign": execution.campaign_id,
        "credential": execution.credential_id,
        "request_id": execution.request_id,
        "key": execution.key,
        "body_hash": execution.body_hash,
        "run": execution.run_id,
        "size": execution.size,
        "now": execution.created_at,
        "actions": [row.action for row in rows],
        "places": [row.place for row in rows],
        "profiles": [row.profile_id for row in rows],
        "addresses": [row.address for row in rows],
        "variants": [row.variant for row in rows],
        "reasons": [row.reason for row in rows],
        "contexts": [Jsonb(recipients[row.place].context) for row in rows],
        "overrides": [Jsonb(recipients[row.place].profile) for row in rows],
    }


def _rows(
    campaign: Campaign,
    held: Campaign,
    definition: dict[str, Any],
    recipients: Sequence[Recipient],
    now: datetime,
    problems: list[Problem],
) -> list[_Row]:
    """Each recipient over each action; faults are added to `problems`."""
    channels = [str(action["channel"]) for action in definition["actions"]]
    known = _known(campaign, held, recipients, channels, now, problems)
    rows = []
    for place, (recipient, person) in enumerate(zip(recipients, known, strict=True)):
        reached = False
        for action in definition["actions"]:
            channel = str(action["channel"])
            address = recipient.addresses.get(channel) or (
                person.addresses.get(channel, "") if person else ""
            )
            if reached and definition.get("reach") == Campaign.Reach.FIRST:
                break
            reached = reached or bool(address)
            named = person.profile_id if person else 0
            choice = variants.choose(definition, action, named, person.locale if person else "")
            rows.append(
                _Row(action["position"], place, named or None, address, choice.variant or 0, choice.exclusion)
            )
    return rows


def _known(
    campaign: Campaign,
    held: Campaign,
    recipients: Sequence[Recipient],
    channels: list[str],
    now: datetime,
    problems: list[Problem],
) -> list[people.Known | None]:
    """Everybody's profile, created where the campaign allows it; nobody's in high throughput."""
    if held.high_throughput:
        return [None] * len(recipients)
    found = people.find(
        campaign.workspace,
        [(one.namespace, one.user_id) for one in recipients],
        channels,
        now=now,
        create=held.before_draft.get("create_profiles", held.create_profiles),
    )
    known: list[people.Known | None] = []
    for place, one in enumerate(found):
        pointer = f"/recipients/{place}/userId"
        if isinstance(one, Invalid):
            problems += [Problem(fault.code, fault.detail, pointer) for fault in one.problems]
        elif one is None:
            detail = _("There is no profile “%(id)s”, and this campaign does not create any.")
            named = {"id": recipients[place].user_id[:80]}
            problems.append(Problem("unknown_recipient", detail % named, pointer))
        known.append(one if isinstance(one, people.Known) else None)
    return known
