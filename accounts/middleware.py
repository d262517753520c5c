"""What a request knows before a view sees it: the person's language, zone and theme, and their workspace."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts import sessions, twosteps
from accounts.access import workspaces_of
from accounts.models import User

GetResponse = Callable[[HttpRequest], HttpResponse]
WORKSPACE_KEY = "workspace"
OPEN_TO_ALL = ("accounts:two_steps", "accounts:sign_out", "accounts:preferences")


class IdleMiddleware:
    """A session that nobody has used for a while is over."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated and not sessions.goes_on(request.session, timezone.now()):
            logout(request)
        return self.get_response(request)


class TwoStepsMiddleware:
    """Where two steps are required, who has none sets them up before anything else."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.REQUIRE_TWO_STEPS and request.user.is_authenticated:
            open_to_all = {reverse(name) for name in OPEN_TO_ALL}
            if request.path not in open_to_all and not twosteps.are_on(request.user):
                messages.info(request, _("Set up the second step of your sign-in first; then go on."))
                return redirect("accounts:two_steps")
        return self.get_response(request)


class PreferencesMiddleware:
    """A signed-in person's own choices win over what the browser says."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        request.theme = User.Theme.LIGHT  # type: ignore[attr-defined]
        if request.COOKIES.get("theme") in User.Theme.values:
            request.theme = request.COOKIES["theme"]  # type: ignore[attr-defined]
        if not user.is_authenticated:
            return self.get_response(request)
        request.theme = user.theme  # type: ignore[attr-defined]
        translation.activate(user.language)
        request.LANGUAGE_CODE = translation.get_language()
        with timezone.override(ZoneInfo(user.time_zone)):
            return self.get_response(request)


class WorkspaceMiddleware:
    """`request.workspace`: the one chosen in this session, else the person's first, else None."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.workspace = None  # type: ignore[attr-defined]
        if request.user.is_authenticated:
            mine = list(workspaces_of(request.user))
            chosen = request.session.get(WORKSPACE_KEY)
            choice = [one for one in mine if one.pk == chosen] or mine
            request.workspace = choice[0] if choice else None  # type: ignore[attr-defined]
        return self.get_response(request)
