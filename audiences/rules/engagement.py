"""{"engagement": "opened", "op": "at_least", "count": 1, "days": 30, "campaign": 7, "channel": "email"}.

What people did with our messages is known to the app of campaigns, which lends it at start
(`campaigns/fields.py`); this app knows no campaign.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from accounts.access import Actor
from accounts.models import Workspace
from audiences.query import Query
from audiences.reachability import CHANNELS, WORDS
from audiences.rules import counting
from audiences.rules.counting import Count
from audiences.rules.phrases import times, within
from audiences.rules.reading import Reader, echo
from audiences.rules.scope import Scope

KEYS: tuple[str, ...] = ("engagement", "op", "count", "days", "campaign", "channel")


@dataclass(frozen=True)
class Engagement:
    """`rows` is SQL that selects profile_id, at, workspace_id, campaign_id, channel and what `counted` needs.

    `did` and `did_not` are phrases with the places %(times)s, %(when)s and %(what)s.
    """

    rows: str
    did: Any
    did_not: Any
    counted: str = "count(*)"


@dataclass
class Lent:
    """`campaign` gives the name of a workspace's campaign, or None; `campaigns` all somebody may see."""

    engagements: dict[str, Engagement] = field(default_factory=dict)
    campaign: Callable[[int, int], str | None] = lambda _workspace, _campaign: None
    campaigns: Callable[[Actor, Workspace], list[tuple[int, str]]] = lambda _actor, _workspace: []


LENT = Lent()


def lend(
    engagements: Mapping[str, Engagement],
    campaign: Callable[[int, int], str | None],
    campaigns: Callable[[Actor, Workspace], list[tuple[int, str]]],
) -> None:
    LENT.engagements, LENT.campaign, LENT.campaigns = dict(engagements), campaign, campaigns


@dataclass(frozen=True)
class OfMessages:
    engagement: str
    count: Count
    campaign: int | None
    channel: str | None


def read(raw: dict[str, Any], reader: Reader, pointer: str) -> OfMessages | None:
    before = len(reader.problems)
    name = reader.choice(
        raw["engagement"], LENT.engagements, "rule_unknown_engagement", f"{pointer}/engagement"
    )
    count = counting.read(raw, reader, pointer)
    campaign, channel = raw.get("campaign"), raw.get("channel")
    if campaign is not None and _campaign(campaign, reader.scope) is None:
        detail = _("There is no campaign %(number)s in this workspace.") % {"number": echo(campaign)}
        reader.fault("rule_unknown_campaign", detail, f"{pointer}/campaign")
    if channel is not None:
        channel = reader.choice(channel, CHANNELS, "rule_unknown_channel", f"{pointer}/channel")
    if name is None or count is None or len(reader.problems) > before:
        return None
    return OfMessages(name, count, campaign, channel)


def _campaign(number: Any, scope: Scope) -> str | None:
    is_number = isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**63
    return LENT.campaign(scope.workspace.pk, number) if is_number else None


def sql(asked: OfMessages, scope: Scope) -> Query:
    lent = LENT.engagements[asked.engagement]
    rows = Query(f"FROM ({lent.rows}) e WHERE e.workspace_id = %s AND ", (scope.workspace.pk,))
    rows += counting.window(asked.count, scope.zone)
    if asked.campaign is not None:
        rows += Query(" AND e.campaign_id = %s", (asked.campaign,))
    if asked.channel is not None:
        rows += Query(" AND e.channel = %s", (asked.channel,))
    return counting.happened(asked.count, rows, lent.counted)


def words(asked: OfMessages, scope: Scope) -> str:
    lent = LENT.engagements[asked.engagement]
    words = {"when": within(asked.count.days), "what": _what(asked, scope), "times": ""}
    if asked.count.is_never:
        return str(lent.did_not % words)
    return str(lent.did % {**words, "times": times(asked.count.op, asked.count.number)})


def _what(asked: OfMessages, scope: Scope) -> str:
    if asked.campaign is not None:
        return _("“%(text)s”") % {"text": _campaign(asked.campaign, scope) or asked.campaign}
    if asked.channel is not None:
        return _("a message by %(channel)s") % {"channel": WORDS[asked.channel]}
    return _("a message")
