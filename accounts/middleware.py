"""What a request knows before a view sees it: the person's language, zone and theme, and their workspace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
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
from accounts.access import workspace_called, workspaces_of
from accounts.models import User, Workspace

GetResponse = Callable[[HttpRequest], HttpResponse]
WORKSPACE_KEY = "workspace"
OPEN_TO_ALL = ("accounts:two_steps", "accounts:sign_out", "accounts:preferences")
HERE = "here"  # in every form: the workspace of the page it stands on


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
    """`request.workspace`: the one chosen in this session, else the person's first, else None.

    A form works in the workspace of its page: another may have been chosen in another tab meanwhile. The
    session then follows, so that the page that comes next shows what was done.
    """

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

    def process_view(self, request: HttpRequest, *_view: Any) -> None:
        """After the check against forged forms, which reads the form first."""
        now: Workspace | None = request.workspace  # type: ignore[attr-defined]
        if request.method != "POST" or now is None or not (slug := request.POST.get(HERE)):
            return
        if slug != now.slug:
            mine = workspace_called(cast(User, request.user), slug)
            request.workspace = mine  # type: ignore[attr-defined]
            if mine is not None:
                request.session[WORKSPACE_KEY] = mine.pk
