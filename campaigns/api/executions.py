"""The trigger doors. 202 means that the message is durable and will be tried, whatever happens next.

They are plain views on the hot path: REST framework describes them, and answers everything but the POST.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from accounts.callers import credential_of
from accounts.models import ApiCredential
from audiences.access import audience_for
from campaigns import access
from campaigns.api import bodies
from campaigns.api.shapes import (
    ExecutionShape,
    HealthShape,
    HighThroughputShape,
    ScheduleShape,
    ToAudienceShape,
    UnitaryShape,
)
from campaigns.delivery import audiencecalls, triggered
from campaigns.delivery.triggered import Call
from campaigns.models import Execution, Run
from common.api import require_utf8
from common.errors import CarillonError, Invalid, NotSignedIn, Problem

Body = TypeVar("Body")
KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    description="In place of the requestId: the same key and body is the same call. At most 255 characters.",
)


class Health(APIView):
    authentication_classes = []
    permission_classes = []

    @extend_schema(operation_id="health", responses=HealthShape)
    def get(self, request: Request) -> Response:
        return Response({"status": "UP"})


class Door(APIView):
    """A POST that is accepted at once and for good."""

    kind: ClassVar[str]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            return super().dispatch(request, *args, **kwargs)
        credential = None
        try:
            credential = credential_of(request.headers.get("Authorization", ""), now=timezone.now())
            if credential is None:
                raise NotSignedIn("Send a credential: Authorization: Bearer ….")
            return JsonResponse(self.post(request, credential), status=202)
        except (CarillonError, exceptions.APIException) as error:
            told: Callable[..., HttpResponse] = cast(Any, api_settings.EXCEPTION_HANDLER)
            return told(error, {"named": _named(request)} if credential else {})

    def post(self, request: HttpRequest, credential: ApiCredential) -> dict[str, object]:
        raise NotImplementedError

    def call(self, request: HttpRequest, body: Any, request_id: str, credential: ApiCredential) -> Call:
        return Call(
            credential=credential,
            request_id=request_id,
            key=_key(request) or request_id,
            digest=triggered.body_hash(body),
            at=timezone.now(),
            kind=self.kind,
        )

    def read(
        self, request: HttpRequest, credential: ApiCredential, reading: Callable[[Any], Body]
    ) -> tuple[Any, Body]:
        """The body as given and as read. What is wrong with it is told only to who may send something."""
        try:
            given = _json(request)
            return given, reading(given)
        except (Invalid, exceptions.APIException):
            access.require_some(credential, access.PUBLISH, credential.workspace)
            raise

    def accept(
        self, request: HttpRequest, credential: ApiCredential, reading: type[bodies.Unitary]
    ) -> dict[str, object]:
        given, body = self.read(request, credential, reading)
        call = self.call(request, given, body.request_id, credential)
        accepted = triggered.accept(body.campaign_id, body.recipients, call)
        return as_answer(accepted.execution, is_repeat=accepted.is_repeat)


class Unitary(Door):
    """`POST /ajo/im/executions/unitary`: 1 to 20 recipients of one API-triggered campaign."""

    kind = Execution.Kind.UNITARY

    @extend_schema(
        operation_id="send_unitary", parameters=[KEY], request=UnitaryShape, responses={202: ExecutionShape}
    )
    def post(self, request: HttpRequest, credential: ApiCredential) -> dict[str, object]:
        return self.accept(request, credential, bodies.Unitary)


class HighThroughput(Door):
    """`POST /ajo/im/executions/highthroughput`: 1 to 20 recipients who bring all that is written to them."""

    kind = Execution.Kind.HIGH_THROUGHPUT

    @extend_schema(
        operation_id="send_high_throughput",
        parameters=[KEY],
        request=HighThroughputShape,
        responses={202: ExecutionShape},
    )
    def post(self, request: HttpRequest, credential: ApiCredential) -> dict[str, object]:
        return self.accept(request, credential, bodies.HighThroughput)


class ToAudience(Door):
    """`POST /ajo/im/executions/audience`: a campaign to its audience, or the one named, now or at a time."""

    kind = Execution.Kind.AUDIENCE

    @extend_schema(
        operation_id="send_to_audience",
        parameters=[KEY],
        request=ToAudienceShape,
        responses={202: PolymorphicProxySerializer("AudienceAnswer", [ExecutionShape, ScheduleShape], None)},
    )
    def post(self, request: HttpRequest, credential: ApiCredential) -> dict[str, object]:
        given, body = self.read(request, credential, bodies.ToAudience)
        call = self.call(request, given, body.request_id or str(uuid.uuid4()), credential)
        chosen = audience_for(credential, body.audience_id) if body.audience_id is not None else None
        order = audiencecalls.Order(chosen, body.context, body.execute_at)
        accepted = audiencecalls.accept(body.campaign_id, order, call)
        if body.execute_at is not None:
            return as_schedule(accepted.execution)
        return as_answer(accepted.execution, is_repeat=accepted.is_repeat)


def _json(request: HttpRequest) -> Any:
    if request.content_type != "application/json":
        raise exceptions.UnsupportedMediaType(str(request.content_type))
    if request.content_params:
        require_utf8(request.headers["Content-Type"])
    try:
        return json.loads(request.body.decode())
    except (ValueError, RecursionError) as error:
        told = "a number has too many digits" if "int_max_str" in str(error) else str(error)
        raise exceptions.ParseError(f"JSON parse error - {told}"[:200]) from error


def _named(request: HttpRequest) -> dict[str, str]:
    """The ids of a call that is refused, as it gave them: whoever files the refusal knows which it was."""
    if request.content_type != "application/json":  # of a form the body may be read already, and is no call
        return {}
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError, SuspiciousOperation):
        return {}
    given = body if isinstance(body, dict) else {}
    names = ("requestId", "campaignId")
    return {name: str(given[name])[:255] for name in names if isinstance(given.get(name), str | int)}


def _key(request: HttpRequest) -> str:
    key: str | None = request.headers.get("Idempotency-Key")
    if key is None:
        return ""
    if not key.strip() or len(key) > 255 or not key.isprintable():
        detail = _("An Idempotency-Key has 1 to 255 printable characters.")
        raise Invalid(Problem("bad_idempotency_key", detail, ""))
    return key


def as_schedule(execution: Execution) -> dict[str, object]:
    run = execution.run
    return {
        "scheduleId": str(execution.pk),
        "scheduleStatus": audiencecalls.schedule_status_of(run),
        "audience": {"id": audience_id(execution)},
        "campaignId": str(execution.campaign_id),
        "executeAt": run.due_at.isoformat(),
        "executionDetails": None if run.state == Run.State.DUE else as_status(execution),
    }


def as_status(execution: Execution) -> dict[str, object]:
    return {
        "executionId": str(execution.pk),
        "status": audiencecalls.status_of(execution.run),
        "createdAt": execution.created_at.isoformat(),
        "campaignId": str(execution.campaign_id),
        "audienceId": audience_id(execution),
        "targetedProfileCount": execution.run.targeted,
    }


def audience_id(execution: Execution) -> str:
    frozen = execution.run.audience or execution.run.version.definition["audience"] or {}
    return str(frozen.get("id", ""))


def as_answer(execution: Execution, *, is_repeat: bool) -> dict[str, object]:
    made = {"At": execution.created_at.isoformat(), "By": execution.credential and execution.credential.name}
    answer: dict[str, object] = {"executionId": str(execution.pk), "requestId": execution.request_id}
    for word in ("created", "modified"):
        answer |= {f"{word}{ending}": value for ending, value in made.items()}
    return {**answer, "deduplicated": True} if is_repeat else answer
