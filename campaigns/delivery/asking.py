"""Asks providers what became of messages of which nobody knows whether they left.

Only for campaigns whose rule is to ask, only where the provider can tell, and only for an hour: what it does
not know by then stays uncertain, for a person to decide (`uncertain.py`).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta

from django.db import connection

from campaigns.delivery import uncertain
from campaigns.delivery.claims import LAST_ATTEMPT
from campaigns.delivery.content import action_of
from campaigns.models import Run
from campaigns.tracking.tokens import MessageKey
from channels.messages import Outcome as Said
from channels.models import ChannelConfiguration
from channels.providers import registry
from channels.providers.base import FindingLane

FROM, UNTIL = timedelta(minutes=1), timedelta(hours=1)  # after it became uncertain
MOST = 100  # messages in one round

WAITING = f"""
SELECT m.run_id, m.action, m.ref, m.address
FROM campaigns_run r JOIN campaigns_campaign c ON c.id = r.campaign_id
JOIN campaigns_batch b ON b.run_id = r.id AND b.state <> 'claimed' AND b.tally::text LIKE '%%uncertain%%'
JOIN campaigns_message m ON m.run_id = b.run_id AND m.action = b.action AND m.slot = b.slot
    AND m.ref BETWEEN b.lo AND b.hi {LAST_ATTEMPT}
WHERE COALESCE(c.before_draft->>'on_uncertain', c.on_uncertain) = 'ask'
    AND r.dropped_at IS NULL AND (r.finished_at IS NULL OR r.finished_at > %(since)s)
    AND last.outcome = 'uncertain' AND last.at BETWEEN %(since)s AND %(until)s
ORDER BY random() LIMIT {MOST}
"""

Message = tuple[int, int, str]  # action, ref, address


def ask(*, now: datetime) -> int:
    """One round; how many messages their providers settled."""
    waiting: dict[int, list[Message]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(WAITING, {"since": now - UNTIL, "until": now - FROM})
        for run_id, action, ref, address in cursor.fetchall():
            waiting[run_id].append((action, ref, address))
    return sum(uncertain.told(run_id, _answers(run_id, found), now=now) for run_id, found in waiting.items())


def _answers(run_id: int, messages: list[Message]) -> dict[tuple[int, int], Said]:
    """Nothing is locked meanwhile: an answer may take its time."""
    definition = Run.objects.select_related("version").get(pk=run_id).version.definition
    by_action: dict[int, list[Message]] = defaultdict(list)
    for message in messages:
        by_action[message[0]].append(message)
    answers: dict[tuple[int, int], Said] = {}
    for action, asked in by_action.items():
        configurations = ChannelConfiguration.objects.select_related("credential", "workspace")
        configuration = configurations.get(pk=action_of(definition, action)["configuration"])
        lane = registry.get(configuration.provider).open(configuration)
        if isinstance(lane, FindingLane) and lane.can_find:
            answers |= asyncio.run(_found(lane, run_id, asked))
    return answers


async def _found(lane: FindingLane, run_id: int, asked: list[Message]) -> dict[tuple[int, int], Said]:
    try:
        return {
            (action, ref): await lane.find(str(MessageKey(run_id, action, ref)), address)
            for action, ref, address in asked
        }
    finally:
        await lane.close()
