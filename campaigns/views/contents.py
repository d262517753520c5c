"""The editor's pages about messages: over which channels, in which languages and treatments, saying what.

A content's address names its action's position, its treatment and its language; without them it is the
first one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts.doors.callers import actor_of
from accounts.models import User
from campaigns import (
    access,
    actions,
    assets,
    configurations,
    contents,
    drafts,
    fragments,
    samples,
    sentences,
    versions,
)
from campaigns.content_findings import findings
from campaigns.contents import content_of
from campaigns.forms.channels import ChannelsForm, channel_choices
from campaigns.forms.content import ContentForm
from campaigns.forms.draft import sample_fields, sample_memberships
from campaigns.forms.variants import VariantsForm
from campaigns.languages import language_name, readers
from campaigns.models import Action, Campaign
from campaigns.tracking.links import addresses
from campaigns.variants import offered, treatments
from campaigns.views.common import campaign_of
from campaigns.views.editor import frame, is_autosave, onward, sample_people, sample_rows, status_of, told
from channels import attachments, rendering
from channels.contents import SHAPES
from channels.kinds import KINDS
from channels.sandbox import RenderError
from channels.segments import segment
from common.errors import CarillonError, Invalid
from common.text import whole_number


@dataclass(frozen=True)
class Place:
    """Which content a page is about."""

    action: Action
    treatment: str
    language: str

    @property
    def query(self) -> str:
        named = {"action": self.action.position, "treatment": self.treatment, "language": self.language}
        return urlencode({key: value for key, value in named.items() if value not in ("", 0)})


def place_of(request: HttpRequest, campaign: Campaign) -> Place:
    """Raises NotFound for a message, treatment or language the campaign does not have."""
    asked = request.GET
    action = actions.at(campaign, _position(asked.get("action", "0")))
    place = Place(action, asked.get("treatment", "")[:10], asked.get("language", "")[:35])
    actions.is_offered(campaign, place.treatment, place.language)
    return place


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    campaign = campaign_of(request, pk, access.MANAGE)
    if not campaign.is_editable and request.method != "POST":
        return redirect("campaigns:review", pk)
    place = place_of(request, campaign)
    kept = actions.kept_of(place.action, place.treatment, place.language)
    form = ContentForm(request.POST or None, action=place.action, kept=kept)
    is_saved = request.method == "POST" and form.is_valid() and _save(request, form, place)
    if is_autosave(request):
        campaign.refresh_from_db()
        return told(request, campaign, form, sms=_sms(place_of(request, campaign), actor_of(request)))
    if is_saved:
        messages.success(request, _("Saved."))
        if "next" in request.POST:
            return onward(request, campaign, "content")
        return redirect(f"{reverse('campaigns:content', args=[pk])}?{place.query}")
    page = {
        **frame(request, campaign, "content"),
        "form": form,
        **_around(request, campaign, place),
    }
    return render(request, "campaigns/content.html", page, status=status_of(request, form))


def _save(request: HttpRequest, form: ContentForm, place: Place) -> bool:
    try:
        _write(request, place, form.written(), form.cleaned_data["revision"])
    except CarillonError as error:
        form.refuse(error)
        return False
    return True


def _write(request: HttpRequest, place: Place, content: dict[str, Any], revision: int) -> None:
    actions.write(
        place.action.campaign,
        place.action.position,
        content,
        treatment=place.treatment,
        language=place.language,
        revision=revision,
        actor=actor_of(request),
        now=timezone.now(),
    )


def _around(request: HttpRequest, campaign: Campaign, place: Place) -> dict[str, Any]:
    """What stands around one content: its neighbours, its findings, whom it is for."""
    every = list(campaign.actions.select_related("configuration"))
    faults = list(findings(campaign, every))
    mine = (place.action.position, place.treatment, place.language)
    kept = actions.kept_of(place.action, place.treatment, place.language)
    whole = contents.whole(kept, campaign.workspace)
    views = ["design", "code", "text", "preview"] if place.action.channel == "email" else ["write", "preview"]
    view = request.GET.get("view", "")
    return {
        "place": place,
        "view": view
        if view in views
        else ("design" if kept.get("mjml") or not kept.get("html") else "code")
        if len(views) == 4
        else views[0],
        "views": views,
        "all_actions": [
            (one, KINDS[one.channel].label, _count(faults, position=one.position)) for one in every
        ],
        "languages": _languages(campaign, place, faults),
        "treatments": _treatments(campaign, place),
        "here": [one for one in faults if (one.position, one.treatment, one.language) == mine],
        "fragments": [
            {"name": one.key, "title": one.name, "tag": one.tag}
            for one in fragments.offered(actor_of(request), campaign.workspace, place.action.channel)
            if one.kind != "mjml" or kept.get("mjml") or not kept.get("html")
        ],
        "fields": sample_fields(campaign.workspace),
        "audience_fields": sample_memberships(access.shown_audience(actor_of(request), campaign)),
        "context_names": rendering.names_under("context", content_of(whole), place.action.channel),
        "people": sample_people(campaign, actor_of(request)),
        "sample_rows": sample_rows(request, campaign),
        "sms": _sms(place, actor_of(request)),
        "links": [(url, kept.get("links", {}).get(url, {})) for url in addresses(str(whole.get("html", "")))],
        **_files(campaign, kept, actor_of(request)),
        "shape": SHAPES[place.action.channel],
        "kind": KINDS[place.action.channel].label,
        "readers": readers(campaign),
    }


def _sms(place: Place, actor: User) -> str:
    """What the text as it is saved comes to for the first sample person; empty while it has a fault."""
    campaign, action = place.action.campaign, place.action
    if action.channel != "sms":
        return ""
    try:
        message = samples.rendered(
            action,
            actions.kept_of(action, place.treatment, place.language),
            person=next(iter(sample_people(campaign, actor)), None),
            workspace=campaign.workspace,
            pinned=versions.pins(campaign),
        )
    except (Invalid, RenderError):
        return ""
    return sentences.sms(segment(message.text))


def _count(faults: list[Any], **named: Any) -> int:
    return sum(
        one.is_error and all(getattr(one, key) == value for key, value in named.items()) for one in faults
    )


def _languages(campaign: Campaign, place: Place, faults: list[Any]) -> list[dict[str, Any]]:
    found = []
    for code in offered(campaign.languages):
        key = "" if code == campaign.languages["default"] else code
        errors = _count(faults, position=place.action.position, language=key)
        query = Place(place.action, place.treatment, key).query
        here = key == place.language
        found.append(
            {"name": language_name(code), "errors": errors, "query": query, "here": here, "code": code}
        )
    return found


def _treatments(campaign: Campaign, place: Place) -> list[dict[str, Any]]:
    named = campaign.experiment.get("treatments", [])
    keys = treatments(campaign.experiment)
    return [
        {
            "title": one["title"],
            "percent": one["percent"],
            "query": Place(place.action, key, place.language).query,
            "here": key == place.treatment,
        }
        for key, one in zip(keys, named, strict=False)
    ]


@login_required
@require_POST
def copy(request: HttpRequest, pk: int) -> HttpResponse:
    """The content into every language and treatment that is empty."""
    campaign = campaign_of(request, pk, access.MANAGE)
    place = place_of(request, campaign)
    try:
        copied = actions.copy_to_all(
            campaign,
            place.action.position,
            treatment=place.treatment,
            language=place.language,
            revision=revision_of(request),
            actor=actor_of(request),
            now=timezone.now(),
        )
        told = ngettext("Copied to %(count)s other.", "Copied to %(count)s others.", copied)
        messages.success(request, told % {"count": copied})
    except CarillonError as error:
        messages.error(request, error.detail)
    return redirect(f"{reverse('campaigns:content', args=[pk])}?{place.query}")


@login_required
@require_POST
def links(request: HttpRequest, pk: int) -> HttpResponse:
    """Which links of a content are counted, and what they are called."""
    campaign = campaign_of(request, pk, access.MANAGE)
    place = place_of(request, campaign)
    kept = actions.kept_of(place.action, place.treatment, place.language)
    whole = contents.whole(kept, campaign.workspace)
    said = {
        url: {
            "label": request.POST.get(f"label_{number}", "").replace("\0", "").strip()[:200],
            "is_untracked": f"tracked_{number}" not in request.POST,
        }
        for number, url in enumerate(addresses(str(whole.get("html", ""))))
    }
    try:
        _write(request, place, {"links": said}, revision_of(request))
        messages.success(request, _("Saved."))
    except CarillonError as error:
        messages.error(request, error.detail)
    return redirect(f"{reverse('campaigns:content', args=[pk])}?{place.query}")


def _files(campaign: Campaign, kept: dict[str, Any], actor: User) -> dict[str, Any]:
    """What travels with the message, and what could; what the reader may not see is not named."""
    named = attachments.references(content_of(kept))
    held = {one.token: one for one in assets.named_by(campaign.workspace, named)}
    seen = assets.list_for(actor, campaign.workspace)
    visible = {one.token for one in seen.filter(token__in=held)}
    attached = []
    for one in named:
        asset = held.get(one["asset"])
        name = one.get("name") or (asset.name if asset else one["asset"])
        if asset and asset.token not in visible:
            name = _("A file you may not see")
        attached.append((name, asset.size if asset else None))
    return {"attached": attached, "attachable": seen.exclude(token__in=held)[:200]}


@login_required
@require_POST
def files(request: HttpRequest, pk: int) -> HttpResponse:
    """`add` is an asset's reference; `remove` the place of one that is attached."""
    campaign = campaign_of(request, pk, access.MANAGE)
    place = place_of(request, campaign)
    kept = actions.kept_of(place.action, place.treatment, place.language)
    named = list(attachments.references(content_of(kept)))
    if "remove" in request.POST:
        at = _position(request.POST["remove"])
        named = [one for number, one in enumerate(named) if number != at]
    else:
        named.append({"asset": request.POST.get("add", "")[:64]})
    try:
        if "remove" not in request.POST:
            assets.require_known(campaign.workspace, named[-1:], actor_of(request))
            assets.require_few(named)
        extra = {**kept.get("extra", {}), "attachments": named}
        _write(request, place, {"extra": extra}, revision_of(request))
        messages.success(request, _("Saved."))
    except CarillonError as error:
        messages.error(request, error.detail)
    return redirect(f"{reverse('campaigns:content', args=[pk])}?{place.query}")


