"""The pages of topics, of one person's consent, and of erasing a person."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import require, visible_to
from accounts.doors import seen
from accounts.doors.callers import actor_of, workspace_of
from audiences import access, confirmations, consent, erasure, suppression
from audiences import topics as lists
from audiences.forms.consent import SayForm, TopicForm
from audiences.models import Profile, Topic
from audiences.reachability import CHANNELS
from audiences.views.common import show_faults
from common.errors import Invalid

HISTORY = 50


# ---- topics ---------------------------------------------------------------------------------------
@login_required
@require_safe
def topics(request: HttpRequest) -> HttpResponse:
    workspace = workspace_of(request)
    rows = list(lists.listed_for(actor_of(request), workspace))
    page = {"topics": rows, "can_send": confirmations.configuration_for(workspace) is not None}
    return render(request, "audiences/topics.html", page)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def topic_create(request: HttpRequest) -> HttpResponse:
    workspace = workspace_of(request)
    require(actor_of(request), access.MANAGE, workspace)
    form = TopicForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            given = form.cleaned_data
            made = lists.create(workspace, **given, actor=actor_of(request), now=timezone.now())
        except Invalid as error:
            show_faults(error, form)
        else:
            return redirect("audiences:topic", made.pk)
    status = 400 if form.errors else 200
    return render(request, "audiences/topic.html", {"form": form}, status=status)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def topic(request: HttpRequest, pk: int) -> HttpResponse:
    """One topic: what it is called and offers, where its page is, and whether its mails can leave."""
    held = _topic(request, pk, access.VIEW if request.method != "POST" else access.MANAGE)
    first = _shown(held)
    form = TopicForm(request.POST if request.method == "POST" else None, initial=first)
    del form.fields["key"]
    if request.method == "POST" and form.is_valid():
        try:
            with seen.upon(request, held, lambda: _shown(held)):
                lists.change(held, **form.cleaned_data, actor=actor_of(request), now=timezone.now())
        except Invalid as error:
            show_faults(error, form)
        else:
            messages.success(request, _("Saved."))
            return redirect("audiences:topic", pk)
    seen.show(request, _shown(held))
    place = reverse("people_public:subscribe", args=[held.workspace.slug, held.key])
    page = {
        "form": form,
        "topic": held,
        "counts": lists.listed_for(actor_of(request), held.workspace).get(pk=pk),
        "address": request.build_absolute_uri(place),
        "can_send": confirmations.configuration_for(held.workspace) is not None,
        "audiences": visible_to(actor_of(request), held.audiences.all(), access.VIEW).order_by("name"),
    }
    return render(request, "audiences/topic.html", page, status=400 if form.errors else 200)


def _shown(topic: Topic) -> dict[str, Any]:
    return {name: getattr(topic, name) for name in lists.CHANGEABLE}


@login_required
@require_POST
def topic_archive(request: HttpRequest, pk: int) -> HttpResponse:
    """Out of the offer, or back into it."""
    held = _topic(request, pk, access.MANAGE)
    act = lists.reopen if "reopen" in request.POST else lists.archive
    act(held, actor=actor_of(request), now=timezone.now())
    return redirect("audiences:topic", pk)


def _topic(request: HttpRequest, pk: int, permission: str) -> Topic:
    held = lists.topic_for(actor_of(request), pk, permission)
    request.workspace = held.workspace  # type: ignore[attr-defined]
    return held


# ---- one person ------------------------------------------------------------------------------------
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def consents(request: HttpRequest, pk: int) -> HttpResponse:
    """What one person allows, with its history; a part of their page, and whole by itself."""
    person = _person(request, pk)
    form = SayForm(request.POST if request.method == "POST" else None, workspace=person.workspace)
    said = False
    if request.method == "POST" and form.is_valid():
        try:
            said = _record(request, person, form)
            form = SayForm(workspace=person.workspace)
        except Invalid as error:
            show_faults(error, form)
    page = {**_consent_of(person), "form": form, "person": person, "said": said}
    is_fragment = bool(getattr(request, "htmx", False))
    template = "audiences/_consents.html" if is_fragment else "audiences/consents.html"
    # htmx shows an answer only when it is no error; the fault stands beside its field.
    return render(request, template, page, status=400 if form.errors and not is_fragment else 200)


def _record(request: HttpRequest, person: Profile, form: SayForm) -> bool:
    return consent.say(person, **form.cleaned_data, actor=actor_of(request), now=timezone.now())


def _consent_of(person: Profile) -> dict[str, Any]:
    return {
        "consents": person.consents.select_related("topic").order_by("channel", "topic__name"),
        "history": person.consent_history.select_related("topic")[:HISTORY],
        "suppressions": suppression.holding(person),
        "channels": CHANNELS,
    }


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def erase(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks once, and says what goes."""
    person = _person(request, pk)
    if request.method == "POST":
        erasure.erase(person, actor=actor_of(request), now=timezone.now())
        messages.success(request, _("The person was erased. Only a hash of each address is kept."))
        return redirect("audiences:profiles")
    return render(request, "audiences/erase.html", {"person": person})


def _person(request: HttpRequest, pk: int) -> Profile:
    person = access.profile_for(actor_of(request), pk)
    request.workspace = person.workspace  # type: ignore[attr-defined]
    return person
