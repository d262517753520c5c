"""The pages of people: the list, and one person with all we hold of them."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from audiences import access
from audiences import profiles as people
from audiences.forms.people import ProfileForm
from audiences.models import Profile
from audiences.views.common import actor_of, show_faults, workspace_of
from common.errors import Invalid

PAGE = 50


@login_required
@require_safe
def profiles(request: HttpRequest) -> HttpResponse:
    rows = access.profiles_for(actor_of(request), workspace_of(request))
    search = request.GET.get("search", "").replace("\0", "").strip()
    if search:
        rows = _found(rows, search)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "audiences/profiles.html", {"page": page, "search": search})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest, pk: int) -> HttpResponse:
    """One person: who they are, what they allow, and why something would not reach them."""
    person = _person(request, pk)
    first = {"locale": person.locale, "time_zone": person.time_zone, "is_test": person.is_test}
    form = ProfileForm(request.POST if request.method == "POST" else None, initial=first)
    if request.method == "POST" and form.is_valid():
        try:
            people.change(person, actor=actor_of(request), now=timezone.now(), **form.cleaned_data)
        except Invalid as error:
            show_faults(error, form)
        else:
            messages.success(request, _("Saved."))
            return redirect("audiences:profile", pk)
    page = {
        "form": form,
        "person": person,
        "uploads": people.uploads_of(person),
        "consents": person.consents.order_by("channel"),
        "suppressions": people.suppressions_of(person),
    }
    return render(request, "audiences/profile.html", page, status=400 if form.errors else 200)


@login_required
@require_safe
def profile_export(request: HttpRequest, pk: int) -> HttpResponse:
    """All that is held of one person, for the person who asks for it."""
    person = _person(request, pk)
    text = json.dumps(people.record(person), indent=2, ensure_ascii=False)
    response = HttpResponse(text, content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="profile-{person.pk}.json"'
    response["Cache-Control"] = "no-store"
    return response


def _person(request: HttpRequest, pk: int) -> Profile:
    person = access.profile_for(actor_of(request), pk)
    request.workspace = person.workspace  # type: ignore[attr-defined]
    return person


def _found(rows: Any, search: str) -> Any:
    return rows.filter(email__icontains=search) | Profile.objects.filter(
        pk__in=rows.filter(attributes__icontains=search).values("pk")
    )
