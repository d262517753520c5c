"""What the views of channels share: who asks, where they stand, and faults beside their fields."""

from __future__ import annotations

from typing import cast

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User, Workspace
from common.errors import Invalid, NotFound


def actor_of(request: HttpRequest) -> User:
    return cast(User, request.user)


def workspace_of(request: HttpRequest) -> Workspace:
    workspace: Workspace | None = getattr(request, "workspace", None)
    if workspace is None:
        raise NotFound(_("You hold no role in any workspace."))
    return workspace


def show_faults(error: Invalid, *shown: forms.BaseForm) -> None:
    """Each fault beside the field it names, in whichever form has it; else above the first form."""
    for problem in error.problems:
        form = next((one for one in shown if problem.pointer in one.fields), None)
        if form is not None:
            form.add_error(problem.pointer, str(problem.detail))
        else:
            shown[0].add_error(None, str(problem.detail))
