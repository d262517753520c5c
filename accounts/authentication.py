"""How another system signs in: `Authorization: Bearer`, see `callers.py`; it then acts as a role."""

from __future__ import annotations

from django.utils import timezone
from rest_framework import authentication
from rest_framework.request import Request

from accounts.callers import credential_of
from accounts.models import ApiCredential


class CredentialAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[ApiCredential, None] | None:
        credential = credential_of(request.headers.get("Authorization", ""), now=timezone.now())
        return None if credential is None else (credential, None)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
