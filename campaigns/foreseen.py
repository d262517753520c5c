"""What the last look would say of a whole audience, as SQL over `s`, the messages that would be written.

The same limits as `delivery/limits.py` asks per batch: the allowed list, and caps over what was sent so far.
Quiet hours are no matter of people but of the clock; `quiet_rules` gives them to the forecast.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from audiences.query import Query
from campaigns.delivery.limits import OVER_CAP
from campaigns.models import Campaign
from channels import allowed
from channels.models import AllowedEntry, AllowedList, Rule, RuleState
from channels.windows import window_start

CAP = """(SELECT COALESCE(sum(c.sent), 0) FROM campaigns_sentcount c
    WHERE c.profile_id = s.profile_id AND c.channel = ANY(%s) AND c.hour >= %s) >= %s"""
LISTED = """EXISTS (SELECT 1 FROM channels_allowedentry e WHERE e.workspace_id = %s
    AND e.address IN (s.address, '@' || split_part(s.address, '@', 2)))"""


def limit(definition: dict[str, Any], workspace_id: int, now: datetime) -> Query:
    """An expression: the code of what would keep a message back at the last look, or NULL."""
    found = Query("CASE s.action ")
    for action in definition["actions"]:
        found += Query(f"WHEN {int(action['position'])} THEN ") + _of(definition, action, workspace_id, now)
        found += Query(" ")
    return found + Query("END")


def _of(definition: dict[str, Any], action: dict[str, Any], workspace_id: int, now: datetime) -> Query:
    cases = Query("")
    if action["channel"] == "email" and (code := _list_code(workspace_id)):
        cases += Query(f"WHEN NOT {LISTED} THEN '{code}' ", (workspace_id,))
    for rule in rules(definition, workspace_id, action["channel"], Rule.Kind.CAP):
        since = window_start(now, rule.every, rule.unit)
        cases += Query(f"WHEN {CAP} THEN '{OVER_CAP}' ", (list(rule.channels), since, rule.count))
    return Query("CASE ") + cases + Query("END") if cases.sql else Query("NULL::text")


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
