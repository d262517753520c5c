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
from functools import lru_cache
from typing import Any, TypedDict

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from psycopg.types.json import Jsonb

from accounts import switch
from accounts.access import rights_of_role
from accounts.models import ApiCredential
from audiences import recipients as people
from campaigns import access, schedule, variants
from campaigns.delivery import calls, ring
from campaigns.models import Campaign, Execution, Status
from common import failpoints, prepared
from common import place as places
from common.errors import Conflict, Invalid, NotFound, PermissionMissing, Problem
from common.prepared import Columns

MOST_RECIPIENTS = 20

# What a call reads of its campaign.
READ = (
    *("id", "workspace_id", "type", "status", "draft_status", "before_draft", "starts_at", "ends_at"),
    *("create_profiles", "high_throughput", "live_version_id"),
)
IS_ALONE = "pg_try_advisory_xact_lock(hashtextextended(%(call)s, 0))"  # the same call is written nowhere else
# Holds the campaign as it was read: no verb can move it until this is done, so a call that is accepted while
# somebody presses stop is in the run's books before they are closed. Writes nothing where it has moved, where
# the same call is being written, and where it was; `first_ref` is the number of the call's first recipient.
WRITE = f"""
WITH held AS MATERIALIZED (
    SELECT FROM campaigns_campaign
    WHERE id = %(campaign)s AND status = 'live' AND live_version_id = %(version)s
      AND {IS_ALONE}
    FOR KEY SHARE
), call AS (
    INSERT INTO campaigns_execution
        (id, kind, campaign_id, credential_id, request_id, key, body_hash, run_id, first_ref, size,
         created_at)
    SELECT %(id)s, %(kind)s, %(campaign)s, %(credential)s, %(request_id)s, %(key)s, %(body_hash)s, %(run)s,
           nextval('campaigns_ref'), %(size)s, %(now)s
    FROM held
    ON CONFLICT (credential_id, campaign_id, key) DO NOTHING
    RETURNING first_ref
), rows AS MATERIALIZED (
    SELECT t.*, call.first_ref + t.place AS ref
    FROM call, jsonb_to_recordset(%(rows)s)
         AS t(action smallint, place int, profile bigint, address text, variant smallint, reason text,
              context jsonb, override jsonb)
), messages AS (
    INSERT INTO campaigns_message (run_id, action, ref, profile_id, address, variant)
    SELECT %(run)s, action, ref, profile, address, variant FROM rows
), beside AS (
    INSERT INTO campaigns_messagecontext (run_id, action, ref, context, profile_override)
    SELECT %(run)s, action, ref, context, override FROM rows WHERE reason IS NULL
), excluded AS (
    INSERT INTO campaigns_attempt (run_id, action, ref, n, outcome, code, at)
    SELECT %(run)s, action, ref, 1, 'excluded', reason, %(now)s FROM rows WHERE reason IS NOT NULL
), batches AS (
    INSERT INTO campaigns_batch
        (run_id, action, lo, hi, size, lane, state, send_after, owner, epoch, claims, rung_at)
    SELECT %(run)s, action, min(ref), max(ref), count(*), 'urgent', 'ready', %(now)s, '', 0, 0, %(now)s
    FROM rows WHERE reason IS NULL GROUP BY action
    RETURNING id
)
SELECT ARRAY(SELECT id FROM batches) FROM call
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


class _Row(TypedDict):
    """One message to be written; `place` is its recipient's in the call."""

    action: int
    place: int
    profile: int | None
    address: str
    variant: int
    reason: str | None
    context: dict[str, Any]
    override: dict[str, Any]


def body_hash(body: Any) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def accept(campaign_id: int, recipients: Sequence[Recipient], call: Call) -> Accepted:
    """Raises NotFound for a campaign that the credential does not see, PermissionMissing where it may not
    publish it, Invalid with a pointer per fault, Conflict when the key came with another body before.
    """

    def write() -> Execution:
        if execution := _write(campaign_id, recipients, call):
            return execution
        with transaction.atomic():  # who was made for a call that cannot be written goes with it
            execution = _write(campaign_id, recipients, call, holds=True)
            if execution is None:
                raise _in_progress()
            return execution

    return once(campaign_id, call, write)


def once(campaign_id: int, call: Call, write: Callable[[], Execution]) -> Accepted:
    """Writes the call, or finds it written already; two at the same moment are one.

    A call that came before is looked for only when this one cannot be written: hardly any is a repeat.
    """
    try:
        execution = write()
        failpoints.reached("call kept")
        return Accepted(execution, is_repeat=False)
    except (IntegrityError, Invalid, Conflict):
        if known := _earlier(campaign_id, call):
            return known
        raise


