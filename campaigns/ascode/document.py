"""A campaign and what it refers to as a plain document, and what differs between two.

    {"carillon": 1,
     "campaign":  {"name", "type", "category", …; audiences, rule set and folder by name},
     "messages":  [{"channel", "configuration": name, "contents": [{"treatment", "language", "content"}]}],
     "audiences": [{"name", "kind", "rule" | "composition" | "topic"}]}

What is empty is left out. Who is behind it (owner), when it was made and what was sent are no part of it. An
audience that the reader may not see is named nowhere; of one that is built on such a one, only the name.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from accounts.access import Actor
from accounts.models import Workspace
from audiences import access as people_access
from audiences import definitions
from audiences.models import Audience
from audiences.rules import references
from campaigns import actions, folders
from campaigns.models import Action, Campaign
from campaigns.variants import offered, treatments
from channels import access as carriers

FORMAT = 1
PLAIN = {
    "name": "name",
    "type": "type",
    "category": "category",
    "description": "description",
    "tags": "tags",
    "reach": "reach",
    "schedule": "schedule",
    "waves": "waves",
    "rate": "rate",
    "languages": "languages",
    "experiment": "experiment",
    "startsAt": "starts_at",
    "endsAt": "ends_at",
    "createProfiles": "create_profiles",
    "highThroughput": "high_throughput",
    "enableWebhooks": "enable_webhooks",
    "onUncertain": "on_uncertain",
    "ignoresOpens": "ignores_opens",
    "ignoresClicks": "ignores_clicks",
}
MOST_AUDIENCES = 100
DEFINED = {Audience.Kind.RULE: "rule", Audience.Kind.COMPOSITION: "composition"}


def of_campaign(campaign: Campaign, actor: Actor) -> dict[str, Any]:
    """The draft of a campaign that the actor may see, or what was last written of it."""
    workspace = campaign.workspace
    seen = {one.pk: one for one in people_access.list_for(actor, workspace)} if _sees(campaign) else {}
    told = {name: _plain(getattr(campaign, field)) for name, field in PLAIN.items()}
    told["experiment"] = {name: value for name, value in told["experiment"].items() if name != "salt"}
    del told["enableWebhooks"]
    told["labels"] = sorted(label.name for label in campaign.labels.all())
    paths = {branch.folder.pk: branch.path for branch in folders.tree(actor, workspace)}
    told["folder"] = paths.get(campaign.folder_id or 0)
    audience = seen.get(campaign.audience_id or 0)
    told["audience"] = audience.name if audience else None
    left_out = sorted((one for one in campaign.exclusions.all() if one.pk in seen), key=lambda one: one.name)
    told["exclusions"] = [one.name for one in left_out]
    told["ruleSet"] = campaign.rule_set.name if campaign.rule_set else None
    switched_off = {} if campaign.enable_webhooks else {"enableWebhooks": False}  # it is on where none says
    wanted = [*([audience] if audience else []), *left_out]
    document = {
        "carillon": FORMAT,
        "campaign": {**without_empty(told), **switched_off},
        "messages": [_message(action, campaign, actor) for action in campaign.actions.order_by("position")],
        "audiences": [_audience(one, seen, workspace, actor) for one in _all_named(wanted, seen)],
    }
    return without_empty(document)


def without_empty(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value not in (None, "", [], {}, False)}


def _sees(campaign: Campaign) -> bool:
    return bool(campaign.audience_id) or campaign.exclusions.exists()


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _message(action: Action, campaign: Campaign, actor: Actor) -> dict[str, Any]:
    found = None
    if action.configuration_id:
        found = carriers.list_for(actor, campaign.workspace).filter(pk=action.configuration_id).first()
    contents = []
    for treatment in treatments(campaign.experiment):
        for language in ["", *offered(campaign.languages)[1:]]:
            kept = without_empty(actions.kept_of(action, treatment, language))
            if kept.get("mjml"):
                kept.pop("html", None)  # it is made from the design
            if kept:
                contents.append(
                    without_empty({"treatment": treatment, "language": language}) | {"content": kept}
                )
    told = {"channel": action.channel, "configuration": found.name if found else None, "contents": contents}
    return without_empty(told)


# ---- audiences ------------------------------------------------------------------------------------
def _all_named(wanted: list[Audience], seen: dict[int, Audience]) -> list[Audience]:
    """Those and all that they are built on, each after the ones it needs."""
    found: dict[int, Audience] = {}

    def visit(one: Audience) -> None:
        if one.pk in found or len(found) >= MOST_AUDIENCES:
            return
        for number in references.named(_tree(one)):
            if number in seen:
                visit(seen[number])
        found[one.pk] = one

    for one in wanted:
        visit(one)
    return list(found.values())


def _tree(audience: Audience) -> Any:
    return getattr(audience, DEFINED[Audience.Kind(audience.kind)]) if audience.kind in DEFINED else {}


def _audience(
    audience: Audience, seen: dict[int, Audience], workspace: Workspace, actor: Actor
) -> dict[str, Any]:
    told: dict[str, Any] = {"name": audience.name, "kind": audience.kind}
    if audience.kind in DEFINED and not definitions.names_hidden(_tree(audience), workspace, actor):
        names = {pk: one.name for pk, one in seen.items()}
        told[DEFINED[Audience.Kind(audience.kind)]] = renamed(_tree(audience), names)
    if audience.kind == Audience.Kind.SUBSCRIPTION and audience.topic:
        told["topic"] = audience.topic.key
    return told


def renamed(tree: Any, names: dict[Any, Any]) -> Any:
    """The tree with every `audience` in it called otherwise; one that has no other name stays."""
    if isinstance(tree, list):
        return [renamed(one, names) for one in tree]
    if not isinstance(tree, dict):
        return tree
    found = {key: renamed(value, names) for key, value in tree.items()}
    named = tree.get("audience")
    if isinstance(named, int | str) and not isinstance(named, bool):
        found["audience"] = names.get(named, named)
    return found


# ---- what differs ---------------------------------------------------------------------------------
def differences(before: Any, after: Any, pointer: str = "") -> Iterator[dict[str, Any]]:
    """`{"pointer", "before", "after"}` of every value that differs; null where there is none."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            part = str(key).replace("~", "~0").replace("/", "~1")
            yield from differences(before.get(key), after.get(key), f"{pointer}/{part}")
    elif isinstance(before, list) and isinstance(after, list) and _hold_objects(before + after):
        for place in range(max(len(before), len(after))):
            old, new = (one[place] if place < len(one) else None for one in (before, after))
            yield from differences(old, new, f"{pointer}/{place}")
    elif before != after:
        yield {"pointer": pointer, "before": before, "after": after}


def _hold_objects(rows: list[Any]) -> bool:
    return any(isinstance(one, dict) for one in rows)
