"""Gathers what happened for the endpoints that want to hear it; `post.py` sends it.

Set-based: a page of events behind a watermark, a few batches that are over, the campaigns' rows of the audit
log behind each endpoint's position, and the runs of the last day are each one INSERT … SELECT. An event has
the same id whenever it is gathered and is unique for its endpoint, so a worker that dies in between costs
nothing. Campaigns behind an access label are told to nobody: an endpoint has no labels.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from campaigns.models import FeedbackBatch, FeedbackDelivery, FeedbackEndpoint
from campaigns.reports.counting import lock_mark, settled_number

MARK = "feedback"
PAGE, BATCHES, ENTRIES = 10_000, 20, 5_000
LOOKS_BACK = timedelta(days=1)  # over runs
KEEPS = {
    FeedbackDelivery.State.DELIVERED: timedelta(days=7),
    FeedbackDelivery.State.FAILED: timedelta(days=30),
}
FORGETS = 20_000  # at once

MOMENT = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
UNLABELLED = "NOT EXISTS (SELECT 1 FROM campaigns_campaign_labels l WHERE l.campaign_id = c.id)"
COLUMNS = "endpoint_id, event_id, kind, happened_at, body, profile_id, next_at, created_at"
# A call's first_ref is the highest that is no higher than the message's.
TELL = f"""
INSERT INTO campaigns_feedbackdelivery ({COLUMNS})
SELECT f.id, t.event_id, t.kind, t.at, jsonb_build_object(
    'type', t.kind, 'timestamp', {MOMENT.format("t.at")}, 'data', jsonb_build_object(
        'messageId', concat_ws('.', t.run_id, t.action, t.ref), 'channel', a.channel, 'recipient', m.address,
        'profileId', m.profile_id, 'campaignId', c.id::text, 'campaignType', c.type, 'runId', t.run_id,
        'executionId', x.id, 'requestId', x.request_id) || t.more),
    m.profile_id, %(now)s, %(now)s
FROM told t
JOIN campaigns_message m ON m.run_id = t.run_id AND m.action = t.action AND m.ref = t.ref
JOIN campaigns_run r ON r.id = t.run_id AND r.kind <> 'proof'
JOIN campaigns_version v ON v.id = r.version_id AND v.definition->'enable_webhooks' IS DISTINCT FROM 'false'
JOIN campaigns_campaign c ON c.id = r.campaign_id AND {UNLABELLED}
JOIN campaigns_feedbackendpoint f ON f.workspace_id = c.workspace_id AND f.is_on AND t.kind = ANY(f.kinds)
    AND t.at >= f.on_since AND (c.type = 'api_triggered' OR NOT f.only_triggered)
LEFT JOIN LATERAL (
    SELECT y->>'channel' AS channel FROM jsonb_array_elements(v.definition->'actions') y
    WHERE (y->>'position')::int = t.action LIMIT 1
) a ON TRUE
LEFT JOIN LATERAL (
    SELECT e.id, e.request_id FROM campaigns_execution e WHERE e.run_id = t.run_id AND e.first_ref <= t.ref
    ORDER BY e.first_ref DESC LIMIT 1
) x ON TRUE
ON CONFLICT (endpoint_id, event_id) DO NOTHING
"""
OF_EVENTS = (
    """
WITH told AS (
    SELECT e.run_id, e.action, e.ref, 'e' || e.id AS event_id, 'message.' || CASE e.kind
               WHEN 'open' THEN 'opened' WHEN 'click' THEN 'clicked' WHEN 'unsubscribe' THEN 'unsubscribed'
               WHEN 'bounce' THEN 'bounced' WHEN 'complaint' THEN 'complained' ELSE e.kind END AS kind, e.at,
           CASE WHEN e.kind IN ('open', 'click')
                THEN jsonb_build_object('byMachine', e.machine <> '', 'url', k.url) ELSE '{}' END AS more
    FROM campaigns_event e
    JOIN campaigns_run er ON er.id = e.run_id
    LEFT JOIN campaigns_link k ON k.version_id = er.version_id AND k.action = e.action AND k.number = e.link
    WHERE e.id > %(after)s AND e.id <= %(until)s
)"""
    + TELL
)
LAST_OF_PAGE = """
SELECT max(id) FROM (SELECT id FROM campaigns_event WHERE id > %(after)s AND id <= %(until)s
                     ORDER BY id LIMIT %(page)s) page