def revision_of(request: HttpRequest) -> int:
    """Of the draft that the page was made from; 0, which none has, where it is not told."""
    return whole_number(request.POST.get("revision", ""), 10**9 - 1) or 0


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def channels(request: HttpRequest, pk: int) -> HttpResponse:
    """The messages of the campaign: which channel, which configuration, in which order."""
    campaign = campaign_of(request, pk, access.MANAGE)
    if not campaign.is_editable and request.method != "POST":
        return redirect("campaigns:review", pk)
    every = list(campaign.actions.select_related("configuration"))
    form = ChannelsForm(request.POST or None, campaign=campaign, actions=every, actor=actor_of(request))
    is_saved = request.method == "POST" and form.is_valid() and _arrange(request, form)
    if is_autosave(request):
        return told(request, campaign, form)
    if is_saved:
        if "add" in request.POST or "remove" in request.POST or "up" in request.POST:
            return redirect("campaigns:edit", pk, "channels")
        messages.success(request, _("Saved."))
        return onward(request, campaign, "channels")
    choices = channel_choices()
    page = {**frame(request, campaign, "channels"), "form": form, "choices": choices}
    return render(request, "campaigns/channels.html", page, status=status_of(request, form))


def _arrange(request: HttpRequest, form: ChannelsForm) -> bool:
    """One press does one thing. What was chosen beside it is saved first, so that nothing is lost."""
    campaign, actor, now = form.campaign, actor_of(request), timezone.now()
    reach = form.cleaned_data["reach"] or campaign.reach
    revision = form.cleaned_data["revision"]
    try:
        saved = actions.configure(
            campaign, form.chosen(), revision=revision, actor=actor, now=now, reach=reach
        )
        by: dict[str, Any] = {"revision": saved.revision, "actor": actor, "now": now}
        if "add" in request.POST:
            channel, place = request.POST.get("channel", ""), saved.workspace
            lone = configurations.lone(place, channel=channel, category=saved.category, actor=actor)
            actions.add(saved, channel, configuration=lone, **by)
        elif "remove" in request.POST:
            actions.remove(saved, _position(request.POST["remove"]), **by)
        elif "up" in request.POST:
            actions.move_up(saved, _position(request.POST["up"]), **by)
    except CarillonError as error:
        form.refuse(error)
        return False
    return True


