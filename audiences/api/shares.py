"""The REST doors of sharing: with whom one audience is shared, sharing it, and taking that back.

A holder is a person or a role of the workspace, named “user:3” or “role:8”; reading tells those there are.
Only who may manage the audience comes in, as on its page.
"""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Role, User
from accounts.sharing import holder_called, shown
from audiences import access, sharing
from audiences.api.bodies import credential_of
from audiences.models import Audience
from common.api import StrictSerializer


class HolderShape(StrictSerializer):
    holder = serializers.CharField(help_text="“user:3” or “role:8”.")
    name = serializers.CharField()


class ShareShape(HolderShape):
    level = serializers.ChoiceField(list(sharing.LEVELS))


class SharesShape(StrictSerializer):
    results = ShareShape(many=True)
    available = HolderShape(many=True, help_text="With whom it can be shared.")


class ShareWrite(StrictSerializer):
    level = serializers.ChoiceField(list(sharing.LEVELS), help_text="Who may manage it also sees it.")


class Shares(APIView):
    @extend_schema(operation_id="audiences_shares", responses=SharesShape)
    def get(self, request: Request, pk: int) -> Response:
        """With whom it is shared, and with whom it can be."""
        audience = access.audience_for(credential_of(request), pk, access.MANAGE)
        return Response(sharing.SHARING.overview(audience))


class OneShare(APIView):
    @extend_schema(operation_id="audiences_share", request=ShareWrite, responses=ShareShape)
    def put(self, request: Request, pk: int, holder: str) -> Response:
        """In place of the level they had. It adds to what their roles allow and never takes away."""
        audience, whom = self._found(request, pk, holder)
        body = ShareWrite(data=request.data)
        body.is_valid(raise_exception=True)
        level = body.validated_data["level"]
        sharing.give(audience, holder=whom, level=level, actor=credential_of(request), now=timezone.now())
        return Response(shown(whom, level))

    @extend_schema(operation_id="audiences_unshare", responses={204: None})
    def delete(self, request: Request, pk: int, holder: str) -> Response:
        """What they may do by their roles stays. Taking back what was never given changes nothing."""
        audience, whom = self._found(request, pk, holder)
        sharing.withdraw(audience, holder=whom, actor=credential_of(request), now=timezone.now())
        return Response(status=204)

    def _found(self, request: Request, pk: int, holder: str) -> tuple[Audience, User | Role]:
        audience = access.audience_for(credential_of(request), pk, access.MANAGE)
        return audience, holder_called(audience.workspace, holder)
