"""What the last look would say of a whole audience, as SQL over `sent`, the messages that would be written.

The same limits as `delivery/limits.py` asks per batch: the allowed list, and caps over what was sent so far
and what the same run sends before. Quiet hours are no matter of people but of the clock; `rules` gives them
to the forecast, which asks them first, as the last look does.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from audiences.query import Query
from campaigns.models import Campaign
from channels import allowed
from channels.models import AllowedEntry, AllowedList, Rule, RuleState
from channels.windows import window_start

LOOKED = """(SELECT l.*, {over} AS is_over
    FROM (SELECT s.*, COALESCE(s.reason, {listed}) AS why FROM sent s) l)"""
CAP = """(SELECT COALESCE(sum(c.sent), 0) FROM campaigns_sentcount c
    WHERE c.profile_id = l.profile_id AND c.channel = ANY(%s) AND c.hour >= %s)"""
BEFORE = """count(*) FILTER (WHERE l.why IS NULL AND l.action IN ({})) OVER (
    PARTITION BY l.profile_id ORDER BY l.action ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"""
LISTED = """EXISTS (SELECT 1 FROM channels_allowedentry e WHERE e.workspace_id = %s
    AND e.address IN (s.address, '@' || split_part(s.address, '@', 2)))"""


def looked(definition: dict[str, Any], workspace_id: int, now: datetime) -> Query:
    """`sent` with two more columns: `why`, the reason or the allowed list's code or NULL, and `is_over`,
    whether a cap would keep the message back that nothing else does.
    """
    listed, over = Query("CASE s.action "), Query("CASE l.action ")
    for action in definition["actions"]:
        when = f"WHEN {int(action['position'])} THEN "
        listed += Query(when) + _unlisted(action, workspace_id) + Query(" ")
        over += Query(when) + _over(definition, action, workspace_id, now) + Query(" ")
    text = LOOKED.format(over=f"{over.sql}END", listed=f"{listed.sql}END")
    return Query(text, (*over.params, *listed.params))


def _unlisted(action: dict[str, Any], workspace_id: int) -> Query:
    if action["channel"] == "email" and (code := _list_code(workspace_id)):
        return Query(f"CASE WHEN NOT {LISTED} THEN '{code}' END", (workspace_id,))
    return Query("NULL::text")


def _over(definition: dict[str, Any], action: dict[str, Any], workspace_id: int, now: datetime) -> Query:
    found = Query("FALSE")
    for rule in rules(definition, workspace_id, action["channel"], Rule.Kind.CAP):
        since = window_start(now, rule.every, rule.unit)
        found += Query(f" OR {CAP}", (list(rule.channels), since))
        before = [
            str(int(one["position"]))
            for one in definition["actions"]
            if one["position"] < action["position"] and one["channel"] in rule.channels
        ]
        found += Query(f" + {BEFORE.format(', '.join(before))}" if before else "")
        found += Query(" >= %s", (rule.count,))
    return found


def _list_code(workspace_id: int) -> str:
    if not AllowedList.objects.filter(workspace=workspace_id, is_active=True).exists():
        return ""
    entries = AllowedEntry.objects.filter(workspace=workspace_id)
    has_addresses = entries.exclude(address__startswith="@").exists()
    return allowed.ADDRESS if has_addresses or not entries.exists() else allowed.DOMAIN


def rules(definition: dict[str, Any], workspace_id: int, channel: str, kind: str) -> list[Rule]:
    """The active rules of a kind about the channel: the global set's, and those of the campaign's own set."""
    if definition["category"] != Campaign.Category.MARKETING:
        return []
    rows = Rule.objects.filter(
        rule_set__workspace=workspace_id,
        rule_set__state=RuleState.ACTIVE,
        state=RuleState.ACTIVE,
        kind=kind,
        channels__contains=[channel],
    ).select_related("rule_set")
    own = definition.get("rule_set")
    return [row for row in rows if row.rule_set.is_global or row.rule_set_id == own]
