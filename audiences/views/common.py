"""What the views about people share: the audience of the address, and faults beside their fields."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from accounts.doors.callers import actor_of
from audiences import access, evaluations
from audiences.models import Audience
from common.errors import Invalid


def audience_of(request: HttpRequest, pk: int, permission: str = access.VIEW) -> Audience:
    """Through the gate; the page's frame then shows the audience's own workspace."""
    audience = access.audience_for(actor_of(request), pk, permission)
    request.workspace = audience.workspace  # type: ignore[attr-defined]
    return audience


def to_page_of(audience: Audience) -> HttpResponse:
    """To its page after a change. Its size is counted now if that is quick: looking writes nothing."""
    if audience.counted is None and audience.state != Audience.State.ARCHIVED:
        evaluations.at_once(audience, now=timezone.now())
    return redirect("audiences:detail", audience.pk)


def show_faults(error: Invalid, form: forms.Form, fallback: str | None = None) -> None:
    """Each fault beside the field it names, with its place in a rule's tree."""
    for problem in error.problems:
        field = problem.pointer if problem.pointer in form.fields else fallback
        place = f"{problem.pointer}: " if problem.pointer.startswith("/") else ""
        form.add_error(field, f"{place}{problem.detail}")