def _earlier(campaign_id: int, call: Call) -> Accepted | None:
    """The call that came before under this key."""
    found = Execution.objects.filter(campaign=campaign_id, credential=call.credential, key=call.key).first()
    if found is None:
        return None
    if found.body_hash != call.digest or found.kind != call.kind:
        detail = _("This requestId was used before with another body. Use a new one for a new message.")
        raise Conflict(detail, code="request_id_reused", executionId=str(found.pk))
    return Accepted(found, is_repeat=True)


@dataclass(frozen=True)
class Held:
    """A campaign that takes calls, with the run of its live version."""

    campaign: Campaign
    run_id: int
    weights: dict[str, Any] | None  # of an experiment's treatments
    people: str | None  # what the search for the called found


def open_campaign(campaign_id: int, call: Call, search: people.Search | None = None, *, holds: bool) -> Held:
    """The campaign, if it takes calls, and whom the search finds. Raises NotFound and PermissionMissing as
    its gate does, Invalid when it does not take calls now, and Conflict: while the same call is being
    written, or while the main switch of its workspace is off.

    With `holds` no verb can move it and the same call cannot be written until the transaction ends.
    """

    def refuse(code: str, detail: str) -> Invalid:
        return Invalid(Problem(code, detail, "/campaignId"))

    statement, columns = _reading(holds, search.column if search else "NULL")
    named = {"campaign": campaign_id, "role": call.credential.role_id, "place": places.place()}
    if search:
        named |= search.parameters
    if holds:
        named["call"] = _name(campaign_id, call)
    with prepared.cursor() as cursor:
        found = cursor.execute(statement, named).fetchone()
    if found is None or access.VIEW not in found[0]:
        raise NotFound(_("There is no such campaign, or you may not see it."))
    rights, sends, is_alone, run_id, weights, called, *values = found
    if access.PUBLISH not in rights:
        raise PermissionMissing(access.PUBLISH)
    if not is_alone:
        raise _in_progress()
    campaign = columns.row(values)
    if campaign.workspace_id == call.credential.workspace_id:
        campaign.workspace = call.credential.workspace
    if campaign.type != Campaign.Type.API_TRIGGERED:
        raise refuse("not_api_triggered", _("This campaign is not API-triggered."))
    if campaign.status != Status.LIVE:
        detail = _("The campaign is “%(state)s”; it takes calls only while it is live.")
        raise refuse("campaign_not_live", detail % {"state": campaign.get_status_display()})
    if not schedule.is_open(campaign, call.at):
        detail = _("The campaign takes calls only in its time: from %(start)s to %(end)s.")
        window = [moment.isoformat() if moment else "…" for moment in schedule.window(campaign)]
        raise refuse("outside_window", detail % {"start": window[0], "end": window[1]})
    if not sends:
        switch.require_on(campaign.workspace)
    _require_door(campaign, call)
    return Held(campaign, run_id, json.loads(weights) if weights else None, called)


@lru_cache(256)  # a workspace may take its addresses from elsewhere
def _reading(holds: bool, called: str) -> tuple[str, Columns[Campaign]]:
    columns = Columns(Campaign, *READ)
    statement = f"""
        SELECT {rights_of_role(Campaign)}, accounts_workspace.sends_from = %(place)s,
               {IS_ALONE if holds else "TRUE"}, r.id, r.weights, {called}, {columns.sql}
        FROM campaigns_campaign
        JOIN accounts_workspace ON accounts_workspace.id = campaigns_campaign.workspace_id
        JOIN accounts_role ON accounts_role.group_ptr_id = %(role)s
        LEFT JOIN campaigns_run r ON r.campaign_id = campaigns_campaign.id AND r.kind = 'standing'
                                 AND r.version_id = campaigns_campaign.live_version_id
        WHERE campaigns_campaign.id = %(campaign)s AND campaigns_campaign.purged_at IS NULL
        {"FOR KEY SHARE OF campaigns_campaign" if holds else ""}"""
    return statement, columns


def _name(campaign_id: int, call: Call) -> str:
    """Under which the same call is locked."""
    return f"{call.credential.pk} {campaign_id} {call.key}"


def _in_progress() -> Conflict:
    detail = _("The same call is being taken just now. Send it again in a second for its answer.")
    return Conflict(detail, code="request_in_progress", retryAfter=1)


