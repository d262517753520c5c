"""The REST doors of sharing: with whom one configuration is shared, sharing it, and taking that back.

A holder is a person or a role of the workspace, named “user:3” or “role:8”; reading tells those there are.
Only who may manage the configuration comes in, as on its page.
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
from channels import access
from channels.api.callers import credential_of
from channels.models import ChannelConfiguration
from channels.sharing import SHARING
from common.api import StrictSerializer


class ConfigurationHolderShape(StrictSerializer):
    holder = serializers.CharField(help_text="“user:3” or “role:8”.")
    name = serializers.CharField()


class ConfigurationShareShape(ConfigurationHolderShape):
    level = serializers.ChoiceField(list(SHARING.levels))


class ConfigurationSharesShape(StrictSerializer):
    results = ConfigurationShareShape(many=True)
    available = ConfigurationHolderShape(many=True, help_text="With whom it can be shared.")


class ConfigurationShareWrite(StrictSerializer):
    level = serializers.ChoiceField(list(SHARING.levels), help_text="Who may manage it also sees it.")


class Shares(APIView):
    @extend_schema(operation_id="channel_configurations_shares", responses=ConfigurationSharesShape)
    def get(self, request: Request, pk: int) -> Response:
        """With whom it is shared, and with whom it can be."""
        row = access.configuration_for(credential_of(request), pk, access.MANAGE)
        return Response(SHARING.overview(row))


class OneShare(APIView):
    @extend_schema(
        operation_id="channel_configurations_share",
        request=ConfigurationShareWrite,
        responses=ConfigurationShareShape,
    )
    def put(self, request: Request, pk: int, holder: str) -> Response:
        """In place of the level they had. It adds to what their roles allow and never takes away."""
        row, whom = self._found(request, pk, holder)
        body = ConfigurationShareWrite(data=request.data)
        body.is_valid(raise_exception=True)
        level = body.validated_data["level"]
        SHARING.give(row, holder=whom, level=level, actor=credential_of(request), now=timezone.now())
        return Response(shown(whom, level))

    @extend_schema(operation_id="channel_configurations_unshare", responses={204: None})
    def delete(self, request: Request, pk: int, holder: str) -> Response:
        """What they may do by their roles stays. Taking back what was never given changes nothing."""
        row, whom = self._found(request, pk, holder)
        SHARING.withdraw(row, holder=whom, actor=credential_of(request), now=timezone.now())
        return Response(status=204)

    def _found(self, request: Request, pk: int, holder: str) -> tuple[ChannelConfiguration, User | Role]:
        row = access.configuration_for(credential_of(request), pk, access.MANAGE)
        return row, holder_called(row.workspace, holder)