def _position(given: str) -> int:
    """One that no campaign has, for what is no position."""
    number = whole_number(given, 999)
    return 999 if number is None else number


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def variants(request: HttpRequest, pk: int) -> HttpResponse:
    """Languages and treatments."""
    campaign = campaign_of(request, pk, access.MANAGE)
    if not campaign.is_editable and request.method != "POST":
        return redirect("campaigns:review", pk)
    form = VariantsForm(request.POST or None, campaign=campaign)
    is_saved = request.method == "POST" and form.is_valid() and _vary(request, form)
    if is_autosave(request):
        return told(request, campaign, form)
    if is_saved:
        messages.success(request, _("Saved."))
        return redirect("campaigns:content", pk)
    page = {**frame(request, campaign, "content"), "form": form, "readers": readers(campaign)}
    return render(request, "campaigns/variants.html", page, status=status_of(request, form))


def _vary(request: HttpRequest, form: VariantsForm) -> bool:
    try:
        drafts.save(
            form.campaign,
            revision=form.cleaned_data["revision"],
            actor=actor_of(request),
            now=timezone.now(),
            languages=form.languages(),
            experiment=form.experiment(),
        )
    except CarillonError as error:
        form.is_late = not isinstance(error, Invalid)
        form.add_error(None, error.detail)
        return False
    return True
