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

from accounts.doors.network import network_of
from audiences import preferences as choices
from audiences import subscription
from audiences.models import Profile, Topic
from common.errors import Conflict, Invalid, TooMany
from common.languages import language_of


@csrf_exempt  # the signed link is the right to act; a mail program's browser may hold no cookies
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def preferences(request: HttpRequest, token: str) -> HttpResponse:
    person = choices.person_of(token)
    with translation.override(language_for(request, person.locale if person else "")):
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
        choices.follow(person, is_welcome="followed" in request.POST, now=timezone.now())
        choices.choose(
            person,
            chosen=set(request.POST.getlist("chosen")),
            shown=request.POST.get("seen", ""),
            now=timezone.now(),
        )
    except Conflict as error:
        return {"changed": error.detail}
    return {"saved": True}


@csrf_exempt  # nothing of the browser's is acted upon: whoever knows an address may type it
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def subscribe(request: HttpRequest, workspace: str, key: str) -> HttpResponse:
    """One topic, for anybody. The answer never tells whether an address is known."""
    topic = subscription.topic_at(workspace, key)
    with translation.override(language_for(request, "")):
        if topic is None:
            return unknown_link(request)
        wording = choices.topic_wording(topic, topic.workspace.name, subscription.CHANNEL)
        page: dict[str, Any] = {"topic": topic, "wording": wording, "address": ""}
        status = 200
        if request.method == "POST":
            page["address"] = request.POST.get("address", "")[:300]
            try:
                _ask(request, topic, page["address"], wording)
                page["is_done"] = True
            except (Invalid, TooMany) as error:
                page["fault"], status = error.detail, error.status
        return public_page(request, "public/subscribe.html", page, status)


def _ask(request: HttpRequest, topic: Topic, address: str, wording: str) -> None:
    now = timezone.now()
    subscription.count_network(network_of(request), now=now)
    language = translation.get_language() or "en"
    subscription.ask(topic, address=address, wording=wording, language=language, now=now)


@csrf_exempt  # the signed link is the right to act
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Opening the link shows a button; only the button confirms, since scanners open every link."""
    question = subscription.question_of(token, now=timezone.now())
    with translation.override(language_for(request, question.row.language if question else "")):
        if question is None:
            return unknown_link(request)
        page: dict[str, Any] = {"question": question, "is_done": question.row.confirmed_at is not None}
        if request.method == "POST" and "confirm" in request.POST:
            try:
                subscription.confirm(question, now=timezone.now())
            except Conflict:
                return unknown_link(request)
            page["is_done"] = True
        page["preferences"] = choices.url_of(question.row.profile_id) if page["is_done"] else ""
        return public_page(request, "public/confirm.html", page)


def public_page(request: HttpRequest, template: str, page: dict[str, Any], status: int = 200) -> HttpResponse:
    """The address of the page holds a secret, so no other site is told of it."""
    response = render(request, template, page, status=status)
    response["Referrer-Policy"] = "no-referrer"
    response["Content-Language"] = translation.get_language() or "en"
    return response


def unknown_link(request: HttpRequest) -> HttpResponse:
    return render(request, "public/unknown_link.html", status=404)


def language_for(request: HttpRequest, locale: str) -> str:
    """What was chosen on the page, else the person's own, else the browser's."""
    chosen = language_of(request.GET.get("lang", ""))
    return chosen or language_of(locale) or translation.get_language_from_request(request)
