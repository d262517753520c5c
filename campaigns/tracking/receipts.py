"""What providers told us becomes events of our messages: each once, and only ever forward.

Receipts wait in `channels_receivedreceipt`. A page of them is claimed, matched with messages by our own key
or the provider's name, and applied in one transaction of a few statements. What names a message that has no
record of having left yet stays, for its record may come after the provider's word; after 24 hours it is
forgotten. A failure that is the address's fault takes the address out of use.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from audiences import consent, gone, softbounces
from audiences.consent import Said
from campaigns.models import Event, Outcome
from channels import received, sending
from channels.messages import Fault, Happened
from channels.models import ChannelConfiguration

PAGE = 1000
# So long after a run has ended its messages are found by the provider's name of them; by our key always. An
# index of such names would cost every message that is recorded 10 µs, and nearly all receipts bring our key.
NAMED_FOR = timedelta(days=10)
KINDS = {
    Happened.DELIVERED: Event.Kind.DELIVERED,
    Happened.FAILED: Event.Kind.BOUNCE,
    Happened.OPENED: Event.Kind.OPEN,
    Happened.CLICKED: Event.Kind.CLICK,
    Happened.UNSUBSCRIBED: Event.Kind.UNSUBSCRIBE,
    Happened.COMPLAINED: Event.Kind.COMPLAINT,
}
Refusal = tuple[Fault, str, int | None]  # whose fault it is, the address, the profile's id
ABOUT_A_PERSON = (Fault.ADDRESS, Fault.MAILBOX, Fault.OPTED_OUT)
REACHED = (Happened.DELIVERED, Happened.OPENED, Happened.CLICKED)
LEFT = [Outcome.ACCEPTED, Outcome.UNCERTAIN]

# A key is `run.action.ref`. Only messages that left through the same configuration can be meant.
MATCH = r"""
WITH due AS MATERIALIZED (
    SELECT id, configuration_id, happened, key, provider_id, fault, at FROM channels_receivedreceipt
    WHERE applied_at IS NULL AND received_at > %(oldest)s AND id > %(after)s
    ORDER BY id LIMIT %(page)s FOR UPDATE SKIP LOCKED
), recent AS MATERIALIZED (  -- only their attempts are looked through for a provider's name
    SELECT r.id FROM campaigns_run r JOIN campaigns_version v ON v.id = r.version_id
    WHERE r.dropped_at IS NULL AND (r.finished_at IS NULL OR r.finished_at > %(ended)s)
      AND EXISTS (SELECT 1 FROM due d, jsonb_array_elements(v.definition->'actions') x
                  WHERE d.provider_id <> '' AND d.key = ''
                  AND (x->>'configuration')::bigint = d.configuration_id)
), named AS (
    SELECT d.id, split_part(d.key, '.', 1)::bigint AS run_id, split_part(d.key, '.', 2)::int AS action,
           split_part(d.key, '.', 3)::bigint AS ref
    FROM due d WHERE d.key ~ '^[0-9]{1,9}[.][0-9]{1,4}[.][0-9]{1,15}$'
    UNION ALL
    SELECT d.id, a.run_id, a.action, a.ref FROM due d  -- by the index attempt_named, which has their hashes
    JOIN campaigns_attempt a ON hashtext(a.provider_id) = hashtext(d.provider_id)
     AND a.provider_id = d.provider_id AND a.code NOT LIKE '25%%' AND a.run_id IN (SELECT id FROM recent)
    WHERE d.provider_id <> '' AND d.key = ''
), found AS (
    SELECT DISTINCT ON (n.id) n.id, m.run_id, m.action, m.ref, m.profile_id, m.address, c.workspace_id
    FROM named n
    JOIN campaigns_message m ON m.run_id = n.run_id AND m.action = n.action AND m.ref = n.ref
    JOIN campaigns_run r ON r.id = m.run_id
    JOIN campaigns_version v ON v.id = r.version_id
    JOIN campaigns_campaign c ON c.id = r.campaign_id
    JOIN due d ON d.id = n.id
    WHERE EXISTS (SELECT 1 FROM jsonb_array_elements(v.definition->'actions') x
                  WHERE (x->>'position')::int = m.action
                  AND (x->>'configuration')::bigint = d.configuration_id)
      AND EXISTS (SELECT 1 FROM campaigns_attempt a WHERE a.run_id = m.run_id AND a.action = m.action
                  AND a.ref = m.ref AND a.outcome = ANY(%(left)s))
)
SELECT d.id, d.happened, d.fault, d.at, k.id, k.channel, k.settings, f.run_id, f.action, f.ref,
       f.profile_id, f.address, f.workspace_id
