"""Reads what a body says of a campaign into what the verbs take, and writes it. Raises Invalid with pointers.

Names and numbers are looked up among what the credential may see: all else is unknown.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.access import Actor, labels_held
from accounts.models import User
from audiences import access as people_access
from audiences.models import Audience
from campaigns import access, drafts, folders, shelf
from campaigns.ascode import document
from campaigns.forms.tab import FARTHEST, NEAREST
from campaigns.forms.variants import KEYS, VariantsForm
from campaigns.models import Campaign
from channels.models import RuleSet, RuleState
from common import doors
from common.errors import Invalid, NotFound, Problem
from common.text import is_storable

# Fixed from the start, or read piece by piece.
APART = {"type", "category", "tags", "languages", "experiment"}
PLAIN = {name: field for name, field in document.PLAIN.items() if name not in APART}
NAMES = {mine: theirs for theirs, mine in PLAIN.items()} | {"rule_set": "ruleSet"}
LANGUAGES = {"default", "others", "when_missing"}
WINNER = {"test_percent", "after_hours", "otherwise"}
EXPERIMENT = {"treatments", "holdout", "metric", "window_hours", "mode", "winner", "salt"}


def write(campaign: Campaign, given: dict[str, Any], credential: Actor, now: datetime) -> Campaign:
    """The caller's transaction holds all of it: everything of the body, or nothing."""
    if not is_storable({name: value for name, value in given.items() if not isinstance(value, datetime)}):
        detail = _("It holds a character or number that cannot be stored.")
        raise Invalid(Problem("not_storable", detail, ""))
    _on_the_shelf(campaign, given, credential, now)
    changes = _changes(campaign, given, credential)
    if not changes:
        campaign.refresh_from_db()
        return campaign
    with pointing():
        return drafts.save(campaign, revision=campaign.revision, actor=credential, now=now, **changes)


def pointing() -> AbstractContextManager[None]:
    """Faults of the verbs name their own fields; the body's are told."""
    return doors.pointing(NAMES)


def _unknown(pointer: str) -> Invalid:
    detail = _("There is no such thing here, or you may not see it.")
    return Invalid(Problem("unknown", detail, pointer))


def _on_the_shelf(campaign: Campaign, given: dict[str, Any], credential: Actor, now: datetime) -> None:
    where: dict[str, Any] = {"actor": credential, "now": now}
    with pointing():
        if "tags" in given:
            shelf.set_tags(campaign, shelf.read_tags(",".join(given["tags"])), **where)
        if "folder" in given:
            shelf.move(campaign, _folder(campaign, given["folder"], credential), **where)
        if "owner" in given:
            shelf.set_owner(campaign, _owner(campaign, given["owner"]), **where)
        if "labels" in given:
            held = {label.name: label for label in labels_held(credential, campaign.workspace)}
            faults = [at for at, name in enumerate(given["labels"]) if name not in held]
            if faults:
                detail = _("You can give only labels that one of your roles holds.")
                raise Invalid(Problem("label_not_held", detail, f"/labels/{at}") for at in faults)
            shelf.set_labels(campaign, [held[name] for name in given["labels"]], **where)


def _folder(campaign: Campaign, pk: int | None, credential: Actor) -> Any:
    try:
        return folders.folder_for(credential, campaign.workspace, pk) if pk else None
    except NotFound as error:
        raise _unknown("/folder") from error


def _owner(campaign: Campaign, address: str) -> User:
    members = User.objects.filter(is_active=True, groups__role__workspace=campaign.workspace_id)
    found = members.filter(email__iexact=address).first()
    if found is None:
        raise _unknown("/owner")
    return found


def _changes(campaign: Campaign, given: dict[str, Any], credential: Actor) -> dict[str, Any]:
    changes = {PLAIN[name]: value for name, value in given.items() if name in PLAIN}
    for name in ("startsAt", "endsAt"):
        if given.get(name) and not NEAREST <= given[name].year <= FARTHEST:
            detail = _("Give a year from %(first)s to %(last)s.") % {"first": NEAREST, "last": FARTHEST}
            raise Invalid(Problem("bad_year", detail, f"/{name}"))
    _fits_the_type(campaign, given)
    if "audience" in given:
        changes["audience"] = _audience(campaign, given["audience"], credential)
    if "exclusions" in given:
        changes["exclusions"] = _exclusions(campaign, given["exclusions"], credential)
    if "ruleSet" in given:
        changes["rule_set"] = _rule_set(campaign, given["ruleSet"])
    if "languages" in given or "experiment" in given:
        changes |= _variants(campaign, given)
    return changes


def _fits_the_type(campaign: Campaign, given: dict[str, Any]) -> None:
    """What the editor does not offer for this type is refused here as well."""
    by_call = campaign.type == Campaign.Type.API_TRIGGERED
    wrong = ("waves",) if by_call else ("createProfiles", "highThroughput")
    detail = _("A campaign of this type has no such field.")
    if faults := [name for name in wrong if given.get(name)]:
        raise Invalid(Problem("wrong_type", detail, f"/{name}") for name in faults)


