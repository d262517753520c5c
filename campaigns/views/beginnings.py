"""How an email begins: with one of our designs, or with HTML from elsewhere."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_http_methods, require_safe

from accounts.doors.callers import actor_of
from campaigns import access, actions, assets, designs, htmlimport, htmlzip, library, templates
from campaigns.models import ContentTemplate
from campaigns.views.common import campaign_of
from campaigns.views.contents import Place, place_of, revision_of
from campaigns.views.editor import frame
from campaigns.views.previews import PREVIEW_POLICY
from common.errors import CarillonError, Invalid, NotFound, Problem
from common.text import is_storable, whole_number

BIGGEST = 2_000_000  # bytes of an uploaded file, whatever its encoding


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def begin(request: HttpRequest, pk: int) -> HttpResponse:
    """What stands in the content now is replaced; its subject stays."""
    campaign = campaign_of(request, pk, access.MANAGE)
    if not campaign.is_editable and request.method != "POST":
        return redirect("campaigns:review", pk)
    place = place_of(request, campaign)
    own = templates.list_for(actor_of(request), campaign.workspace).filter(channel=place.action.channel)
    page: dict[str, Any] = {**frame(request, campaign, "content"), "place": place}
    if request.method == "POST":
        try:
            actions.write(
                campaign,
                place.action.position,
                _begun(request, place, own),
                treatment=place.treatment,
                language=place.language,
                revision=revision_of(request),
                actor=actor_of(request),
                now=timezone.now(),
            )
        except CarillonError as error:
            page["error"], page["status"] = error.detail, error.status
        else:
            messages.success(request, _("Saved."))
            return redirect(f"{reverse('campaigns:content', args=[pk])}?{place.query}")
    shelf = library.DESIGNS.values() if place.action.channel == "email" else []
    page |= {"designs": shelf, "own": own[:60], "pasted": request.POST.get("html", "")}
    return render(request, "campaigns/begin.html", page, status=page.get("status", 200))


def _begun(request: HttpRequest, place: Place, own: QuerySet[ContentTemplate]) -> dict[str, Any]:
    if number := request.POST.get("template"):
        found = own.filter(pk=whole_number(number) or 0).first()
        if found is None:
            raise NotFound(_("There is no such template."))
        kept = {name: value for name, value in found.content.items() if name not in ("subject", "preheader")}
        return {"mjml": "", **kept} if place.action.channel == "email" else dict(found.content)
    if place.action.channel != "email":
        raise NotFound(_("There is no such template."))
    if key := request.POST.get("design"):
        if key not in library.DESIGNS:
            raise NotFound(_("There is no such template."))
        return {"mjml": library.DESIGNS[key].source(_language(place))}
    source, pictures = request.POST.get("html", ""), dict[str, tuple[str, bytes]]()
    if file := request.FILES.get("file"):
        octets = file.read(htmlzip.MOST_OCTETS + 1)
        if htmlzip.is_zip(octets):
            taken = htmlzip.unpacked(octets)
            octets, pictures = taken.page, taken.pictures
        source = _text(octets)
    if not is_storable(source):
        detail = _("It holds a character or number that cannot be stored.")
        raise Invalid(Problem("bad_unicode", detail, "html"))
    html, actor = htmlimport.taken_in(source), actor_of(request)
    if pictures:
        workspace, now = place.action.campaign.workspace, timezone.now()
        html = assets.upload_for(html, pictures, workspace=workspace, actor=actor, now=now)
    return {"html": html, "mjml": ""}


def _text(octets: bytes) -> str:
    if len(octets) > BIGGEST:
        raise Invalid(Problem("html_too_large", _("The file is larger than 2 MB."), "file"))
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        detail = _("The file is not UTF-8. Save it as UTF-8 and try again.")
        raise Invalid(Problem("html_encoding", detail, "file")) from error


def _language(place: Place) -> str:
    chosen = place.language or place.action.campaign.languages.get("default")
    return chosen or translation.get_language() or "en"


@login_required
@require_safe
@xframe_options_sameorigin
def design(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """A template as it looks, in the language of the content that would begin with it."""
    campaign = campaign_of(request, pk)
    if key not in library.DESIGNS:
        raise NotFound(_("There is no such template."))
    source = library.DESIGNS[key].source(_language(place_of(request, campaign)))
    response = HttpResponse(designs.compiled(source))
    response["Content-Security-Policy"] = PREVIEW_POLICY
    return response
