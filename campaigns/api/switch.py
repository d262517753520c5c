"""The REST door of the main switch: whether the workspace sends, and to stop and allow it."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import switch
from accounts.access import require
from accounts.doors.callers import credential_of
from accounts.models import Workspace
from campaigns.access import PUBLISH, VIEW
from campaigns.delivery import bound, ring
from common.api import StrictSerializer


class SendingShape(StrictSerializer):
    isOn = serializers.BooleanField()
    isCopy = serializers.BooleanField(
        help_text="This database is a copy of the one that the workspace sends from; it sends nothing."
    )
    stoppedAt = serializers.DateTimeField(allow_null=True)
    stoppedBy = serializers.CharField(help_text="Empty while it is on.")
    why = serializers.CharField(help_text="Empty while it is on.")
    mayStillLeave = serializers.IntegerField(help_text="Messages that workers may have under way, at most.")


class SendingWrite(StrictSerializer):
    on = serializers.BooleanField(help_text="false stops all sending of the workspace; true allows it again.")
    why = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=switch.LONGEST_WHY,
        help_text="Needed to stop; everybody in the workspace reads it.",
    )


class Sending(APIView):
    @extend_schema(operation_id="sending_read", responses=SendingShape)
    def get(self, request: Request) -> Response:
        workspace = credential_of(request).workspace
        require(credential_of(request), VIEW, workspace)
        return Response(SendingShape(_told(workspace)).data)

    @extend_schema(
        operation_id="sending_switch",
        request=SendingWrite,
        responses=SendingShape,
        examples=[OpenApiExample("Stop", value={"on": False, "why": "Wrong prices"}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Nothing is lost while it is off: what is due waits, and leaves once when sending is allowed again.

        Calls for messages are refused meanwhile with 409 `sending_stopped`.
        """
        credential = credential_of(request)
        require(credential, PUBLISH, credential.workspace)
        body = SendingWrite(data=request.data)
        body.is_valid(raise_exception=True)
        by: dict[str, Any] = {"actor": credential, "now": timezone.now()}
        if body.validated_data["on"]:
            workspace = switch.allow_sending(credential.workspace, **by)
            ring.due_runs()
        else:
            workspace = switch.stop_sending(credential.workspace, why=body.validated_data["why"], **by)
        return Response(SendingShape(_told(workspace)).data)


def _told(workspace: Workspace) -> dict[str, Any]:
    found = switch.standing(workspace)
    return {
        "isOn": found.is_on,
        "isCopy": found.is_copy,
        "stoppedAt": found.stopped_at,
        "stoppedBy": found.stopped_by,
        "why": found.why,
        "mayStillLeave": bound.may_leave_from(workspace),
    }
