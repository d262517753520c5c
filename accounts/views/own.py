"""A person's own account: another password, and where they are signed in."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts import audit, sessions, slowing, twosteps
from accounts.doors.network import network_of
from accounts.models import User
from accounts.views.sign_in import device_of, in_words


class OwnPasswordForm(PasswordChangeForm):
    """Whoever found an open browser may not guess the password in it either."""

    counted = slowing.Try()
    network = device = ""

    def clean_old_password(self) -> str:
        self.counted = slowing.count(
            self.user.email, network=self.network, device=self.device, now=timezone.now()
        )
        if self.counted.wait:
            raise ValidationError(in_words(self.counted.wait), code="too_many")
        given: str = super().clean_old_password()
        slowing.forgive(self.counted)
        return given


@login_required
def own_account(request: HttpRequest) -> HttpResponse:
    user, now = cast(User, request.user), timezone.now()
    form = OwnPasswordForm(user, request.POST if request.method == "POST" else None)
    form.network, form.device = network_of(request), device_of(request)
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
