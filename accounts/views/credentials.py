"""The API page: which systems may call us, a new credential (its token is shown once), and revoking one."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import credentials
from accounts.forms import CredentialForm
from accounts.models import User, Workspace
from common.errors import Invalid, NotFound


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def show_credentials(request: HttpRequest) -> HttpResponse:
    """A POST answers with the page itself: the new token must rest nowhere, not even for a redirect."""
    workspace: Workspace | None = getattr(request, "workspace", None)
    if workspace is None:
        raise NotFound(_("You hold no role in any workspace."))
    actor = cast(User, request.user)
    credentials.list_for(actor, workspace)  # raises for who may not manage them
    form, token = CredentialForm(workspace, request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        token = _issue(form, workspace, actor)
    page = _page(actor, workspace, token)
    if form.errors:
        page["form"] = form
    return render(request, "accounts/credentials.html", page, status=400 if form.errors else 200)


@login_required
@never_cache
@require_POST
def rotate_credential(request: HttpRequest, pk: int) -> HttpResponse:
    """The page itself with the new token, which is shown this once."""
    actor = cast(User, request.user)
    credential = credentials.credential_for(actor, pk)
    token = credentials.rotate(credential, actor=actor, now=timezone.now())
    return render(request, "accounts/credentials.html", _page(actor, credential.workspace, token))


def _page(actor: User, workspace: Workspace, token: str = "") -> dict[str, Any]:
    rows = credentials.list_for(actor, workspace)
    now = timezone.now()
    return {
        "credentials": [(row, credentials.state(row, now=now)) for row in rows],
        "form": CredentialForm(workspace),
        "token": token,
        "now": now,
        "overlap": credentials.OVERLAP.days,
    }


def _issue(form: CredentialForm, workspace: Workspace, actor: User) -> str:
    """The token, or an empty text with the fault shown at its field."""
    given = form.cleaned_data
    try:
        _credential, token = credentials.issue(
            workspace=workspace,
            role=given["role"],
            name=given["name"],
            expires_at=form.expires_at(),
            calls_per_minute=given["calls_per_minute"],
            actor=actor,
            now=timezone.now(),
        )
    except Invalid as error:
        form.add_error("last_day" if error.code == "bad_expiry" else None, str(error.detail))
        return ""
    return token


@login_required
@require_POST
def revoke_credential(request: HttpRequest, pk: int) -> HttpResponse:
    actor = cast(User, request.user)
    credential = credentials.credential_for(actor, pk)
    credentials.revoke(credential, actor=actor, now=timezone.now())
    messages.success(request, _("“%(name)s” is revoked and works no more.") % {"name": credential.name})
    return redirect("accounts:credentials")