def _write(
    campaign_id: int, recipients: Sequence[Recipient], call: Call, *, holds: bool = False
) -> Execution | None:
    """Three times to the database and back, with the credential's: what is known, and what is written, which
    is a transaction by itself. None where more is needed: somebody's profile has to be made, or the campaign
    has to be held to tell what stands in the way.
    """
    search = _search(recipients, call)
    held = open_campaign(campaign_id, call, search, holds=holds)
    campaign, version = held.campaign, held.campaign.live_version_id
    assert version is not None  # it is live
    creates = campaign.before_draft.get("create_profiles", campaign.create_profiles)
    known: Sequence[people.Known | Invalid | None] = [None] * len(recipients)
    if search:
        known = search.read(held.people, now=call.at, create=creates and holds)
    if creates and not holds and search and None in known:
        return None
    problems = _unknown(recipients, known) if search else []
    wanted = calls.needs(version)
    for place, one in enumerate(recipients):
        problems += calls.missing(wanted, _given(campaign, one), f"/recipients/{place}")
    problems += calls.unkept(version, None, "/campaignId")
    if problems:
        raise Invalid(problems)
    drawn = variants.weighted(calls.definition(version), held.weights)
    rows = _rows(drawn, recipients, [one if isinstance(one, people.Known) else None for one in known])
    execution = execution_of(campaign, held.run_id, call, size=len(recipients))
    values = {**_values(execution, rows), "version": version, "call": _name(campaign_id, call)}
    with prepared.cursor() as cursor:
        written = cursor.execute(WRITE, values).fetchone()
    if written is None:
        return None
    ring.call(written[0])
    return execution


def execution_of(campaign: Campaign, run_id: int, call: Call, *, size: int) -> Execution:
    """Not saved yet."""
    return Execution(
        id=uuid.uuid4(),
        kind=call.kind,
        campaign=campaign,
        credential=call.credential,
        request_id=call.request_id,
        key=call.key,
        body_hash=call.digest,
        run_id=run_id,
        size=size,
        created_at=call.at,
    )


def _given(campaign: Campaign, recipient: Recipient) -> dict[str, dict[str, Any]]:
    """Where everything has to come with the call, so has what the message reads of the profile."""
    given = {"context": recipient.context}
    return {**given, "profile": recipient.profile} if campaign.high_throughput else given


def _require_door(campaign: Campaign, call: Call) -> None:
    """Raises Invalid for a campaign whose calls go elsewhere."""
    if campaign.high_throughput != (call.kind == Execution.Kind.HIGH_THROUGHPUT):
        name = "highthroughput" if campaign.high_throughput else "unitary"
        detail = _("Calls of this campaign go to /ajo/im/executions/%(name)s.") % {"name": name}
        raise Invalid(Problem("wrong_execution_kind", detail, "/campaignId"))


def _values(execution: Execution, rows: list[_Row]) -> dict[str, Any]:
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
        "rows": Jsonb(rows),
    }


def _rows(
    definition: dict[str, Any], recipients: Sequence[Recipient], known: Sequence[people.Known | None]
) -> list[_Row]:
    """Each recipient over each action."""
    rows: list[_Row] = []
    for place, (recipient, person) in enumerate(zip(recipients, known, strict=True)):
        reached = False
        lot = person.profile_id if person else variants.lot_of(definition, recipient.addresses)
        for action in definition["actions"]:
            channel = str(action["channel"])
            address = recipient.addresses.get(channel) or (
                person.address(channel, action["configuration"]) if person else ""
            )
            if reached and definition.get("reach") == Campaign.Reach.FIRST:
                break
            reached = reached or bool(address)
            choice = variants.choose(definition, action, lot, person.locale if person else "")
            rows.append(
                _Row(
                    action=action["position"],
                    place=place,
                    profile=person.profile_id if person else None,
                    address=address,
                    variant=choice.variant or 0,
                    reason=choice.exclusion,
                    context=recipient.context,
                    override=recipient.profile,
                )
            )
    return rows


def _search(recipients: Sequence[Recipient], call: Call) -> people.Search | None:
    """Nobody is looked up in high throughput."""
    if call.kind == Execution.Kind.HIGH_THROUGHPUT:
        return None
    return people.Search(call.credential.workspace, [(one.namespace, one.user_id) for one in recipients])


def _unknown(
    recipients: Sequence[Recipient], known: Sequence[people.Known | Invalid | None]
) -> list[Problem]:
    problems: list[Problem] = []
    for place, one in enumerate(known):
        pointer = f"/recipients/{place}/userId"
        if isinstance(one, Invalid):
            problems += [Problem(fault.code, fault.detail, pointer) for fault in one.problems]
        elif one is None:
            detail = _("There is no profile “%(id)s”, and this campaign does not create any.")
            named = {"id": recipients[place].user_id[:80]}
            problems.append(Problem("unknown_recipient", detail % named, pointer))
    return problems
