"""The pages of people: the list, a new one, and one person with all we hold of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import require
from accounts.doors.callers import actor_of, workspace_of
from accounts.models import User
from audiences import access, events, identities, search, suppression, upsert
from audiences import profiles as people
from audiences.attributes import labels_of
from audiences.forms.people import ATTRIBUTE, IdentityForm, NewPersonForm, ProfileForm
from audiences.models import Profile
from audiences.namespaces import LABELS, namespaces_of
from audiences.reachability import CHANNELS
from audiences.typed import written
from audiences.views.common import show_faults
from common.errors import Conflict, Invalid, Problem
from common.text import whole_number

PAGE, EVENTS = 50, 20


@login_required
@require_safe
def profiles(request: HttpRequest) -> HttpResponse:
    workspace = workspace_of(request)
    require(actor_of(request), access.MANAGE, workspace)
    text = request.GET.get("search", "").replace("\0", "").strip()[:500]
    kind, everywhere = request.GET.get("test", ""), request.GET.get("everywhere") == "1"
    shown: dict[str, Any] = {"page": search.Page([], None, None), "fault": ""}
    try:
        shown["page"] = search.page(
            workspace,
            text=text,
            everywhere=everywhere,
            is_test={"yes": True, "no": False}.get(kind),
            before=_number(request, "before"),
            after=_number(request, "after"),
            size=PAGE,
        )
    except Invalid as error:
        shown["fault"] = error.detail
    total, is_more = search.count(workspace)
    asked = {"search": text, "test": kind} | ({"everywhere": "1"} if everywhere else {})
    held = identities.identities_of(shown["page"].people)
    shown |= {"search": text, "test": kind, "asked": asked, "total": total, "is_more": is_more, "held": held}
    shown |= {"labels": labels_of(workspace), "namespaces": LABELS}
    return render(request, "audiences/profiles.html", shown)


def _number(request: HttpRequest, name: str) -> int | None:
    return whole_number(request.GET.get(name, ""))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    workspace = workspace_of(request)
    require(actor_of(request), access.MANAGE, workspace)
    form = NewPersonForm(request.POST if request.method == "POST" else None, workspace=workspace)
    if request.method == "POST" and form.is_valid():
        given = upsert.Given(
            identities=[(form.cleaned_data["namespace"], form.cleaned_data["value"])],
            locale=form.cleaned_data["locale"],
            time_zone=form.cleaned_data["time_zone"],
            is_test=form.cleaned_data["is_test"],
            is_untracked=form.cleaned_data["is_untracked"],
            attributes=form.attributes(),
        )
        try:
            made = upsert.create(workspace, given, actor=actor_of(request), now=timezone.now())
        except Invalid as error:
            show_faults(_by_field(error), form)
        else:
            messages.success(request, _("Saved."))
            return redirect("audiences:profile", made.pk)
    status = 400 if form.errors else 200
    return render(request, "audiences/profile_new.html", {"form": form}, status=status)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest, pk: int) -> HttpResponse:
    """One person: who they are, what they allow, and why something would not reach them."""
    person = _person(request, pk)
    data = request.POST if request.method == "POST" else None
    form, status = ProfileForm(data, workspace=person.workspace, person=person), 400
    if request.method == "POST" and form.is_valid():
        try:
            _correct(request, person, form)
        except Invalid as error:
            show_faults(_by_field(error), form)
        except Conflict as error:
            form.add_error(None, error.detail)
            status = error.status
        else:
            messages.success(request, _("Saved."))
            return redirect("audiences:profile", pk)
    return _page(request, person, form=form, status=status if form.errors else 200)


def _correct(request: HttpRequest, person: Profile, form: ProfileForm) -> None:
    given = form.cleaned_data
    people.change(
        person,
        locale=given["locale"],
        time_zone=given["time_zone"],
        is_test=given["is_test"],
        is_untracked=given["is_untracked"],
        attributes=form.attributes(),
        seen=given["seen"],
        actor=actor_of(request),
        now=timezone.now(),
    )


def _by_field(error: Invalid) -> Invalid:
    """The fault's place as the form names it."""
    known = {"/locale": "locale", "/timeZone": "time_zone", "/identities": "value"}
    known |= {"/identities/0/value": "value", "/identities/0/namespace": "namespace"}

    def named(pointer: str) -> str:
        return known.get(pointer, pointer.replace("/attributes/", ATTRIBUTE))

    return Invalid(Problem(one.code, one.detail, named(one.pointer)) for one in error.problems)


