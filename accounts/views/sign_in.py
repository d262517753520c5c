"""Signing in and out, in one step or two, and choosing the first password from an invitation.

A session gets a new number at each sign-in and ends SESSION_COOKIE_AGE later, whatever was done meanwhile,
or once nobody has used it for SESSION_IDLE.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from django import forms
from django.conf import settings
from django.contrib.auth import login, views
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.generic import FormView

from accounts import audit, sessions, slowing, twosteps
from accounts.access import SYSTEM
from accounts.doors.network import network_of
from accounts.models import User

log = structlog.get_logger(__name__)
COOKIE_AGE = 365 * 24 * 3600
HALFWAY, HALFWAY_LASTS = "halfway", timedelta(minutes=5)


class Slowed:
    """A form that asks for a secret: a try that comes too early is refused without a look at it."""

    counted = slowing.Try()

    def count_try(self, request: HttpRequest, email: str) -> None:
        """Raises ValidationError `too_many`."""
        self.counted = slowing.count(
            email, network=network_of(request), device=device_of(request), now=timezone.now()
        )
        if self.counted.wait:
            raise ValidationError(in_words(self.counted.wait), code="too_many")


class SignInForm(Slowed, AuthenticationForm):
    """Whoever it names."""

    def clean(self) -> dict[str, Any]:
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if email and password and self.request:
            self.count_try(self.request, email)
        return super().clean()


def _cookie_name() -> str:
    return "__Host-device" if settings.SESSION_COOKIE_SECURE else "device"


def device_of(request: HttpRequest) -> str:
    return request.get_signed_cookie(_cookie_name(), "", salt="device", max_age=COOKIE_AGE) or ""


def in_words(wait: int) -> str:
    if wait < 60:
        found = ngettext(
            "Too many tries. Wait for %(count)s second.", "Too many tries. Wait for %(count)s seconds.", wait
        )
        return found % {"count": wait}
    minutes = -(-wait // 60)
    found = ngettext(
        "Too many tries. Wait for %(count)s minute.", "Too many tries. Wait for %(count)s minutes.", minutes
    )
    return found % {"count": minutes}


class SignIn(views.LoginView):
    template_name = "accounts/sign_in.html"
    form_class = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user = form.get_user()
        if twosteps.are_on(user):  # the try stays counted until the second step is done too
            return _go_on(self.request, user, leads_to=self.get_success_url())
        response = super().form_valid(form)
        slowing.forgive(cast(SignInForm, form).counted)
        begin(self.request, response, user)
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        email, response = form.cleaned_data.get("username", ""), super().form_invalid(form)
        return _refused(self.request, response, email, cast(SignInForm, form).counted)


def _go_on(request: HttpRequest, user: User, *, leads_to: str) -> HttpResponse:
    """The password was right; nobody is signed in before the second step."""
    request.session.cycle_key()
    request.session[HALFWAY] = {
        "user": user.pk,
        "password": user.get_session_auth_hash(),
        "until": (timezone.now() + HALFWAY_LASTS).isoformat(),
        "leads_to": leads_to,
    }
    return redirect("accounts:second_step")


def _halfway(request: HttpRequest) -> User | None:
    """Who gave their password in this session, a few minutes ago at most, and may still sign in with it."""
    told = request.session.get(HALFWAY)
    if not told or timezone.now() > datetime.fromisoformat(told["until"]):
        return None
    user = User.objects.filter(pk=told["user"], is_active=True).first()
    same = user and constant_time_compare(user.get_session_auth_hash(), told["password"])
    return user if same else None


class CodeForm(Slowed, forms.Form):
    """Its tries are counted with the passwords for the account."""

    code = forms.CharField(
        label=gettext_lazy("Code of your app"),
        max_length=40,
        help_text=gettext_lazy("Six digits from your app, or one of your recovery codes."),
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )

    def __init__(self, *args: Any, request: HttpRequest, user: User, **options: Any) -> None:
        super().__init__(*args, **options)
        self.request, self.user = request, user

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        self.count_try(self.request, self.user.email)
        if not twosteps.take(self.user, code, now=timezone.now()):
            raise ValidationError(
                _("This code is not right, or was used already. Wait for the next one, and look at the clock "
                  "of your phone.")
            )  # fmt: skip
        return code


class SecondStep(FormView):  # type: ignore[type-arg]
    template_name = "accounts/second_step.html"
    form_class = CodeForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found = _halfway(request)
        if found is None:
            return redirect("accounts:sign_in")
        self.person = found
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request, "user": self.person}

    def form_valid(self, form: CodeForm) -> HttpResponse:
        response = redirect(self.request.session.pop(HALFWAY)["leads_to"])
        login(self.request, self.person, backend=settings.AUTHENTICATION_BACKENDS[0])
        slowing.forgive(form.counted)
        begin(self.request, response, self.person)
        return response

    def form_invalid(self, form: CodeForm) -> HttpResponse:
        response = super().form_invalid(form)
        response.status_code = 400
        return _refused(self.request, response, self.person.email, form.counted)


def begin(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """What is the same however somebody signed in: when the session ends, the browser, the log."""
    now = timezone.now()
    request.session.set_expiry(now + timedelta(seconds=settings.SESSION_COOKIE_AGE))
    response.set_signed_cookie(
        _cookie_name(),
        slowing.trusted(user),
        salt="device",
        max_age=COOKIE_AGE,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    network = network_of(request)
    sessions.begin(request.session, network=network, agent=request.headers.get("User-Agent", ""), now=now)
    audit.record(actor=user, verb="sign in", obj=user, workspace=None, now=now, network=network)


def _refused(request: HttpRequest, response: HttpResponse, email: str, counted: slowing.Try) -> HttpResponse:
    if counted.keys:
        _note_failure(request, email, counted)
    if counted.wait:
        response.status_code, response["Retry-After"] = 429, str(counted.wait)
    return response


def _note_failure(request: HttpRequest, email: str, counted: slowing.Try) -> None:
    """Each in the process log; in the audit log the first that has to wait, so that nobody can flood it."""
    user = User.objects.filter(email__iexact=email).first()
    log.warning(
        "sign-in refused", user=user.pk if user else None, network=network_of(request), wait=counted.wait
    )
    if user and counted.begins_to_wait:
        audit.record(
            actor=SYSTEM,
            verb="slow sign-in",
            obj=user,
            workspace=None,
            now=timezone.now(),
            network=network_of(request),
        )


class SignOut(views.LogoutView):
    http_method_names = ["post", "options"]


class Welcome(views.PasswordResetConfirmView):
    """The link in an invitation: choose a password and be signed in. It works once and for three days."""

    template_name = "accounts/welcome.html"
    success_url = reverse_lazy("home")
    post_reset_login = True
    post_reset_login_backend = "django.contrib.auth.backends.ModelBackend"

    def form_valid(self, form: Any) -> HttpResponse:
        self.post_reset_login = not twosteps.are_on(form.user)  # a mailbox is not both steps
        response = super().form_valid(form)
        if not self.post_reset_login:
            return _go_on(self.request, form.user, leads_to=str(self.success_url))
        begin(self.request, response, form.user)
        return response
