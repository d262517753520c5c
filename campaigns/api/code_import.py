"""Takes a document in: as a new draft, or over one, all of it or nothing.

It goes through the same verbs as the pages and asks the same rights; it makes a draft and never sends
anything. A dry run does it all in a transaction and takes it back: what it tells is what would be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.access import Actor, require
from accounts.models import Workspace
from audiences import access as people_access
from audiences import audiences
from audiences.models import Audience, Topic
from campaigns import access, actions, drafts, folders
from campaigns.access import MANAGE
from campaigns.api import changes
from campaigns.api.code_shapes import CampaignDocument
from campaigns.api.contents import parts_of
from campaigns.ascode import document
from campaigns.models import Campaign
from channels import access as carriers
from channels.models import RuleSet
from common.errors import Invalid, NotFound, Problem
from common.text import is_storable

NOT_GIVEN: dict[str, Any] = {
    "description": "",
    "tags": [],
    "folder": None,
    "audience": None,
    "exclusions": [],
    "reach": Campaign.Reach.ALL,
    "schedule": {},
    "waves": {},
    "rate": None,
    "ruleSet": None,
    "languages": {},
    "experiment": {},
    "startsAt": None,
    "endsAt": None,
    "createProfiles": False,
    "highThroughput": False,
    "enableWebhooks": True,
    "ignoresOpens": False,
    "ignoresClicks": False,
    "onUncertain": Campaign._meta.get_field("on_uncertain").get_default(),
}


# ---- what an import does --------------------------------------------------------------------------
@dataclass
class Imported:
    campaign: Campaign
    differences: list[dict[str, Any]] = field(default_factory=list)
    audiences: list[dict[str, str]] = field(default_factory=list)


class _TakenBack(Exception):
    """Ends a dry run's transaction."""


def take_in(
    given: Any,
    workspace: Workspace,
    *,
    campaign: Campaign | None = None,
    updates_audiences: bool = False,
    is_dry_run: bool = False,
    actor: Actor,
    now: datetime,
) -> Imported:
    """A document as a new draft, or over one. All of it or nothing; raises Invalid with JSON pointers."""
    require(actor, MANAGE, campaign or workspace)
    body = CampaignDocument(data=given)
    body.is_valid(raise_exception=True)
    if not is_storable(given):
        raise Invalid(Problem("not_storable", _("It holds a character or number that cannot be stored.")))
    found: list[Imported] = []
    try:
        with transaction.atomic():
            wanted: dict[str, Any] = {
                "campaign": campaign,
                "updates_audiences": updates_audiences,
                "actor": actor,
                "now": now,
            }
            found.append(_take_in(body.validated_data, workspace, **wanted))
            if is_dry_run:
                raise _TakenBack
    except _TakenBack:
        pass
    return found[0]


def _take_in(
    given: Mapping[str, Any],
    workspace: Workspace,
    *,
    campaign: Campaign | None,
    updates_audiences: bool,
    actor: Actor,
    now: datetime,
) -> Imported:
    before = document.of_campaign(campaign, actor) if campaign else {}
    told = {**NOT_GIVEN, **given["campaign"]}
    fixed = {name: told.pop(name) for name in ("name", "type", "category")}
    made = _audiences(given["audiences"], workspace, updates_audiences, actor, now)
    if campaign is None:
        channel = given["messages"][0]["channel"] if given["messages"] else "email"
        campaign = drafts.create(workspace, **fixed, channel=channel, actor=actor, now=now)
    for name in ("type", "category"):
        if getattr(campaign, name) != fixed[name]:
            detail = _("It is fixed once a campaign is made.")
            raise Invalid(Problem("fixed", detail, f"/campaign/{name}"))
    with below("/campaign"):
        told = {"name": fixed["name"], **_numbered(told, campaign, actor)}
        campaign = changes.write(campaign, told, actor, now)
    _messages(campaign, given["messages"], actor, now)
    campaign = access.campaign_for(actor, campaign.pk)
    after = document.of_campaign(campaign, actor)
    return Imported(campaign, list(document.differences(before, after)), made)


@contextmanager
def below(pointer: str) -> Iterator[None]:
    """Faults of a part are told with their place in the whole document."""
    try:
        yield
    except Invalid as error:
        raise Invalid(
            Problem(one.code, one.detail, f"{pointer}/{one.pointer.lstrip('/')}".rstrip("/"))
            for one in error.problems
        ) from error


def _unknown(pointer: str) -> Invalid:
    detail = _("There is no such thing here, or you may not see it.")
    return Invalid(Problem("unknown", detail, pointer))


def _numbered(told: dict[str, Any], campaign: Campaign, actor: Actor) -> dict[str, Any]:
    """Names looked up among what the actor may see."""
    workspace = campaign.workspace
    found = dict(told)
    if told["folder"]:
        paths = {branch.path: branch.folder.pk for branch in folders.tree(actor, workspace)}
        found["folder"] = _in(paths, told["folder"], "/folder")
    if told["audience"] or told["exclusions"]:
        rows = people_access.list_for(actor, workspace).values_list("name", "pk")
        numbers = dict(rows)
        if told["audience"]:
            found["audience"] = _in(numbers, told["audience"], "/audience")
        found["exclusions"] = [
            _in(numbers, name, f"/exclusions/{at}") for at, name in enumerate(told["exclusions"])
        ]
    if told["ruleSet"]:
        sets = dict(RuleSet.objects.filter(workspace=workspace).values_list("name", "pk"))
        found["ruleSet"] = _in(sets, told["ruleSet"], "/ruleSet")
    return found


def _in(known: dict[str, int], name: str, pointer: str) -> int:
    if name not in known:
        raise _unknown(pointer)
    return known[name]