"""
OF_BATCHES = (
    """
WITH told AS (
    SELECT m.run_id, m.action, m.ref, 'm' || concat_ws('-', m.run_id, m.action, m.ref) AS event_id,
           'message.' || CASE WHEN l.outcome = 'accepted' THEN 'accepted'
               WHEN l.outcome IN ('excluded', 'cancelled') THEN 'excluded' ELSE 'failed' END AS kind, l.at,
           jsonb_build_object('outcome', l.outcome, 'code', l.code, 'attempts', l.n) AS more
    FROM campaigns_batch b
    JOIN campaigns_message m ON m.run_id = b.run_id AND m.action = b.action AND m.slot = b.slot
        AND m.ref BETWEEN b.lo AND b.hi
    CROSS JOIN LATERAL (
        SELECT outcome, code, n, at FROM campaigns_attempt a
        WHERE a.run_id = m.run_id AND a.action = m.action AND a.ref = m.ref ORDER BY n DESC LIMIT 1
    ) l
    WHERE b.id = ANY(%(batches)s)
)"""
    + TELL
)
OF_CAMPAIGNS = f"""
INSERT INTO campaigns_feedbackdelivery ({COLUMNS})
SELECT f.id, 'c' || g.id, 'campaign.changed', g.at, jsonb_build_object(
    'type', 'campaign.changed', 'timestamp', {MOMENT.format("g.at")}, 'data', jsonb_build_object(
        'campaignId', c.id::text, 'campaignType', c.type, 'verb', g.verb, 'before', g.details->>'before',
        'after', g.details->>'after')), NULL, %(now)s, %(now)s
FROM campaigns_feedbackendpoint f
JOIN accounts_auditentry g ON g.workspace_id = f.workspace_id AND g.object_type = 'campaigns.campaign'
    AND g.sequence > f.audit_position AND g.sequence <= %(until)s
JOIN campaigns_campaign c ON c.id::text = g.object_key AND {UNLABELLED}
    AND (c.type = 'api_triggered' OR NOT f.only_triggered)
WHERE f.id = %(endpoint)s AND g.details ? 'after'
  AND g.details->>'before' IS DISTINCT FROM g.details->>'after'
ON CONFLICT (endpoint_id, event_id) DO NOTHING
"""
END_OF_LOG = """
SELECT max(sequence) FROM (SELECT sequence FROM accounts_auditentry
    WHERE workspace_id = %(workspace)s AND sequence > %(after)s ORDER BY sequence LIMIT %(page)s) page
"""
OF_RUNS = f"""
INSERT INTO campaigns_feedbackdelivery ({COLUMNS})
SELECT f.id, 'r' || concat_ws('-', r.id, t.state), 'run.changed', t.at, jsonb_build_object(
    'type', 'run.changed', 'timestamp', {MOMENT.format("t.at")}, 'data', jsonb_build_object(
        'runId', r.id, 'campaignId', c.id::text, 'campaignType', c.type, 'state', t.state,
        'targeted', r.targeted)), NULL, %(now)s, %(now)s
FROM campaigns_feedbackendpoint f
JOIN campaigns_campaign c ON c.workspace_id = f.workspace_id AND {UNLABELLED}
    AND (c.type = 'api_triggered' OR NOT f.only_triggered)
