"""Setting up the second step of one's own sign-in, renewing its recovery codes, and ending it."""

from __future__ import annotations

from typing import Any, cast

import segno
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import slowing, twosteps
from accounts.models import TwoSteps, User
from accounts.views.sign_in import CodeForm, Slowed
from common.errors import Invalid


class PasswordForm(Slowed, forms.Form):
    """Whoever found an open browser may not lock its owner out, nor guess the password here."""

    password = forms.CharField(
        strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )

    def __init__(self, *args: Any, request: HttpRequest, **options: Any) -> None:
        super().__init__(*args, **options)
        self.request = request

    def clean_password(self) -> str:
        user, given = cast(User, self.request.user), cast(str, self.cleaned_data["password"])
        self.count_try(self.request, user.email)
        if not user.check_password(given):
            raise ValidationError(_("This is not your password."))
        slowing.forgive(self.counted)
        return given


class FirstCodeForm(forms.Form):
    code = forms.CharField(
        max_length=20, widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"})
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def two_steps(request: HttpRequest) -> HttpResponse:
    """Not begun, begun, on: each state has its form. POST `act`: begin, confirm, renew, end."""
    user, now = cast(User, request.user), timezone.now()
    row = TwoSteps.objects.select_related("user").filter(pk=user.pk).first()
    act, codes = request.POST.get("act", ""), []
    form: forms.Form
    if row is None:
        form = PasswordForm(request.POST if act == "begin" else None, request=request)
        if act == "begin" and form.is_valid():
            twosteps.begin(user)
            return redirect("accounts:two_steps")
    elif row.confirmed_at is None:
        form = FirstCodeForm(request.POST if act == "confirm" else None)
        if act == "confirm" and form.is_valid():
            try:
                codes = twosteps.confirm(user, form.cleaned_data["code"], now=now)
            except Invalid as error:
                form.add_error("code", error.problems[0].detail)
    else:
        form = CodeForm(request.POST if act in ("renew", "end") else None, request=request, user=user)
        if act in ("renew", "end") and form.is_valid():
            slowing.forgive(form.counted)
            if act == "end":
                twosteps.end(user, actor=user, now=now)
                messages.success(request, _("Two-step sign-in is ended. Your password is enough again."))
                return redirect("accounts:own")
            codes = twosteps.renew_codes(user, now=now)
    page = {"form": form, "row": row, "codes": codes, **_picture(row)}
    return render(request, "accounts/two_steps.html", page, status=400 if form.errors else 200)


def _picture(row: TwoSteps | None) -> dict[str, str]:
    """The secret as a picture for the app's camera, and in letters to type."""
    if row is None or row.confirmed_at:
        return {}
    drawn = segno.make(twosteps.address(row), error="m").svg_inline(
        scale=5, border=4, dark="#000", light="#fff", title=_("The secret as a QR code")
    )
    return {"picture": mark_safe(drawn), "secret": twosteps.secret(row)}  # noqa: S308 - segno's own, of our address
