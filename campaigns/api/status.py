"""What became of a call, and of one message: state, attempts and events, read from the ledger's rows."""

from __future__ import annotations

import re
import uuid
from typing import Any, cast

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.models import ApiCredential
from campaigns import access
from campaigns.api.executions import as_answer, as_schedule, as_status
from campaigns.api.shapes import ExecutionStatusShape, MessageShape, RunStatusShape, ScheduleShape
from campaigns.delivery import audiencecalls
from campaigns.models import Execution, Message
from campaigns.reports import story
from campaigns.reports.story import Story
from common.errors import NotFound

REPORT = "campaigns.view_report"
KEY = re.compile(r"([0-9]{1,9})\.([0-9]{1,3})\.([0-9]{1,12})")


class OneExecution(APIView):
    """`GET /ajo/im/executions/{id}`: the call with the messages it led to."""

    @extend_schema(operation_id="get_execution", responses=ExecutionStatusShape)
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        found = Execution.objects.select_related("campaign__workspace", "credential").filter(pk=pk).first()
        if found is None or not _is_seen(request, found.campaign_id):
            raise NotFound(_("There is no such execution, or you may not see it."))
        require(cast(ApiCredential, request.user), REPORT, found.campaign)
        rows = Message.objects.filter(
            run=found.run_id, ref__range=(found.first_ref, found.first_ref + max(found.size, 1) - 1)
        )
        messages = rows.select_related("run__version", "run__campaign").order_by("ref", "action")
        told = story.tell_all(messages) if found.size else []
        answer = as_answer(found, is_repeat=False)
        answer |= {"campaignId": str(found.campaign_id), "kind": found.kind}
        return Response({**answer, "messages": [as_told(one) for one in told]})


class OneRun(APIView):
    """`GET /ajo/im/executions/audience/{id}`: how far a call to an audience has come."""

    @extend_schema(operation_id="get_audience_execution", responses=RunStatusShape)
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        return Response(as_status(_to_audience(request, pk)))


class OneSchedule(APIView):
    """`/ajo/im/executions/schedules/{id}`: a call for later; cancelled as long as it has not begun."""

    @extend_schema(operation_id="get_schedule", responses=ScheduleShape)
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        return Response(as_schedule(_to_audience(request, pk)))

    @extend_schema(operation_id="cancel_schedule", responses={200: OpenApiTypes.OBJECT})
    def delete(self, request: Request, pk: uuid.UUID) -> Response:
        found = _to_audience(request, pk)
        actor = cast(ApiCredential, request.user)
        audiencecalls.cancel(found, actor=actor, now=timezone.now())
        return Response({})


def _to_audience(request: Request, pk: uuid.UUID) -> Execution:
    rows = Execution.objects.select_related("run__version", "campaign__workspace")
    found = rows.filter(pk=pk, kind=Execution.Kind.AUDIENCE).first()
    if found is None or not _is_seen(request, found.campaign_id):
        raise NotFound(_("There is no such execution, or you may not see it."))
    return found


class OneMessage(APIView):
    """`GET /ajo/im/messages/{id}`: one message's whole story."""

    @extend_schema(operation_id="get_message", responses=MessageShape)
    def get(self, request: Request, key: str) -> Response:
        named = KEY.fullmatch(key)
        missing = NotFound(_("There is no such message, or you may not see it."))
        if named is None:
            raise missing
        run, action, ref = (int(part) for part in named.groups())
        rows = Message.objects.select_related("run__version", "run__campaign__workspace")
        found = rows.filter(run=run, action=action, ref=ref).first() if run < 2**31 else None
        if found is None or not _is_seen(request, found.run.campaign_id):
            raise missing
        require(cast(ApiCredential, request.user), REPORT, found.run.campaign)
        return Response(as_told(story.tell(found)))


def _is_seen(request: Request, campaign_id: int) -> bool:
    try:
        access.campaign_for(cast(ApiCredential, request.user), campaign_id)
    except NotFound:
        return False
    return True


def as_told(told: Story) -> dict[str, Any]:
    return {
        "messageId": told.key,
        "campaignId": str(told.message.run.campaign_id),
        "channel": told.channel,
        "address": told.message.address,
        "treatment": told.treatment,
        "language": told.language,
        "state": told.state,
        "subject": story.subject(told.message),
        "attempts": [
            {
                "at": one.at,
                "outcome": one.outcome,
                "code": one.code,
                "reason": story.reason(one),
                "detail": one.detail,
                "retryAt": one.retry_at,
                "providerId": one.provider_id,
            }
            for one in told.attempts
        ],
        "events": [
            {
                "at": one.at,
                "kind": one.kind,
                "url": told.links.get(one.link) if one.link is not None else None,
                "machine": one.machine,
            }
            for one in told.events
        ],
    }