def _audience(campaign: Campaign, pk: int | None, credential: Actor) -> Audience | None:
    if pk is None:
        return None
    choice = people_access.choosable(credential, campaign.workspace, chosen=campaign.audience_id)
    found: Audience | None = choice.filter(pk=pk).first()
    if found is None:
        raise _unknown("/audience")
    return found


def _exclusions(campaign: Campaign, pks: list[int], credential: Actor) -> list[Audience]:
    """What is left out already and hidden from this caller stays left out."""
    known = people_access.choosable(credential, campaign.workspace).in_bulk(pks)
    if faults := [at for at, pk in enumerate(pks) if pk not in known]:
        detail = _("There is no such thing here, or you may not see it.")
        raise Invalid(Problem("unknown", detail, f"/exclusions/{at}") for at in faults)
    rows = list(campaign.exclusions.all())
    hidden = access.hidden_left_out(credential, [campaign])
    return [*known.values(), *(one for one in rows if one.pk in hidden and one.pk not in known)]


def _rule_set(campaign: Campaign, pk: int | None) -> RuleSet | None:
    if pk is None:
        return None
    rows = RuleSet.objects.filter(workspace=campaign.workspace_id, is_global=False, state=RuleState.ACTIVE)
    found = rows.filter(pk=pk).first()
    if found is None or campaign.category != Campaign.Category.MARKETING:
        raise _unknown("/ruleSet")
    return found


# ---- languages and experiments: the editor's own form judges them --------------------------------


def _variants(campaign: Campaign, given: dict[str, Any]) -> dict[str, Any]:
    languages = given.get("languages", campaign.languages)
    experiment = given.get("experiment", campaign.experiment)
    for name, value, known in (("languages", languages, LANGUAGES), ("experiment", experiment, EXPERIMENT)):
        if faults := [key for key in value if key not in known]:
            detail = _("There is no such field; the fields are: %(known)s.")
            shown = {"known": ", ".join(sorted(known - {"salt"}))}
            raise Invalid(Problem("unknown_field", detail % shown, f"/{name}/{key[:60]}") for key in faults)
    form = VariantsForm(_as_form(campaign, languages, experiment), campaign=campaign)
    if not form.is_valid():
        raise Invalid(
            Problem("bad_value", str(text), f"/{_place(name)}")
            for name, texts in form.errors.items()
            for text in texts
        )
    found = {"languages": form.languages(), "experiment": form.experiment()}
    return {name: value for name, value in found.items() if name in given}


def _as_form(campaign: Campaign, languages: dict[str, Any], experiment: dict[str, Any]) -> dict[str, Any]:
    metric, winner = experiment.get("metric") or "click", experiment.get("winner") or {}
    others, treatments = languages.get("others") or [], experiment.get("treatments") or []
    shapes = (
        (isinstance(metric, str), "experiment/metric"),
        (isinstance(winner, dict) and set(winner) <= WINNER | _kept_winner(campaign), "experiment/winner"),
        (isinstance(others, list) and all(isinstance(one, str) for one in others), "languages/others"),
        (
            isinstance(treatments, list)
            and all(isinstance(one, dict) and _is_treatment(one) for one in treatments),
            "experiment/treatments",
        ),
    )
    if faults := [pointer for is_right, pointer in shapes if not is_right]:
        raise Invalid(Problem("bad_value", _("This is not of the right shape."), f"/{at}") for at in faults)
    is_event = metric.startswith("event:")
    plain = {
        "revision": campaign.revision,
        "default": languages.get("default"),
        "others": others,
        "when_missing": languages.get("when_missing"),
        "holdout": experiment.get("holdout"),
        "metric": "event" if is_event else metric,
        "event": metric.removeprefix("event:") if is_event else "",
        "window_hours": experiment.get("window_hours"),
        "mode": experiment.get("mode"),
        "test_percent": winner.get("test_percent"),
        "after_hours": winner.get("after_hours"),
        "otherwise": winner.get("otherwise"),
    }
    for one in treatments:
        plain |= {f"title_{one['key']}": one.get("title"), f"percent_{one['key']}": one.get("percent")}
    return {name: value if name == "others" else _text(value) for name, value in plain.items()}


def _is_treatment(one: dict[str, Any]) -> bool:
    return one.get("key") in list(KEYS) and set(one) <= {"key", "title", "percent"}


def _kept_winner(campaign: Campaign) -> set[str]:
    """What stands there already may come back with the rest."""
    return set(campaign.experiment.get("winner", {}))


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _place(field: str) -> str:
    if field in ("default", "others", "when_missing"):
        return f"languages/{field}"
    if field in ("test_percent", "after_hours", "otherwise"):
        return f"experiment/winner/{field}"
    if field.startswith(("title_", "percent_")):
        return "experiment/treatments"
    return "experiment/" + {"event": "metric", "__all__": ""}.get(field, field)