JOIN campaigns_run r ON r.campaign_id = c.id AND r.kind <> 'proof'
CROSS JOIN LATERAL (VALUES (r.started_at, 'started'), (r.finished_at, r.state)) AS t(at, state)
WHERE f.is_on AND 'run.changed' = ANY(f.kinds) AND t.at >= GREATEST(f.on_since, %(oldest)s)
  AND t.at <= %(now)s
ON CONFLICT (endpoint_id, event_id) DO NOTHING
"""


def gather(*, now: datetime) -> None:
    """All that can be told now. Two at once are harmless: the second finds the mark taken and goes away."""
    if not FeedbackEndpoint.objects.filter(is_on=True).exists():
        _skip()
        return
    until = settled_number()
    while until is not None and _events(until, now):
        pass
    while _batches(now):
        pass
    for pk in FeedbackEndpoint.objects.filter(is_on=True).values_list("pk", flat=True):
        while _campaigns(pk, now):
            pass
    _runs(now)


def forget_old(*, now: datetime) -> int:
    """Deliveries leave the log after KEEPS; those of an endpoint that is off wait for it as long."""
    count = 0
    for state, kept in KEEPS.items():
        rows = FeedbackDelivery.objects.filter(state=state, created_at__lt=now - kept)
        count += _forget(rows.values("pk")[:FORGETS])
    due = FeedbackDelivery.objects.filter(endpoint__is_on=False, state=FeedbackDelivery.State.DUE)
    longest = max(KEEPS.values())
    return count + _forget(due.filter(created_at__lt=now - longest).values("pk")[:FORGETS])


# ---- inside -------------------------------------------------------------------------------------
def _forget(chosen: QuerySet[Any]) -> int:
    return FeedbackDelivery.objects.filter(pk__in=chosen).delete()[0]


@transaction.atomic
def _skip() -> None:
    """Nobody wants to hear: the mark moves on past everything, and so do batches that wait."""
    mark = lock_mark(MARK)
    until = settled_number()
    if mark is None or until is None:
        return
    mark.position = max(until, mark.position)
    mark.save()
    FeedbackBatch.objects.all().delete()


@transaction.atomic
def _events(until: int, now: datetime) -> bool:
    mark = lock_mark(MARK)
    if mark is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(LAST_OF_PAGE, {"after": mark.position, "until": until, "page": PAGE})
        last = cursor.fetchone()[0]
        if last is None:
            return False
        cursor.execute(OF_EVENTS, {"after": mark.position, "until": last, "now": now})
    mark.position = last
    mark.save()
    return True


@transaction.atomic
def _batches(now: datetime) -> bool:
    rows = FeedbackBatch.objects.select_for_update(skip_locked=True).order_by("pk")
    found = list(rows.values_list("pk", flat=True)[:BATCHES])
    if not found:
        return False
    with connection.cursor() as cursor:
        cursor.execute(OF_BATCHES, {"batches": found, "now": now})
    FeedbackBatch.objects.filter(pk__in=found).delete()
    return True


@transaction.atomic
def _campaigns(pk: int, now: datetime) -> bool:
    endpoint = FeedbackEndpoint.objects.select_for_update(skip_locked=True).filter(pk=pk, is_on=True).first()
    if endpoint is None:
        return False
    place = {"workspace": endpoint.workspace_id, "after": endpoint.audit_position, "page": ENTRIES}
    with connection.cursor() as cursor:
        cursor.execute(END_OF_LOG, place)
        last = cursor.fetchone()[0]
        if last is None:
            return False
        if "campaign.changed" in endpoint.kinds:
            cursor.execute(OF_CAMPAIGNS, {"endpoint": pk, "until": last, "now": now})
    endpoint.audit_position = last
    endpoint.save(update_fields=["audit_position"])
    return True


@transaction.atomic
def _runs(now: datetime) -> None:
    if lock_mark(MARK) is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(OF_RUNS, {"now": now, "oldest": now - LOOKS_BACK})
