"""How another system signs in: `Authorization: Bearer <prefix>.<secret>`; it then acts as a role."""

from __future__ import annotations

from django.utils import timezone
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from accounts import credentials
from accounts.models import ApiCredential


class CredentialAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[ApiCredential, None] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        credential = credentials.find(token.strip(), now=timezone.now())
        if credential is None:
            raise exceptions.AuthenticationFailed("The credential is unknown, expired or revoked.")
        return credential, None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
