"""The page on which a browser subscribes to web push, and the script that shows what it receives."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone, translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from accounts.doors.network import network_of
from audiences import preferences, subscription, webpush
from audiences.views.public import language_for, public_page, unknown_link
from channels.models import ChannelConfiguration
from common.errors import Invalid, NotFound, Problem, TooMany

MAX_BODY = 8_000


@csrf_exempt  # nothing of the browser's is acted upon but what it sends along
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def subscribe(request: HttpRequest, pk: int, token: str = "") -> HttpResponse:
    """A GET asks; the page's script posts the browser's subscription. `token` is a person's own."""
    person = preferences.person_of(token) if token else None
    with translation.override(language_for(request, person.locale if person else "")):
        try:
            configuration = webpush.configuration_at(pk)
            if request.method == "POST":
                return _subscribed(request, configuration, token)
        except NotFound:
            return unknown_link(request)
        except (Invalid, TooMany) as error:
            return JsonResponse({"title": error.code, "detail": error.detail}, status=error.status)
        page = {
            "configuration": configuration,
            "name": webpush.name_of(configuration),
            "wording": webpush.wording(configuration),
            "key": configuration.settings["public_key"],
        }
        return public_page(request, "public/push.html", page)


def _subscribed(request: HttpRequest, configuration: ChannelConfiguration, token: str) -> HttpResponse:
    now = timezone.now()
    subscription.count_network(network_of(request), now=now)
    given = _given(request)
    person = preferences.person_of(token) if token else None
    webpush.subscribe(configuration, given, person=person, now=now)
    return JsonResponse({"subscribed": True})


def _given(request: HttpRequest) -> str:
    try:
        body: Any = json.loads(request.read(MAX_BODY))
        return json.dumps(body["subscription"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Invalid(Problem("bad_subscription", "Send JSON with “subscription”.")) from error


@require_safe
def worker(request: HttpRequest, pk: int) -> HttpResponse:
    """At an address of its own, so that it has no power over any other page of ours."""
    return HttpResponse(_script(), content_type="text/javascript; charset=utf-8")


@cache
def _script() -> bytes:
    return Path(str(finders.find("js/push-worker.js"))).read_bytes()