FROM due d JOIN channels_channelconfiguration k ON k.id = d.configuration_id
LEFT JOIN found f ON f.id = d.id ORDER BY d.id
"""
# Delivery, bounce, unsubscribe and complaint happen once to a message; a bounce not after a delivery.
APPEND = """
INSERT INTO campaigns_event (run_id, action, ref, kind, at, fault, user_agent)
SELECT DISTINCT ON (g.run_id, g.action, g.ref, g.kind, g.place)
       g.run_id, g.action, g.ref, g.kind, g.at, g.fault, ''
FROM (SELECT t.*, CASE WHEN t.kind IN ('open', 'click') THEN t.number ELSE 0 END AS place
      FROM unnest(%s::bigint[], %s::int[], %s::bigint[], %s::text[], %s::timestamptz[], %s::text[],
                  %s::int[]) AS t(run_id, action, ref, kind, at, fault, number)) g
WHERE (g.kind IN ('open', 'click') OR NOT EXISTS (
        SELECT 1 FROM campaigns_event e WHERE e.run_id = g.run_id AND e.kind = g.kind
        AND e.action = g.action AND e.ref = g.ref))
  AND (g.kind <> 'bounce' OR NOT EXISTS (
        SELECT 1 FROM campaigns_event e WHERE e.run_id = g.run_id
        AND e.kind IN ('delivered', 'open', 'click', 'complaint')
        AND e.action = g.action AND e.ref = g.ref))
  AND (g.kind NOT IN ('open', 'click') OR NOT EXISTS (
        SELECT 1 FROM campaigns_message m JOIN audiences_profile p ON p.id = m.profile_id AND p.is_untracked
        WHERE m.run_id = g.run_id AND m.ref = g.ref AND m.action = g.action))
