"""Who asks, and where they stand: a person at a page, a credential at the REST API."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework.request import Request

from accounts.access import rights_in
from accounts.models import ApiCredential, User, Workspace
from common.errors import NotFound


def actor_of(request: HttpRequest) -> User:
    return cast(User, request.user)


def workspace_of(request: HttpRequest) -> Workspace:
    workspace: Workspace | None = getattr(request, "workspace", None)
    if workspace is None:
        raise NotFound(_("You hold no role in any workspace. An administrator can give you one."))
    return workspace


def credential_of(request: Request) -> ApiCredential:
    return cast(ApiCredential, request.user)


def rights_of(request: Request) -> set[str]:
    """Every permission that the credential's role gives in its workspace."""
    credential = credential_of(request)
    return rights_in(credential, credential.workspace)
