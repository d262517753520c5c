"""The door for devices: a person's inbox, fetched and acted upon with the token of that person.

Pages of the sites that the configuration names may ask from a browser (CORS); nobody's cookies count here.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from channels import inbox
from channels.providers.inapp import origins_of
from channels.sealing import SealBroken
from common.errors import CarillonError, Invalid, Problem

MAX_BODY = 10_000


@csrf_exempt  # the token is the right to act; no cookie is looked at
@never_cache
@require_http_methods(["GET", "HEAD", "OPTIONS"])
def items(request: HttpRequest, pk: int) -> HttpResponse:
    def work(mine: inbox.Inbox) -> HttpResponse:
        found = inbox.items(mine, now=timezone.now())
        unread = sum(one.read_at is None for one in found)
        return JsonResponse({"items": [inbox.as_json(one) for one in found], "unread": unread})

    return _answer(request, pk, work)


@csrf_exempt  # as above
@never_cache
@require_http_methods(["POST", "OPTIONS"])
def act(request: HttpRequest, pk: int, item: int) -> HttpResponse:
    def work(mine: inbox.Inbox) -> HttpResponse:
        inbox.act(mine, item, _action(request), now=timezone.now())
        return HttpResponse(status=204)

    return _answer(request, pk, work)


def _action(request: HttpRequest) -> str:
    try:
        body = json.loads(request.read(MAX_BODY))
        return str(body["action"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Invalid(Problem("bad_json", "Send JSON such as {“action”: “read”}.", "action")) from error


def _answer(request: HttpRequest, pk: int, work: Callable[[inbox.Inbox], HttpResponse]) -> HttpResponse:
    try:
        if request.method == "OPTIONS":
            response = HttpResponse(status=204)
        else:
            response = work(inbox.opened(pk, _token(request), now=timezone.now()))
    except SealBroken:
        response = _problem("unavailable", "The token cannot be checked now.", 503)
    except CarillonError as error:
        response = _problem(error.code, error.detail, error.status)
    return with_origin(request, pk, response)


def _token(request: HttpRequest) -> str:
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _problem(code: str, detail: str, status: int) -> HttpResponse:
    body = {"type": f"about:blank#{code}", "title": code, "status": status, "detail": detail}
    return JsonResponse(body, status=status, content_type="application/problem+json")


def with_origin(request: HttpRequest, pk: int, response: HttpResponse) -> HttpResponse:
    """The CORS answer, for the configuration's own sites only (https://fetch.spec.whatwg.org/#http-cors-protocol)."""
    response["Vary"] = "Origin"
    origin = request.headers.get("Origin", "").lower()
    try:
        allowed = origins_of(inbox.configuration_of(pk)) if origin else set()
    except CarillonError:
        return response
    if origin in allowed:
        response["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response["Access-Control-Allow-Methods"] = "GET, POST"
        response["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        response["Access-Control-Max-Age"] = "600"
    return response
