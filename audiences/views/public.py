"""The pages for people outside: their preferences, and subscribing to a topic.

The link is what lets them in: no sign-in, no cookies. GET, HEAD and OPTIONS change nothing, since link
scanners and prefetching browsers visit everything.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from audiences import preferences as choices
from audiences.models import Profile
from common.errors import Conflict
from common.languages import language_of


@csrf_exempt  # the signed link is the right to act; a mail program's browser may hold no cookies
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def preferences(request: HttpRequest, token: str) -> HttpResponse:
    person = choices.person_of(token)
    with translation.override(_language(request, person.locale if person else "")):
        if person is None:
            return unknown_link(request)
        page = _act(request, person) if request.method == "POST" else {}
        offered = choices.offers(person)
        page |= {"person": person, "offers": offered, "seen": choices.seen(offered)}
        return public_page(request, "public/preferences.html", page, 409 if "changed" in page else 200)


def _act(request: HttpRequest, person: Profile) -> dict[str, Any]:
    """What the page says about what was done."""
    if "stop" in request.POST:
        choices.stop(person, now=timezone.now())
        return {"stopped": True}
    try:
        choices.choose(
            person,
            chosen=set(request.POST.getlist("chosen")),
            shown=request.POST.get("seen", ""),
            now=timezone.now(),
        )
    except Conflict as error:
        return {"changed": error.detail}
    return {"saved": True}


def public_page(request: HttpRequest, template: str, page: dict[str, Any], status: int = 200) -> HttpResponse:
    """The address of the page holds a secret, so no other site is told of it."""
    response = render(request, template, page, status=status)
    response["Referrer-Policy"] = "no-referrer"
    response["Content-Language"] = translation.get_language() or "en"
    return response


def unknown_link(request: HttpRequest) -> HttpResponse:
    return render(request, "public/unknown_link.html", status=404)


def _language(request: HttpRequest, locale: str) -> str:
    """What was chosen on the page, else the person's own, else the browser's."""
    chosen = language_of(request.GET.get("lang", ""))
    return chosen or language_of(locale) or translation.get_language_from_request(request)
