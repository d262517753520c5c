"""`POST /oauth/token`: an access token for a client's id and secret, as every OAuth2 library asks for it."""

from __future__ import annotations

import base64
import binascii
from typing import Any, cast

from django.http import QueryDict
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from drf_spectacular.utils import extend_schema
from rest_framework import parsers, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import oauth
from common.errors import CarillonError


class GrantShape(serializers.Serializer[Any]):
    grant_type = serializers.ChoiceField(["client_credentials"])
    client_id = serializers.CharField(required=False, help_text="The credential's public id.")
    client_secret = serializers.CharField(
        required=False, help_text="What follows the dot in its token. Both can stand in Basic as well."
    )
    scope = serializers.CharField(required=False, help_text="Accepted, without effect: a role says it all.")


class TokenShape(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    token_type = serializers.ChoiceField(["bearer"])
    expires_in = serializers.IntegerField(help_text="Seconds.")


class _Refused(CarillonError):
    """RFC 6749 section 5.2: `error` stands beside the members of a problem."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, error=self.code, error_description=detail)


class UnsupportedGrant(_Refused):
    code = "unsupported_grant_type"


class InvalidClient(_Refused):
    status = 401
    code = "invalid_client"


@method_decorator(never_cache, name="dispatch")
class Token(APIView):
    authentication_classes = []
    permission_classes = []
    parser_classes = [parsers.FormParser]

    @extend_schema(operation_id="get_token", request=GrantShape, responses=TokenShape)
    def post(self, request: Request) -> Response:
        form = cast(QueryDict, request.data)
        given = str(form.get("client_id", "")), str(form.get("client_secret", ""))
        client_id, secret = _basic(request) or given
        if form.get("grant_type") != "client_credentials":
            raise UnsupportedGrant("Only the grant type client_credentials is offered.")
        token = oauth.grant(client_id, secret, now=timezone.now())
        if token is None:
            raise InvalidClient("The client is unknown, expired or revoked.")
        seconds = int(oauth.LIFETIME.total_seconds())
        return Response({"access_token": token, "token_type": "bearer", "expires_in": seconds})


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return name, secret
