"""What the views about people share: who asks, where they stand, and faults beside their fields."""

from __future__ import annotations

from typing import cast

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User, Workspace
from audiences import access, evaluations
from audiences.models import Audience
from common.errors import Invalid, NotFound


def actor_of(request: HttpRequest) -> User:
    return cast(User, request.user)


def workspace_of(request: HttpRequest) -> Workspace:
    workspace: Workspace | None = getattr(request, "workspace", None)
    if workspace is None:
        raise NotFound(_("You hold no role in any workspace. An administrator can give you one."))
    return workspace


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