# ---- its audiences --------------------------------------------------------------------------------
def _audiences(
    rows: list[dict[str, Any]], workspace: Workspace, updates: bool, actor: Actor, now: datetime
) -> list[dict[str, str]]:
    if not rows:
        return []
    if len(rows) > document.MOST_AUDIENCES:
        detail = _("A document names at most %(most)s audiences.") % {"most": document.MOST_AUDIENCES}
        raise Invalid(Problem("too_many", detail, "/audiences"))
    seen = {one.name: one for one in people_access.list_for(actor, workspace)}
    made = []
    for at, row in enumerate(rows):
        with below(f"/audiences/{at}"):
            outcome, seen[row["name"]] = _audience(row, seen, workspace, updates, actor, now)
            made.append({"name": row["name"], "outcome": outcome})
    return made


def _audience(
    row: dict[str, Any],
    seen: dict[str, Audience],
    workspace: Workspace,
    updates: bool,
    actor: Actor,
    now: datetime,
) -> tuple[str, Audience]:
    numbers = {name: one.pk for name, one in seen.items()}
    trees = [name for name in ("rule", "composition") if name in row]
    defined: dict[str, Any] = {name: document.renamed(row[name], numbers) for name in trees}
    if "topic" in row:
        defined["topic"] = _topic(row["topic"], workspace)
    known = seen.get(row["name"])
    if known is None:
        made = audiences.create(
            workspace, name=row["name"], kind=row["kind"], **defined, actor=actor, now=now
        )
        return "created", made
    if all(getattr(known, name) == value for name, value in defined.items()):
        return "used", known
    if not updates:
        return "kept", known
    return "changed", audiences.change(known, **defined, actor=actor, now=now)


def _topic(key: str, workspace: Workspace) -> Topic:
    found = Topic.objects.filter(workspace=workspace, key=key).first()
    if found is None:
        raise _unknown("/topic")
    return found


# ---- its messages ---------------------------------------------------------------------------------
def _messages(campaign: Campaign, rows: list[dict[str, Any]], actor: Actor, now: datetime) -> None:
    """As many as the document has, each over its channel; what stands at a place already is kept there."""
    if not rows:
        raise Invalid(Problem("no_message", _("A campaign needs a message. Add one."), "/messages"))
    if len(rows) > actions.MOST:
        detail = _("A campaign has at most %(most)s messages.") % {"most": actions.MOST}
        raise Invalid(Problem("too_many_actions", detail, "/messages"))

    def told() -> dict[str, Any]:
        campaign.refresh_from_db()
        return {"revision": campaign.revision, "actor": actor, "now": now}

    had = list(campaign.actions.order_by("position").values_list("channel", flat=True))
    wanted = [row["channel"] for row in rows]
    same = next((at for at, pair in enumerate(zip(had, wanted, strict=False)) if pair[0] != pair[1]), None)
    same = min(len(had), len(wanted)) if same is None else same
    keeps = max(same, 1)  # the last one stays until there is another
    for position in range(len(had) - 1, keeps - 1, -1):
        actions.remove(campaign, position, **told())
    for channel in wanted[same:]:
        actions.add(campaign, channel, **told())
    if not same:
        actions.remove(campaign, 0, **told())
    for position, row in enumerate(rows):
        with below(f"/messages/{position}"):
            _message(campaign, position, row, actor, told)


def _message(campaign: Campaign, position: int, row: dict[str, Any], actor: Actor, told: Any) -> None:
    chosen = None
    if row.get("configuration"):
        rows = carriers.list_for(actor, campaign.workspace)
        chosen = rows.filter(name=row["configuration"]).first()
        if chosen is None:
            raise _unknown("/configuration")
        if chosen.channel != row["channel"]:
            detail = _("This configuration is for another channel.")
            raise Invalid(Problem("wrong_channel", detail, "/configuration"))
    actions.configure(campaign, {position: chosen}, **told())
    by_place = {(one["treatment"], one["language"]): at for at, one in enumerate(row["contents"])}
    if len(by_place) < len(row["contents"]):
        detail = _("A treatment and language stand here twice.")
        raise Invalid(Problem("twice", detail, "/contents"))
    for at, one in enumerate(row["contents"]):
        with below(f"/contents/{at}"):
            _content(campaign, position, one, told)
    for treatment, language in _others(campaign, position, set(by_place)):
        _write(campaign, position, {}, treatment, language, told)


def _others(campaign: Campaign, position: int, given: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """What was written for other treatments and languages, and stands in the document no more."""
    kept = [(one["treatment"], one["language"]) for one in actions.at(campaign, position).variants]
    places = [("", ""), *kept]
    found = []
    for place in places:
        try:
            actions.is_offered(campaign, *place)
        except NotFound:
            continue
        if place not in given:
            found.append(place)
    return found


def _content(campaign: Campaign, position: int, one: dict[str, Any], told: Any) -> None:
    treatment, language = one["treatment"], one["language"]
    campaign.refresh_from_db()
    try:
        actions.is_offered(campaign, treatment, language)
    except NotFound as error:
        raise Invalid(Problem("not_offered", str(error.detail), "")) from error
    with below("/content"):
        written = parts_of(one["content"], actions.at(campaign, position).channel)
    _write(campaign, position, written, treatment, language, told)


def _write(
    campaign: Campaign, position: int, written: dict[str, Any], treatment: str, language: str, told: Any
) -> None:
    """What stood there and is not given any more is emptied."""
    kept = actions.kept_of(actions.at(campaign, position), treatment, language)
    emptied = {name: {} if isinstance(value, dict) else "" for name, value in kept.items() if value}
    whole = {**emptied, **written}
    if whole != kept and whole:
        actions.write(campaign, position, whole, treatment=treatment, language=language, **told())
