"""A person's own account: another password, and where they are signed in."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts import audit, sessions, slowing, twosteps
from accounts.models import User
from accounts.views.sign_in import Slowed


class OwnPasswordForm(Slowed, PasswordChangeForm):
    """Whoever found an open browser may not guess the password in it either."""

    def __init__(self, request: HttpRequest, data: QueryDict | None) -> None:
        super().__init__(cast(User, request.user), data)
        self.request = request

    def clean_old_password(self) -> str:
        self.count_try(self.request, self.user.email)
        given: str = super().clean_old_password()
        slowing.forgive(self.counted)
        return given


@login_required
def own_account(request: HttpRequest) -> HttpResponse:
    user, now = cast(User, request.user), timezone.now()
    form = OwnPasswordForm(request, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            audit.record(actor=user, verb="change password", obj=user, workspace=None, now=now)
        update_session_auth_hash(request, user)  # every other session ends with the old password
        messages.success(request, _("Your password is changed. Everywhere else you are signed out."))
        return redirect("accounts:own")
    context: dict[str, Any] = {"form": form}
    context["places"] = sessions.places(user, request.session.session_key, now)
    context["has_two_steps"] = twosteps.are_on(user)
    return render(request, "accounts/own.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
def sign_out_elsewhere(request: HttpRequest) -> HttpResponse:
    ended = sessions.end_others(cast(User, request.user), request.session.session_key, now=timezone.now())
    told = ngettext("%(num)s other session is ended.", "%(num)s other sessions are ended.", ended)
    messages.success(request, told % {"num": ended})
    return redirect("accounts:own")
