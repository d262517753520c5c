"""How another system signs in: `Authorization: Bearer` with its credential's token, or with an access token
it got for it (`oauth.py`); it then acts as a role.
"""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from django.utils import timezone
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from accounts import callrate, credentials, oauth
from accounts.models import ApiCredential


def credential_of(request: HttpRequest | Request, *, now: datetime) -> ApiCredential | None:
    """None without a bearer token. Raises AuthenticationFailed, or Throttled for one that calls too often."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = token.strip()
    credential = credentials.find(token, now=now) or oauth.find(token, now=now)
    if credential is None:
        raise exceptions.AuthenticationFailed("The credential is unknown, expired or revoked.")
    if wait := callrate.seconds_to_wait(credential, now=now):
        raise exceptions.Throttled(wait)
    return credential


class CredentialAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[ApiCredential, None] | None:
        credential = credential_of(request, now=timezone.now())
        return None if credential is None else (credential, None)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
