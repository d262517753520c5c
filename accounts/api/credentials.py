"""The REST doors of API credentials: list, issue, read, rotate, revoke.

A token is shown once, by the call that made it.
"""

from __future__ import annotations

from typing import cast

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import credentials
from accounts.access import MANAGE_WORKSPACE, require
from accounts.models import ApiCredential, Role
from common.api import StrictSerializer, choice_of, fields_of, page_of
from common.doors import NEWEST, SEARCH, Acting, body_of, listed, listing, pointing, searched, shown
from common.errors import Invalid, Problem

ORDERS = {**NEWEST, "name": "name"}
STATES = ["active", "expired", "revoked"]
CAMEL = {"expires_at": "expiresAt", "calls_per_minute": "callsPerMinute"}


class CredentialWrite(StrictSerializer):
    name = serializers.CharField(max_length=100)
    role = serializers.IntegerField(
        min_value=1, max_value=2**63 - 1, help_text="What it may: see `/api/roles/`."
    )
    expiresAt = serializers.DateTimeField(source="expires_at", required=False, allow_null=True, default=None)
    callsPerMinute = serializers.IntegerField(
        source="calls_per_minute",
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        max_value=credentials.MOST_CALLS,
        help_text="null: as many as it likes.",
    )


class CredentialShape(Acting):
    right = MANAGE_WORKSPACE
    id = serializers.IntegerField()
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="What its tokens begin with; no secret.")
    role = serializers.IntegerField(source="role_id")
    state = serializers.SerializerMethodField()
    callsPerMinute = serializers.IntegerField(source="calls_per_minute", allow_null=True)
    createdAt = serializers.DateTimeField(source="created_at")
    expiresAt = serializers.DateTimeField(source="expires_at", allow_null=True)
    revokedAt = serializers.DateTimeField(source="revoked_at", allow_null=True)
    lastUsedAt = serializers.DateTimeField(source="last_used_at", allow_null=True)
    olderTokenUntil = serializers.DateTimeField(
        source="previous_until", allow_null=True, help_text="Until then the token before the last works too."
    )

    def get_state(self, row: ApiCredential) -> str:
        return credentials.state(row, now=timezone.now())

    def possible(self, row: ApiCredential) -> list[str]:
        if row.revoked_at:
            return []
        return ["rotate", "revoke"] if self.get_state(row) == "active" else ["revoke"]


class CredentialMade(CredentialShape):
    token = serializers.CharField(help_text="It is shown this once.")


class Credentials(APIView):
    @extend_schema(
        operation_id="credentials_list",
        parameters=listing(CredentialShape, ORDERS, OpenApiParameter("state", str, enum=STATES), SEARCH),
        responses=page_of(CredentialShape),
    )
    def get(self, request: Request) -> Response:
        credential = cast(ApiCredential, request.user)
        rows = searched(request, credentials.list_for(credential, credential.workspace))
        if state := choice_of(request, "state", STATES):
            rows = credentials.in_state(rows, state, now=timezone.now())
        return listed(request, rows, CredentialShape, ORDERS, rights={MANAGE_WORKSPACE})

    @extend_schema(
        operation_id="credentials_issue",
        request=CredentialWrite,
        responses={201: CredentialMade},
        examples=[OpenApiExample("For a shop", value={"name": "Web shop", "role": 3}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """The answer's `token` is what the other system sends: `Authorization: Bearer …`."""
        credential = cast(ApiCredential, request.user)
        require(credential, MANAGE_WORKSPACE, credential.workspace)
        given = body_of(request, CredentialWrite)
        given["role"] = Role.objects.filter(workspace=credential.workspace, pk=given["role"]).first()
        if given["role"] is None:
            raise Invalid(Problem("unknown", _("There is no such role."), "/role"))
        with pointing(CAMEL):
            made, token = credentials.issue(
                workspace=credential.workspace, **given, actor=credential, now=timezone.now()
            )
        return shown(request, made, CredentialShape, {MANAGE_WORKSPACE}, status=201, token=token)


class OneCredential(APIView):
    @extend_schema(
        operation_id="credentials_read", parameters=[fields_of(CredentialShape)], responses=CredentialShape
    )
    def get(self, request: Request, pk: int) -> Response:
        return shown(request, _named(request, pk), CredentialShape, {MANAGE_WORKSPACE})


class Rotate(APIView):
    @extend_schema(operation_id="credentials_rotate", request=None, responses=CredentialMade)
    def post(self, request: Request, pk: int) -> Response:
        """A new token; the one before works for seven more days. 409 where it works no more."""
        row, actor = _named(request, pk), cast(ApiCredential, request.user)
        token = credentials.rotate(row, actor=actor, now=timezone.now())
        return shown(request, _named(request, pk), CredentialShape, {MANAGE_WORKSPACE}, token=token)


class Revoke(APIView):
    @extend_schema(operation_id="credentials_revoke", request=None, responses=CredentialShape)
    def post(self, request: Request, pk: int) -> Response:
        """It works no more from this moment on, for good."""
        row, actor = _named(request, pk), cast(ApiCredential, request.user)
        credentials.revoke(row, actor=actor, now=timezone.now())
        return shown(request, _named(request, pk), CredentialShape, {MANAGE_WORKSPACE})


def _named(request: Request, pk: int) -> ApiCredential:
    return credentials.credential_for(cast(ApiCredential, request.user), pk)
