"""What the ledger forgets of a person who is erased: who they were, never that a message was sent.

Rows and totals stay, so reports read as before. A message still waiting has no address from now on; the last
look excludes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection

from campaigns.models import Campaign, Run
from channels import forgetting

# A page of the fan-out or an API call that is under way has read the person already: wait for its commit, so
# that what it writes is seen below; the next one finds nobody.
WAIT_FOR_CALLS = "SELECT id FROM campaigns_campaign WHERE workspace_id = %s AND type = %s FOR UPDATE"
WAIT_FOR_FAN_OUT = """
SELECT r.id FROM campaigns_run r JOIN campaigns_campaign c ON c.id = r.campaign_id
WHERE c.workspace_id = %s AND r.state = %s FOR UPDATE OF r
"""
# A call may name another person's address for one message, and so may a proof; no other run holds such.
MESSAGES = """
UPDATE campaigns_message m SET profile_id = NULL, address = ''
WHERE (m.profile_id = %(profile)s AND m.profile_id <> m.ref)
  OR (m.ref = %(profile)s AND m.profile_id = m.ref AND m.run_id IN (
    SELECT r.id FROM campaigns_run r JOIN campaigns_campaign c ON c.id = r.campaign_id
    WHERE c.workspace_id = %(workspace)s))
  OR (m.address = ANY(%(addresses)s) AND m.run_id IN (
    SELECT r.id FROM campaigns_run r JOIN campaigns_campaign c ON c.id = r.campaign_id
    WHERE c.workspace_id = %(workspace)s AND r.kind IN (%(standing)s, %(proof)s)))
RETURNING m.run_id, m.action, m.ref
"""
COUNTS = (
    "DELETE FROM campaigns_sentcount WHERE profile_id = %s",
    "DELETE FROM campaigns_caphold WHERE profile_id = %s",
)
# A copy of what was told to other systems, theirs is theirs to forget.
TOLD = """
DELETE FROM campaigns_feedbackdelivery d USING campaigns_feedbackendpoint f
WHERE f.id = d.endpoint_id AND f.workspace_id = %(workspace)s
  AND (d.profile_id = %(profile)s OR d.body->'data'->>'recipient' = ANY(%(addresses)s))
"""
BESIDE = (
    """
    DELETE FROM campaigns_messagecontext m USING unnest(%s::bigint[], %s::int[], %s::bigint[])
        AS t(run_id, action, ref)
    WHERE m.run_id = t.run_id AND m.action = t.action AND m.ref = t.ref
    """,
    # A mail server's words often repeat the address.
    """
    UPDATE campaigns_attempt m SET detail = NULL FROM unnest(%s::bigint[], %s::int[], %s::bigint[])
        AS t(run_id, action, ref)
    WHERE m.run_id = t.run_id AND m.action = t.action AND m.ref = t.ref AND m.detail IS NOT NULL
    """,
    """
    UPDATE campaigns_event m SET user_agent = '' FROM unnest(%s::bigint[], %s::int[], %s::bigint[])
        AS t(run_id, action, ref)
    WHERE m.run_id = t.run_id AND m.action = t.action AND m.ref = t.ref AND m.user_agent <> ''
    """,
)


def forget(*, profile_id: int, workspace_id: int, addresses: Sequence[str], **_signal: Any) -> None:
    """Hears `profile_erased`, inside its transaction."""
    values: dict[str, Any] = {
        "profile": profile_id,
        "workspace": workspace_id,
        "addresses": list(addresses),
        "standing": Run.Kind.STANDING,
        "proof": Run.Kind.PROOF,
    }
    with connection.cursor() as cursor:
        cursor.execute(WAIT_FOR_CALLS, [workspace_id, Campaign.Type.API_TRIGGERED])
        cursor.execute(WAIT_FOR_FAN_OUT, [workspace_id, Run.State.EXPANDING])
        cursor.execute(MESSAGES, values)
        names = cursor.fetchall()
        cursor.execute(TOLD, values)
        for statement in COUNTS:
            cursor.execute(statement, [profile_id])
        if names:
            columns = [list(column) for column in zip(*names, strict=True)]
            for statement in BESIDE:
                cursor.execute(statement, columns)
            forgetting.forget([".".join(map(str, name)) for name in names])
