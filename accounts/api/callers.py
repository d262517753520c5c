"""Who calls the REST API: the credential, and what its role allows in its workspace."""

from __future__ import annotations

from typing import cast

from rest_framework.request import Request

from accounts.access import rights_in
from accounts.models import ApiCredential


def credential_of(request: Request) -> ApiCredential:
    return cast(ApiCredential, request.user)


def rights_of(request: Request) -> set[str]:
    """Every permission that the credential's role gives in its workspace."""
    credential = credential_of(request)
    return rights_in(credential, credential.workspace)
