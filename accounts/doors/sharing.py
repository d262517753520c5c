"""The REST doors of sharing, one pair for each kind of object that can be shared.

A holder is a person or a role of the workspace, named “user:3” or “role:8”; reading tells those there are.
Only who may manage the object comes in, as on its page.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import Model
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import Actor
from accounts.doors.callers import credential_of
from accounts.models import Role, User
from accounts.sharing import Sharing, holder_called, shown
from common.api import StrictSerializer
from common.doors import body_of

Gate = Callable[[Actor, int, str], Model]


def sharing_doors(
    sharing: Sharing, gate: Gate, *, operation: str, component: str = ""
) -> tuple[type[APIView], type[APIView]]:
    """The door of all shares of one object and that of one holder's.

    `gate` is the app's own: (caller, number, right) → the object, or it raises NotFound or PermissionMissing.
    `operation` begins the operations' names (“audiences” → “audiences_shares”), `component` the shapes'.
    """
    levels = list(sharing.levels)

    @extend_schema_serializer(component_name=f"{component}Holder")
    class HolderShape(StrictSerializer):
        holder = serializers.CharField(help_text="“user:3” or “role:8”.")
        name = serializers.CharField()

    @extend_schema_serializer(component_name=f"{component}Share")
    class ShareShape(HolderShape):
        level = serializers.ChoiceField(levels)

    @extend_schema_serializer(component_name=f"{component}Shares")
    class SharesShape(StrictSerializer):
        results = ShareShape(many=True)
        available = HolderShape(many=True, help_text="With whom it can be shared.")

    @extend_schema_serializer(component_name=f"{component}ShareWrite")
    class ShareWrite(StrictSerializer):
        level = serializers.ChoiceField(levels, help_text="Every level includes seeing it.")

    class Shares(APIView):
        @extend_schema(operation_id=f"{operation}_shares", responses=SharesShape)
        def get(self, request: Request, pk: int) -> Response:
            """With whom it is shared, and with whom it can be."""
            return Response(sharing.overview(gate(credential_of(request), pk, sharing.manage)))

    class OneShare(APIView):
        @extend_schema(operation_id=f"{operation}_share", request=ShareWrite, responses=ShareShape)
        def put(self, request: Request, pk: int, holder: str) -> Response:
            """In place of the level they had. It adds to what their roles allow and never takes away."""
            row, whom = self._found(request, pk, holder)
            level = body_of(request, ShareWrite)["level"]
            sharing.give(row, holder=whom, level=level, actor=credential_of(request), now=timezone.now())
            return Response(shown(whom, level))

        @extend_schema(operation_id=f"{operation}_unshare", responses={204: None})
        def delete(self, request: Request, pk: int, holder: str) -> Response:
            """What they may do by their roles stays. Taking back what was never given changes nothing."""
            row, whom = self._found(request, pk, holder)
            sharing.withdraw(row, holder=whom, actor=credential_of(request), now=timezone.now())
            return Response(status=204)

        def _found(self, request: Request, pk: int, holder: str) -> tuple[Model, User | Role]:
            row = gate(credential_of(request), pk, sharing.manage)
            return row, holder_called(row.workspace, holder)  # type: ignore[attr-defined]

    return Shares, OneShare
