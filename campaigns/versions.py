"""Freezes a draft into a Version: everything a run needs, and the fingerprint an approval binds to.

A definition is plain JSON. Links are numbered here, once per version (see `tracking/links.py`).
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from accounts.access import Actor
from accounts.models import User
from audiences import evaluate
from campaigns import contents, schedule, taken
from campaigns.models import Action, Campaign, Link, Version
from campaigns.tracking.links import links_of
from campaigns.variants import treatments
from channels.models import ChannelConfiguration

# What of a configuration an approval binds to, beside the content.
SETUP = (
    "kind",
    "channel",
    "provider",
    "settings",
    "credential_id",
    "sender_name",
    "sender_email",
    "reply_to",
)


def definition(campaign: Campaign) -> dict[str, Any]:
    """What a run does, with nothing about who edited it when."""
    pinned = pins(campaign)
    numbers = fragments_of(campaign, pinned)
    return {
        "type": campaign.type,
        "category": campaign.category,
        "audience": evaluate.definition(campaign.audience) if campaign.audience else None,
        "exclusions": [evaluate.definition(one) for one in campaign.exclusions.order_by("pk")],
        "reach": campaign.reach,
        "schedule": schedule.frozen(campaign),
        "waves": campaign.waves,
        "rate": campaign.rate,
        "rule_set": campaign.rule_set_id,
        "languages": campaign.languages,
        "experiment": campaign.experiment,
        "starts_at": campaign.starts_at.isoformat() if campaign.starts_at else None,
        "ends_at": campaign.ends_at.isoformat() if campaign.ends_at else None,
        "create_profiles": campaign.create_profiles,
        "high_throughput": campaign.high_throughput,
        "on_uncertain": campaign.on_uncertain,
        "actions": [
            {
                "position": action.position,
                "channel": action.channel,
                "configuration": action.configuration_id,
                "setup": setup_hash(action.configuration) if action.configuration else None,
                "contents": [
                    {**one, "content": contents.frozen(one["content"], campaign.workspace, pinned)}
                    for one in contents_of(action, campaign)
                ],
            }
            for action in campaign.actions.select_related("configuration")
        ],
        **({"fragments": numbers} if numbers else {}),
        **({} if campaign.enable_webhooks else {"enable_webhooks": False}),
        **({"untracked": untracked} if (untracked := _untracked(campaign)) else {}),
    }


def _untracked(campaign: Campaign) -> list[str]:
    """What nobody records of this campaign's messages, of opens and clicks."""
    asked = {"opens": campaign.ignores_opens, "clicks": campaign.ignores_clicks}
    return [name for name, is_ignored in asked.items() if is_ignored]


def pins(campaign: Campaign) -> dict[str, int]:
    """Which versions of fragments count: of a draft those that are published now, so none is named here; of
    what is in review, approved or running those it was frozen with, whatever was published since.
    """
    if campaign.is_editable:
        return {}
    frozen = campaign.version if campaign.draft_state else campaign.live_version or campaign.version
    return frozen.definition.get("fragments", {}) if frozen else {}


def fragments_of(campaign: Campaign, pinned: dict[str, int]) -> dict[str, int]:
    """The number of every fragment's version that the campaign's contents take in."""
    found: dict[str, int] = {}
    for action in campaign.actions.all():
        for one in contents_of(action, campaign):
            found |= taken.take(one["content"], campaign.workspace, pinned)[1].numbers
    return found


def setup_hash(configuration: ChannelConfiguration) -> str:
    """SHA-256 over how the configuration sends and as whom; a secret that is renewed changes nothing."""
    return fingerprint({name: getattr(configuration, name) for name in SETUP})


def setups(frozen: dict[str, Any]) -> dict[int, str]:
    """The configurations a version was frozen with, by their ids."""
    return {one["configuration"]: one["setup"] for one in frozen["actions"] if one.get("setup")}


def setups_now(frozen: dict[str, Any]) -> dict[int, str]:
    """The same configurations as they are now."""
    rows = ChannelConfiguration.objects.filter(pk__in=setups(frozen))
    return {row.pk: setup_hash(row) for row in rows}


def contents_of(action: Action, campaign: Campaign) -> list[dict[str, Any]]:
    """Every content the campaign has a use for, as the draft keeps it, the default first.

    What was written for a language or treatment that is not offered any more stays in the draft only.
    """
    known = {(one, language) for one in treatments(campaign.experiment) for language in _others(campaign)}
    written = [
        one
        for one in action.variants
        if (one["treatment"], one["language"]) in known and not contents.is_empty(one["content"])
    ]
    return [{"treatment": "", "language": "", "content": action.content}, *written]


def _others(campaign: Campaign) -> list[str]:
    return ["", *campaign.languages.get("others", [])]


def fingerprint(frozen: dict[str, Any]) -> str:
    """SHA-256 in hex of the canonical JSON, the same before and after the database kept it."""
    plain = json.loads(json.dumps(frozen), parse_float=_as_kept)
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _as_kept(text: str) -> float:
    """jsonb writes 1e20 and 1.0 without a point, so a whole number is one however it was written."""
    number = float(text)
    return int(number) if number.is_integer() else number


def freeze(campaign: Campaign, *, actor: Actor, now: datetime) -> Version:
    """The version of the campaign as it stands; the present one when nothing changed since it was frozen.

    The caller holds the campaign's row lock.
    """
    frozen = definition(campaign)
    digest = fingerprint(frozen)
    if campaign.version and campaign.version.fingerprint == digest:
        return campaign.version
    last = campaign.versions.order_by("-number").first()
    version = Version.objects.create(
        campaign=campaign,
        number=last.number + 1 if last else 1,
        definition=frozen,
        fingerprint=digest,
        frozen_by=actor if isinstance(actor, User) else None,
        frozen_at=now,
    )
    labels = {action.position: _labels(action) for action in campaign.actions.all()}
    Link.objects.bulk_create(
        Link(
            version=version,
            action=action["position"],
            number=number,
            url=url,
            label=labels[action["position"]].get(url, "")[:200],
        )
        for action in frozen["actions"]
        for number, url in enumerate(() if campaign.ignores_clicks else links_of(action))
    )
    return version


def _labels(action: Action) -> dict[str, str]:
    """What the author calls the links, for reports: by address, whichever content said so first."""
    found: dict[str, str] = {}
    for kept in (action.content, *(one["content"] for one in action.variants)):
        for url, said in kept.get("links", {}).items():
            found.setdefault(url, said.get("label", ""))
    return found