ORDER BY g.run_id, g.action, g.ref, g.kind, g.place, g.at
"""
DONE = "UPDATE channels_receivedreceipt SET applied_at = %s WHERE id = ANY(%s)"


class Matched(NamedTuple):
    """A receipt with the message it is about; `run_id` is None while there is none."""

    id: int
    happened: str
    fault: str
    at: datetime
    configuration_id: int
    channel: str
    settings: str
    run_id: int | None
    action: int
    ref: int
    profile_id: int | None
    address: str
    workspace_id: int


def apply(now: datetime) -> int:
    """Applies everything that waits and can be matched; returns how many receipts that were."""
    applied, after = 0, 0
    while True:
        with transaction.atomic():
            page = _claim(after, now)
            known = [one for one in page if one.run_id is not None]
            if known:
                _apply(known, now)
        applied += len(known)
        if len(page) < PAGE:
            return applied
        after = page[-1].id


def _claim(after: int, now: datetime) -> list[Matched]:
    with connection.cursor() as cursor:
        cursor.execute(MATCH, asked(after, now))
        return [Matched(*row) for row in cursor.fetchall()]


def asked(after: int, now: datetime) -> dict[str, Any]:
    """What MATCH takes: the page of receipts behind one."""
    oldest, ended = now - received.KEPT_UNKNOWN, now - NAMED_FOR
    return {"oldest": oldest, "after": after, "page": PAGE, "left": LEFT, "ended": ended}


def _apply(page: list[Matched], now: datetime) -> None:
    events = sorted(
        ((one.run_id, one.action, one.ref, KINDS[Happened(one.happened)], one.at, one.fault, number), one)
        for number, one in enumerate(page)
        if one.happened in KINDS
    )
    with connection.cursor() as cursor:
        # What delivered stands before what failed is asked about.
        for is_bounce in (False, True):
            rows = [row for row, _one in events if (row[3] == Event.Kind.BOUNCE) == is_bounce]
            if rows:
                cursor.execute(APPEND, [list(column) for column in zip(*rows, strict=True)])
        cursor.execute(DONE, (now, [one.id for one in page]))
    _leave(page, now)
    _retire(page, now)
    _count_soft(page, now)


def _leave(page: list[Matched], now: datetime) -> None:
    """Who unsubscribed, complained or told the carrier to stop wants no more marketing on the channel."""
    said = [
        Said(one.profile_id, one.channel, "no", _why(one))
        for one in page
        if one.profile_id is not None
        and (one.happened in (Happened.UNSUBSCRIBED, Happened.COMPLAINED) or one.fault == Fault.OPTED_OUT)
    ]
    consent.withdraw_all(said, now=now)


def _why(one: Matched) -> str:
    return "complaint" if one.happened == Happened.COMPLAINED else "provider"


def _retire(page: list[Matched], now: datetime) -> None:
    """Addresses that are no more, and those whose owner complained, by workspace and channel."""
    found: dict[tuple[int, str, str], list[str]] = defaultdict(list)
    for one in page:
        if one.happened == Happened.FAILED and one.fault == Fault.ADDRESS:
            found[one.workspace_id, one.channel, "bounce"].append(one.address)
        elif one.happened == Happened.COMPLAINED:
            found[one.workspace_id, one.channel, "complaint"].append(one.address)
    for (workspace_id, channel, reason), addresses in sorted(found.items()):
        gone.take_out(workspace_id, channel, addresses, reason=reason, now=now)


def _count_soft(page: list[Matched], now: datetime) -> None:
    """What an address could not take for now, by configuration: each has its own patience."""
    soft: dict[int, list[Matched]] = defaultdict(list)
    reached: dict[tuple[int, str], list[str]] = defaultdict(list)
    for one in page:
        if one.happened == Happened.FAILED and one.fault == Fault.MAILBOX:
            soft[one.configuration_id].append(one)
        elif one.happened in REACHED:
            reached[one.workspace_id, one.channel].append(one.address)
    for (workspace_id, channel), addresses in sorted(reached.items()):
        softbounces.forget(workspace_id, channel, addresses)
    for _configuration, ones in sorted(soft.items()):
        first = ones[0]
        most, days = sending.soft_bounces(json.loads(first.settings))
        addresses = [one.address for one in ones]
        softbounces.count(first.workspace_id, first.channel, addresses, most=most, days=days, now=now)


def refused(configuration: ChannelConfiguration, refusals: list[Refusal], now: datetime) -> None:
    """The same for what a provider said at once, while a message was handed over."""
    workspace_id, channel = configuration.workspace_id, configuration.channel
    addresses = [address for fault, address, _profile in refusals if fault == Fault.ADDRESS and address]
    if addresses:
        gone.take_out(workspace_id, channel, addresses, reason="bounce", now=now)
    stopped = [profile for fault, _address, profile in refusals if fault == Fault.OPTED_OUT and profile]
    consent.withdraw_all([Said(profile, channel, "no", "provider") for profile in stopped], now=now)
    full = [address for fault, address, _profile in refusals if fault == Fault.MAILBOX and address]
    if full:
        most, days = sending.soft_bounces(configuration.settings)
        softbounces.count(workspace_id, channel, full, most=most, days=days, now=now)
