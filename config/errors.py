"""The one place where an error becomes a page. Views raise; nobody catches on the way."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from common.errors import CarillonError, PermissionMissing
from config.api import problem

DOWN = (OperationalError, InterfaceError)
SOON = 5  # seconds until trying again is worth it
API = ("/ajo/", "/api/", "/oauth/")
PAGES = {400, 403, 404, 405, 409, 500, 503}


class ErrorPagesMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_typed = request.method == "GET" and not request.path.startswith(API)
        if response.status_code == 405 and is_typed and not response.content:
            # Somebody opened a form's address, from the browser's history or after signing in again.
            shown = page(request, 405)
            shown["Allow"] = response["Allow"]
            return shown
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, CarillonError):
            return None
        if request.path.startswith(API):
            return problem(error.status, error.code, str(error.detail), **error.extra)
        return page(request, error.status, error=error)


def page(request: HttpRequest, status: int, **context: Any) -> HttpResponse:
    error = context.get("error")
    if isinstance(error, PermissionMissing):
        context["permission_label"] = permission_label(error.permission)
    name = status if status in PAGES else 400
    return render(request, f"errors/{name}.html", context, status=status)


def permission_label(permission: str) -> str:
    """The permission's name as the admin site shows it, in the reader's language."""
    from accounts.roles import PERMISSION_LABELS

    return str(PERMISSION_LABELS.get(permission, permission))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API):
        if isinstance(exception, RequestDataTooBig):
            most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2**20
            detail = f"The body is larger than {most} MB. Send it in parts."
            return problem(413, "body_too_large", detail)
        return problem(400, "bad_request", "The request cannot be read.")
    return page(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return page(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API):
        return problem(404, "not_found", "There is no such address in this API.")
    return page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    if isinstance(sys.exc_info()[1], DOWN):
        return _unavailable(request)
    if request.path.startswith(API):
        return problem(500, "server_error", "Something broke on our side. It was logged; try again.")
    return page(request, 500)


def _unavailable(request: HttpRequest) -> HttpResponse:
    """The database went away, or ended one of two that waited for each other. The page asks nothing of it."""
    if request.path.startswith(API):
        detail = "The database did not answer. What was asked may or may not be done; the same again is safe."
        return problem(503, "unavailable", detail, retryAfter=SOON)
    words = {"language": get_language(), "again": request.get_full_path() if request.method == "GET" else ""}
    return HttpResponse(
        render_to_string("errors/unavailable.html", words), status=503, headers={"Retry-After": str(SOON)}
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    if request.method == "POST" and not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    return page(
        request, 403, reason=_("The form was too old or came from another site. Load the page again.")
    )
