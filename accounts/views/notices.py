"""The bell: a person's own notices, what they have read, and how they want to hear of each kind."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import notices
from accounts.models import User


@login_required
@require_safe
def show_notices(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    rows = [(row, notices.words(row)) for row in notices.bell(user)]
    return render(request, "accounts/notices.html", {"rows": rows, "preferences": notices.preferences(user)})


@login_required
@require_POST
def read_notice(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """One, and on to what it is about; or all of them."""
    user = cast(User, request.user)
    row = next((one for one in notices.bell(user) if one.pk == pk), None)
    notices.mark_read(user, now=timezone.now(), pk=pk)
    return redirect(row.address if row else "accounts:notices")


@login_required
@require_POST
def prefer_notices(request: HttpRequest) -> HttpResponse:
    """A box per kind and way; what is not ticked is not wanted."""
    user = cast(User, request.user)
    for name in notices.KINDS:
        wants = {way: f"{way}:{name}" in request.POST for way in ("bell", "mail")}
        notices.prefer(user, name, **wants)
    messages.success(request, _("Saved."))
    return redirect("accounts:notices")
