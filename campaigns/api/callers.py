"""Who calls: what every REST door of campaigns asks first."""

from __future__ import annotations

from typing import cast

from rest_framework.request import Request

from accounts.models import ApiCredential


def credential_of(request: Request) -> ApiCredential:
    return cast(ApiCredential, request.user)
