"""The trigger doors. 202 means that the message is durable and will be tried, whatever happens next."""

from __future__ import annotations

from typing import cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import ApiCredential
from campaigns import access
from campaigns.api.bodies import Unitary as UnitaryBody
from campaigns.api.shapes import ExecutionShape, HealthShape, UnitaryShape
from campaigns.delivery import triggered
from campaigns.models import Execution


class Health(APIView):
    authentication_classes = []
    permission_classes = []

    @extend_schema(operation_id="health", responses=HealthShape)
    def get(self, request: Request) -> Response:
        return Response({"status": "UP"})


class Unitary(APIView):
    """`POST /ajo/im/executions/unitary`: 1 to 20 recipients of one API-triggered campaign."""

    @extend_schema(operation_id="send_unitary", request=UnitaryShape, responses={202: ExecutionShape})
    def post(self, request: Request) -> Response:
        credential = cast(ApiCredential, request.user)
        body = UnitaryBody(request.data)
        campaign = access.campaign_for(credential, body.campaign_id)
        accepted = triggered.accept(
            campaign,
            body.recipients,
            request_id=body.request_id,
            digest=triggered.body_hash(request.data),
            credential=credential,
            now=timezone.now(),
        )
        return Response(as_answer(accepted.execution, is_repeat=accepted.is_repeat), status=202)


def as_answer(execution: Execution, *, is_repeat: bool) -> dict[str, object]:
    made = {"At": execution.created_at.isoformat(), "By": execution.credential and execution.credential.name}
    answer: dict[str, object] = {"executionId": str(execution.pk), "requestId": execution.request_id}
    for word in ("created", "modified"):
        answer |= {f"{word}{ending}": value for ending, value in made.items()}
    return {**answer, "deduplicated": True} if is_repeat else answer