def _page(
    request: HttpRequest,
    person: Profile,
    *,
    form: forms.Form | None = None,
    adding: IdentityForm | None = None,
    status: int = 200,
) -> HttpResponse:
    known = namespaces_of(person.workspace)
    form = form or ProfileForm(workspace=person.workspace, person=person)
    page = {
        "person": person,
        "form": form,
        "adding": adding or IdentityForm(workspace=person.workspace),
        "held": [
            (namespace, known[namespace].label if namespace in known else namespace, value)
            for namespace, value in identities.identities_of([person])[person.pk]
        ],
        "undefined": {
            key: value
            for key, value in person.attributes.items()
            if isinstance(form, ProfileForm) and key not in form.definitions
        },
        "uploads": _uploads(person, actor_of(request)),
        "consents": person.consents.select_related("topic").order_by("channel", "topic__name"),
        "channels": CHANNELS,
        "suppressions": suppression.holding(person),
        "erase_address": _address_or_none("audiences:erase", person.pk),
    }
    return render(request, "audiences/profile.html", page, status=status)


def _uploads(person: Profile, actor: User) -> list[tuple[str, list[tuple[str, str]]]]:
    """The uploaded audiences the person is in, and what each keeps of them, in words."""
    found = people.uploads_of(person, actor=actor)
    return [(name, [(key, written(value)) for key, value in kept.items()]) for name, kept in found.items()]


def _address_or_none(name: str, pk: int) -> str | None:
    try:
        return reverse(name, args=[pk])
    except NoReverseMatch:
        return None


@login_required
@require_POST
def attach(request: HttpRequest, pk: int) -> HttpResponse:
    """Another identity; one that cannot be had is told beside its field."""
    person = _person(request, pk)
    adding = IdentityForm(request.POST, workspace=person.workspace)
    if adding.is_valid():
        namespace, value = adding.cleaned_data["namespace"], adding.cleaned_data["value"]
        try:
            identities.attach(person, namespace, value, actor=actor_of(request), now=timezone.now())
        except Invalid as error:
            show_faults(Invalid(Problem(one.code, one.detail, "value") for one in error.problems), adding)
        else:
            messages.success(request, _("Saved."))
            return redirect("audiences:profile", pk)
    return _page(request, person, adding=adding, status=400)


@login_required
@require_POST
def detach(request: HttpRequest, pk: int) -> HttpResponse:
    person = _person(request, pk)
    namespace, value = request.POST.get("namespace", ""), request.POST.get("value", "")
    try:
        identities.detach(person, namespace, value, actor=actor_of(request), now=timezone.now())
    except Invalid as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, _("Saved."))
    return redirect("audiences:profile", pk)


@login_required
@require_safe
def profile_events(request: HttpRequest, pk: int) -> HttpResponse:
    """What the person did, a piece of their page."""
    person = _person(request, pk)
    rows = events.page_of(person, before=_place(request.GET.get("before", "")), size=EVENTS + 1)
    shown = rows[:EVENTS]
    last = f"{shown[-1].at.isoformat()}~{shown[-1].id}" if len(rows) > EVENTS else ""
    page = {"person": person, "events": shown, "before": last}
    is_fragment = bool(getattr(request, "htmx", False))
    name = "audiences/_events.html" if is_fragment else "audiences/profile_events.html"
    return render(request, name, page)


def _place(given: str) -> tuple[datetime, int] | None:
    """The event that the page before ended with; what is none begins at the beginning."""
    at, _tilde, text = given.partition("~")
    try:
        moment = datetime.fromisoformat(at)
        in_utc = moment.astimezone(UTC)
    except (ValueError, OverflowError):  # before all moments that can be kept, or after them
        return None
    number = whole_number(text)
    return (in_utc, number) if number is not None and moment.tzinfo is not None else None


@login_required
@require_safe
def profile_export(request: HttpRequest, pk: int) -> HttpResponse:
    """All that is held of one person, for the person who asks for it."""
    person = _person(request, pk)
    text = json.dumps(people.record(person, actor=actor_of(request)), indent=2, ensure_ascii=False)
    response = HttpResponse(text, content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="profile-{person.pk}.json"'
    response["Cache-Control"] = "no-store"
    return response


def _person(request: HttpRequest, pk: int) -> Profile:
    person = access.profile_for(actor_of(request), pk)
    request.workspace = person.workspace  # type: ignore[attr-defined]
    return person
