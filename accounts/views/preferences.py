"""A reader's own choices: language, theme, workspace. They work signed in (kept) and signed out (cookie)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import workspace_called
from accounts.middleware import WORKSPACE_KEY
from accounts.models import User
from common.errors import Invalid, NotFound, Problem

COOKIE_AGE = 365 * 24 * 3600


def _back(request: HttpRequest) -> HttpResponseRedirect:
    """To the page the form stood on, never to another site."""
    target = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        return HttpResponseRedirect(target)
    return redirect("home")


def _kept() -> dict[str, Any]:
    """How a choice is kept in a cookie: no script of ours needs to read it."""
    secure = bool(settings.SESSION_COOKIE_SECURE)
    return {"max_age": COOKIE_AGE, "samesite": "Lax", "httponly": True, "secure": secure}


@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    response = _back(request)
    language, theme = request.POST.get("language"), request.POST.get("theme")
    if language is not None:
        if language not in dict(settings.LANGUAGES):
            raise Invalid(Problem("unknown_language", _("This language is not offered."), "language"))
        response.set_cookie(settings.LANGUAGE_COOKIE_NAME, language, **_kept())
        translation.activate(language)
    if theme is not None:
        if theme not in User.Theme.values:
            raise Invalid(Problem("unknown_theme", _("This theme is not offered."), "theme"))
        response.set_cookie("theme", theme, **_kept())
    if request.user.is_authenticated:
        changes = {"language": language, "theme": theme}
        User.objects.filter(pk=request.user.pk).update(**{k: v for k, v in changes.items() if v is not None})
    return response


@login_required
@require_POST
def choose_workspace(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    slug = request.POST.get("workspace", "")
    workspace = workspace_called(request.user, slug)
    if workspace is None:
        raise NotFound(_("There is no such workspace, or you hold no role in it."))
    request.session[WORKSPACE_KEY] = workspace.pk
    return redirect("home")
